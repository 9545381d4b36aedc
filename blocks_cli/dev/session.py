"""A running `blocks dev`: the deployment, its endpoints, and the update after each change."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from blocks_cli.assembly.cloud import CloudAssembly
from blocks_cli.dev.app import App
from blocks_cli.errors import CommandError
from blocks_cli.exit_codes import ExitCode
from blocks_cli.json_value import mapping, text
from blocks_cli.lambda_.remedies import remedy
from blocks_cli.lambda_.result import EXIT_ERROR
from blocks_cli.local import Action, LocalDeployment
from blocks_cli.local.http_endpoints import HttpEndpoints
from blocks_cli.workspace import DEV, Workspace

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable
    from pathlib import Path
    from types import TracebackType

    from blocks_cli.assembly.cloud import Stack
    from blocks_cli.lambda_.result import RuntimeResponse
    from blocks_cli.local import Change, Report
    from blocks_cli.local.account import LocalAccount
    from blocks_cli.local.http_endpoints import Served
    from blocks_cli.local.state import DeployedResource

IDLE = 60.0
"""Seconds after which idle sandboxes are ended, except one for each function."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of an update: changed resources, applied migrations, seconds; `synthesized` if the app ran."""

    changes: tuple[Change, ...]
    migrations: tuple[str, ...]
    seconds: float
    synthesized: bool


class DevSession:
    """Deploys changes into a running deployment; a context manager.

    `synthesize` runs the app and returns the folder of its assembly. `region` is that of stacks without one.
    """

    def __init__(self, root: Path, report: Report, synthesize: Callable[[], Path], region: str) -> None:
        self._root = root
        self._synthesize = synthesize
        self._region = region
        self._app: App | None = None
        self._resources = contextlib.ExitStack()
        try:
            self._resources.enter_context(Workspace(root).deploying(DEV))
            self._deployment = self._resources.enter_context(LocalDeployment.resume(root, report))
            self._endpoints = HttpEndpoints(self._deployment.account)
            self._resources.callback(self._endpoints.close)
        except BaseException:
            self._resources.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._resources.close()

    def endpoints(self) -> list[Served]:
        """Serve the endpoints that are deployed now, and return them."""
        return self._endpoints.update()

    def deploy(self) -> Outcome:
        """Synthesize the app and deploy it.

        Raises:
            CommandError: the synth or a step of the deploy failed; functions keep their last good version.
        """
        started = time.monotonic()
        stacks = CloudAssembly.load(self._synthesize(), self._region).stacks
        self._app = App.of(self._root, self._account.store, stacks)
        self._update(stacks)
        return self._outcome(started, synthesized=True)

    def change(self, files: Collection[str]) -> Outcome:
        """Deploy changed files, paths relative to the project; without a synth if they are handlers or migrations.

        Raises:
            CommandError: as of `deploy`.
        """
        started = time.monotonic()
        app = self._app and self._app.with_changes(sorted(files))
        if app is None:
            return self.deploy()
        before, self._app = self._app, app
        if app is before:
            return Outcome((), (), time.monotonic() - started, synthesized=False)
        self._update(app.stacks)
        return self._outcome(started, synthesized=False)

    def maintain(self) -> list[str]:
        """Start databases again that have ended, and end sandboxes that are idle; return the databases.

        Raises:
            CommandError: a database cannot be started.
        """
        self._account.functions.trim(IDLE)
        return self._deployment.restart_databases()

    def handlers(self) -> frozenset[str]:
        """Return the ARNs of the functions that handle custom resources."""
        return self._account.handlers()

    def warm_up(self) -> None:
        """Start a sandbox of each function."""
        self._account.functions.warm_up()

    @property
    def _account(self) -> LocalAccount:
        return self._deployment.account

    def _update(self, stacks: Iterable[Stack]) -> None:
        functions = self._deployed_functions()
        try:
            with self._account.functions.staging() as failures:
                self._deployment.update([*stacks])
        finally:
            for arn in failures:
                self._restore(functions[arn])
            self._endpoints.update()
        if failures:
            *before, last = [_not_started(functions[arn].path, error) for arn, error in failures.items()]
            last.before = tuple(before)
            raise last

    def _deployed_functions(self) -> dict[str, DeployedResource]:
        return {text(each.attributes.get("Arn")): each for each in self._account.resources()}

    def _restore(self, function: DeployedResource) -> None:
        """Record the version of a function that goes on, so that the next deploy tries its new version again."""
        for state in [*self._account.states.values()]:
            if (
                function.logical_id in state.resources
                and function.path == state.resources[function.logical_id].path
            ):
                self._account.save(state.with_resource(function))

    def _outcome(self, started: float, *, synthesized: bool) -> Outcome:
        changes = [change for steps in self._deployment.changes.values() for change in steps]
        return Outcome(
            tuple(each for each in changes if each.action is not Action.KEEP),
            self._deployment.migrations_applied,
            time.monotonic() - started,
            synthesized,
        )


def _not_started(path: str, failure: RuntimeResponse) -> CommandError:
    """Return the error for a function whose new version has failed in its init phase."""
    result = failure.result("", "", 0.0, cold=True)
    message = text(mapping(result.payload).get("errorMessage"))
    reason = message if result.error_type == EXIT_ERROR else f"{result.error_type}: {message}"
    what_to_do = remedy(result) or "correct the file, whose trace is above"
    return CommandError(
        f"{path}: the new version does not start",
        reason,
        f"{what_to_do}; the last version is still served",
        ExitCode.INVOCATION_FAILED,
    )
