"""A local deployment of an app's stacks."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Self

from blocks_cli.assembly.cloud import CloudAssembly
from blocks_cli.assembly.graph import order
from blocks_cli.assembly.resource_types import CLUSTER, FUNCTION, MIGRATIONS
from blocks_cli.errors import CommandError, NothingDeployed
from blocks_cli.exit_codes import ExitCode
from blocks_cli.json_value import Json, text
from blocks_cli.local.account import LocalAccount
from blocks_cli.local.checks import check_clusters, check_parameters, check_regions, skipped
from blocks_cli.local.cleanup import destroy
from blocks_cli.local.execution import StackDeployment
from blocks_cli.local.function_names import find, of_stack
from blocks_cli.local.functions import used_code
from blocks_cli.local.imported_clusters import record_imports, restore_imports
from blocks_cli.local.plan import Action
from blocks_cli.local.report import Report
from blocks_cli.local.reset_detection import check_resets, migrate_reset_databases, record_databases
from blocks_cli.local.resources import handler_for, handler_of
from blocks_cli.local.resources.cluster import OtherDatabaseError
from blocks_cli.local.rollback import Rollback
from blocks_cli.workspace import Workspace
from blocks_settings import Settings
from blocks_settings.regions import DEFAULT_REGION

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
    from types import TracebackType

    from blocks_cli.assembly.cloud import Stack
    from blocks_cli.lambda_.configuration import FunctionConfiguration
    from blocks_cli.lambda_.result import InvocationResult
    from blocks_cli.local.plan import Change
    from local_dsql import LocalCluster


class LocalDeployment:
    """Deployed stacks, running until `close`. Use `deploy` or `open` to get one; works as a context manager.

    `changes` are the changes of the deploy, by stack.
    """

    def __init__(self, account: LocalAccount) -> None:
        self._account = account
        self._is_current = False
        self.changes: dict[str, list[Change]] = {}

    @classmethod
    def deploy(
        cls,
        assembly: str | Path | Callable[[], Path],
        root: str | Path = ".",
        *,
        stacks: Sequence[str] = (),
        parameters: Mapping[str, str] | None = None,
        region: str = DEFAULT_REGION,
        report: Report | None = None,
        skip: Sequence[str] = (),
        clusters: Mapping[str, str] | None = None,
        rollback: Rollback | str = Rollback.NONE,
        port: int | None = None,
    ) -> Self:
        """Deploy a synthesized app into `root/.blocks`: the resources that changed since the last deploy.

        `assembly` is the output folder of the synth, or the synth itself, which returns it: that runs while the
        deployment is locked, so no other deploy replaces the folder. `stacks` are the stacks to deploy, together with
        their dependencies (default: all), `parameters` the values of template parameters, `region` the Region of
        environment-agnostic stacks. `report` gets every step. `skip` names resources that get a placeholder, by path
        or logical id. `clusters` are folders of other local projects, by the identifiers that their clusters are
        imported by. `rollback` says whether the steps of a stack are undone after a failure (default: they are kept).
        `port` is that of the project's own database in its first Region (default: that of the settings, else a free
        one, which is kept).

        Raises:
            CommandError: the assembly is invalid, or a step failed. Completed steps are kept, and the next deploy
                continues from there, unless there is a `rollback`.
        """
        workspace = Workspace(Path(root).resolve())
        ports = {} if port is None else {Settings.of(workspace.root).database_folder.name: port}
        with workspace.deploying():
            folder = assembly() if callable(assembly) else Path(assembly)
            chosen = CloudAssembly.load(folder, region).select(stacks)
            check_parameters(parameters or {}, chosen)
            left_out = skipped(skip, chosen)
            account = LocalAccount(workspace, report or Report(), ports)
            deployment = cls(_restore(account, deploying=True))
            try:
                deployment._check(chosen)
                record_imports(account, clusters or {}, region)
                deployment._run(chosen, parameters or {}, left_out, Rollback(rollback))
                account.store.prune(used_code(account.existing(), account.store))
            except BaseException:
                deployment.close()
                raise
        return deployment

    def update(self, stacks: Sequence[Stack]) -> None:
        """Deploy these stacks into the running deployment; the caller holds the lock of the workspace.

        Raises:
            CommandError: a step failed. Completed steps are kept.
        """
        self._check(stacks)
        self._run(stacks, {}, (), Rollback.NONE)

    def _check(self, stacks: Sequence[Stack]) -> None:
        check_clusters(self._account.states, stacks)
        check_regions(self._account.states, {stack.name: stack.region for stack in stacks})

    def _run(
        self,
        stacks: Sequence[Stack],
        parameters: Mapping[str, str],
        skipped: Collection[str],
        rollback: Rollback,
    ) -> None:
        """Deploy these stacks; `skipped` are construct paths."""
        account, self.changes = self._account, {}
        migrate_reset_databases(account, {stack.name for stack in stacks})
        with _kept_steps(account):
            for stack in stacks:
                deploying = StackDeployment(stack, account, parameters, skipped, rollback)
                self.changes[stack.name] = deploying.run()
        record_databases(account)

    @classmethod
    def resume(cls, root: Path, report: Report) -> Self:
        """Start what is deployed into `root/.blocks`, which may be nothing; `update` continues from there.

        Raises:
            CommandError: a cluster cannot be started.
        """
        return cls(_restore(LocalAccount(Workspace(root), report), deploying=True))

    def restart_databases(self) -> list[str]:
        """Start the databases again whose server has ended, and give their endpoints to the functions.

        Returns the names of their folders.

        Raises:
            CommandError: one cannot be started.
        """
        restarted = self._account.clusters.restart_stopped()
        if restarted:
            self._account.functions.restart()
            _restore_all(self._account, deploying=False)
        return restarted

    @property
    def account(self) -> LocalAccount:
        """The running clusters, functions and endpoints."""
        return self._account

    @classmethod
    def open(cls, root: str | Path = ".", *, report: Report | None = None) -> Self:
        """Start what was deployed into `root/.blocks` by an earlier process.

        Raises:
            NothingDeployed: there is no deployment.
            CommandError: a cluster cannot be started.
        """
        workspace = Workspace(Path(root).resolve())
        account = LocalAccount(workspace, report or Report())
        if not account.states:
            account.close()
            raise NothingDeployed(
                f"{workspace.folder}: nothing is deployed",
                "the folder has no record of a local deploy",
                "run `blocks deploy --local`",
            )
        return cls(_restore(account))

    @property
    def functions(self) -> tuple[FunctionConfiguration, ...]:
        """Functions that can be invoked, in the order of their deployment."""
        arns = (text(r.attributes["Arn"]) for r in self._account.resources() if r.type == FUNCTION)
        return tuple(found for arn in arns if (found := self._account.functions.get(arn)))

    @property
    def outputs(self) -> dict[str, dict[str, Json]]:
        """Outputs of all deployed stacks, by stack and name."""
        return {name: dict(state.outputs) for name, state in self._account.states.items()}

    @property
    def migrations_applied(self) -> tuple[str, ...]:
        """Names of the migrations that this deploy applied, in order."""
        changed = {
            change.logical_id
            for steps in self.changes.values()
            for change in steps
            if change.type == MIGRATIONS and change.action is not Action.KEEP
        }
        applied = [
            text(resource.attributes.get("Applied"))
            for resource in self._account.resources()
            if resource.type == MIGRATIONS and resource.logical_id in changed
        ]
        return tuple(name.strip() for names in applied for name in names.split(",") if name.strip())

    @property
    def clusters(self) -> tuple[LocalCluster, ...]:
        """Running local clusters."""
        return tuple(dict.fromkeys(self._account.clusters.by_arn().values()))

    def invoke(self, function: str, event: Json = None, *, stack: str | None = None) -> InvocationResult:
        """Invoke a function and wait for the result; concurrent callers get their own sandboxes.

        `function` is a construct path (`BankStack/Transfer`), a construct id, a logical id, or the name of the
        function; `stack` limits the search to one stack.

        Raises:
            CommandError: the name matches no function or several, `event` is not JSON, or a database was reset since
                the deploy. Errors of the function itself are in the result.
        """
        found = self._find(function, stack)
        try:
            json.dumps(event)
        except (TypeError, ValueError) as error:
            raise CommandError("the event is not JSON", str(error), "pass plain JSON values") from None
        if not self._is_current:
            check_resets(self._account)
            self._is_current = True
        return self._account.functions.invoke(found.arn, event)

    def path_of(self, function: str, *, stack: str | None = None) -> str:
        """Return the construct path of a function, named as for `invoke`.

        Raises:
            CommandError: the name matches no function or several.
        """
        return self._find(function, stack).path

    def destroy(self, *, purge: bool = False) -> dict[str, list[Change]]:
        """Delete all stacks, the last deployed first; resources with the deletion policy Retain are kept.

        `purge` deletes these as well, and continues if a handler fails to delete its resource.

        Raises:
            CommandError: a resource cannot be deleted.
        """
        after = {name: state.dependencies for name, state in self._account.states.items()}
        with self._account.workspace.deploying(), _kept_steps(self._account):
            return {
                name: destroy(self._account, name, purge=purge) for name in reversed(order(after, "stacks"))
            }

    def close(self) -> None:
        """End the sandboxes and close the clusters; may be called twice."""
        self._account.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _find(self, name: str, stack: str | None) -> FunctionConfiguration:
        return find(name, self.functions if stack is None else of_stack(stack, self.functions))


@contextlib.contextmanager
def _kept_steps(account: LocalAccount) -> Iterator[None]:
    """Give an error after a completed step the exit code of a failed deploy: USAGE means that nothing changed."""
    before = account.saves
    try:
        yield
    except CommandError as error:
        if error.code is ExitCode.USAGE and account.saves != before:
            error.code = ExitCode.MIGRATION_FAILED
        raise


def _restore(account: LocalAccount, *, deploying: bool = False) -> LocalAccount:
    """Start all deployed resources, clusters first: the others refer to them.

    A new port of a cluster replaces the old one in all records. When `deploying`, a cluster whose folder was removed is
    removed from the state, so that the deploy creates it again.
    """
    try:
        _restore_all(account, deploying)
    except BaseException:
        account.close()
        raise
    return account


def _restore_all(account: LocalAccount, deploying: bool) -> None:
    restore_imports(account)
    for name in [*account.states]:
        _restore_clusters(account, name, deploying)
    for resource in account.existing():
        if resource.type != CLUSTER:
            handler_of(resource).restore(resource, account)
    account.publish_permissions()


def _restore_clusters(account: LocalAccount, stack: str, deploying: bool) -> None:
    clusters = [r for r in account.states[stack].resources.values() if r.type == CLUSTER]
    for cluster in clusters:
        try:
            moved = handler_for(CLUSTER).restore(cluster, account)
        except OtherDatabaseError as error:
            if not deploying:
                raise
            for state in [*account.states.values()]:
                account.save(state.without_cluster(error.resource))
            continue
        for state in [*account.states.values()] if moved else []:
            account.save(state.renamed(moved))
