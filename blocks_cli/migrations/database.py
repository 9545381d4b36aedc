"""Connections to the database of a command: the project's local one, or a named cluster."""

from __future__ import annotations

import contextlib
import fcntl
import os
from typing import TYPE_CHECKING

from blocks_cli import console
from blocks_cli.database.login import CONNECT_PATIENCE, PATIENCE, Login
from blocks_cli.errors import CommandError
from blocks_cli.exit_codes import ExitCode
from blocks_cli.file_errors import remove_tree
from blocks_cli.workspace import Workspace, project_root
from blocks_runtime.contract import ADMIN_ROLE, Variables, variable_prefix
from blocks_settings import Source
from local_dsql.storage.folder import Folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from blocks_cli.migrations.target import DatabaseTarget
    from blocks_runtime.errors import DatabaseError
    from blocks_settings import Setting
    from lambda_migrator.admin import AdminConnection
    from lambda_migrator.tables import Reader
    from local_dsql.conformance.session import ClusterUnderTest
    from local_dsql.cost.result import Cost


@contextlib.contextmanager
def connected(
    target: DatabaseTarget, dialect: Setting[str] | None = None, *, creates: bool = False
) -> Iterator[AdminConnection]:
    """Print the target and connect to it as `admin`; start the local database if it is not running.

    Only with `creates` a local database that does not exist is created.

    Raises:
        CommandError: the database does not exist or cannot be reached, or a statement in the block failed.
    """
    with _login(target, dialect, creates=creates) as login, explaining(target), _admin(login).open() as admin:
        yield admin


@contextlib.contextmanager
def reachable(target: DatabaseTarget) -> Iterator[Callable[[], AdminConnection]]:
    """Print the target and start the local database if it is not running; return a function that makes connections.

    Raises:
        CommandError: the database cannot be reached, or a statement in the block failed.
    """
    with _login(target, None) as login, explaining(target):
        yield lambda: _admin(login)


@contextlib.contextmanager
def under_test(target: DatabaseTarget) -> Iterator[ClusterUnderTest]:
    """Print the target and return it as a cluster that the conformance suite can ask.

    Raises:
        CommandError: the database cannot be reached, or cannot be asked.
    """
    from local_dsql.conformance.session import ConformanceError

    with _login(target, None) as login:
        try:
            yield _as_under_test(login)
        except ConformanceError as error:
            what, _, why = str(error).partition("\n")
            why, _, remedy = why.rpartition("\n")
            raise CommandError(what, why, remedy, ExitCode.CANNOT_CONNECT) from None


def cluster_under_test(target: DatabaseTarget) -> ClusterUnderTest:
    """Return a cluster on AWS as one that the conformance suite can ask, with a token for an hour."""
    return _as_under_test(_cluster(target), lifetime=3600)


def _as_under_test(login: Login, lifetime: int | None = None) -> ClusterUnderTest:
    from blocks_runtime import signing
    from blocks_runtime.database.target import Target
    from local_dsql.conformance.session import ClusterUnderTest

    at = Target.of(login.variables)
    seconds = lifetime or signing.LIFETIME
    token = signing.token(at.host, at.region, at.role, login.credentials(), lifetime=seconds)
    return ClusterUnderTest.reached_by(lambda libpq: at.parameters(token, libpq))


@contextlib.contextmanager
def metered(target: DatabaseTarget) -> Iterator[Cost]:
    """Print the target, a local database, and measure the cost of what is committed in the block.

    Raises:
        CommandError: the database does not start.
    """
    from local_dsql import LocalCluster

    assert target.folder is not None
    with _login(target, None), LocalCluster(target.folder) as cluster, cluster.cost() as found:
        yield found


@contextlib.contextmanager
def readable(target: DatabaseTarget) -> Iterator[Reader]:
    """Print the target and connect for reading; to the local database without loading the driver.

    Raises:
        CommandError: the database cannot be reached, or a query in the block failed.
    """
    with _login(target, None) as login, explaining(target):
        plain = None if target.folder is None else login.plain()
        if plain is not None:
            with contextlib.closing(plain):
                yield plain
        else:  # the driver waits longer and reports errors better
            with _admin(login).open() as admin:
                yield admin


def is_missing(target: DatabaseTarget) -> bool:
    """Return whether the target is a local database that does not exist yet.

    Raises:
        CommandError: it does not exist, and the project has others: the name may be wrong.
    """
    folder = target.folder
    if folder is None or Folder.at(folder).has_cluster:
        return False
    if _others(folder):
        raise _missing(target)
    return True


def mention_missing(target: DatabaseTarget) -> None:
    """Print the target, and that it does not exist yet."""
    console.print_message(f"target   {target}")
    console.print_message("note     this database does not exist yet; `blocks up` creates it", "cyan")


def _missing(target: DatabaseTarget) -> CommandError:
    import difflib

    assert target.folder is not None
    others = _others(target.folder)
    near = difflib.get_close_matches(target.folder.name, others, 1)
    return CommandError(
        f"there is no local database {target.database}",
        f"this project has {', '.join(others) or 'none'}; {console.display_path(target.folder)} does not exist",
        f"did you mean --database {near[0]}?"
        if near
        else "create it with `blocks up` or `blocks deploy --local`",
    )


def _others(folder: Path) -> list[str]:
    """Return the names of the project's local databases."""
    return sorted(each.parent.name for each in folder.parent.glob("*/cluster.json"))


@contextlib.contextmanager
def scratch(dialect: Setting[str]) -> Iterator[AdminConnection]:
    """Connect to an empty database in `.blocks/verify`, which one command at a time may use."""
    workspace = Workspace(project_root())
    workspace.create()
    folder = workspace.folder / "verify"
    with _exclusive(folder), _local_cluster(folder, dialect, empty=True) as login:
        with explaining(), _admin(login).open() as admin:
            yield admin


@contextlib.contextmanager
def _exclusive(folder: Path) -> Iterator[None]:
    with folder.with_suffix(".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def explaining(target: DatabaseTarget | None = None) -> Iterator[None]:
    """Convert errors of the migrator and of the database to CommandError."""
    from blocks_runtime.errors import DatabaseError
    from custom_resource.deadline import OutOfTime
    from lambda_migrator.drift import DriftError
    from lambda_migrator.errors import MigrationFailedError, RepairError

    try:
        yield
    except MigrationFailedError as problem:
        untouched = isinstance(problem, DriftError | RepairError)
        code = ExitCode.USAGE if untouched else ExitCode.MIGRATION_FAILED
        raise CommandError(problem.what, problem.why, problem.remedy, code) from problem
    except DatabaseError as error:
        raise _refused(error, local=target is None or target.folder is not None) from error
    except OutOfTime:
        raise CommandError(
            f"not completed within {PATIENCE / 3600:.0f} hours",
            "the journal has the completed steps",
            "run the command again; it continues from there",
            ExitCode.MIGRATION_FAILED,
        ) from None


@contextlib.contextmanager
def _login(target: DatabaseTarget, dialect: Setting[str] | None, *, creates: bool = False) -> Iterator[Login]:
    if not creates and is_missing(target):
        raise _missing(target)
    console.print_message(f"target   {target}")
    if target.folder is None:
        yield _cluster(target)
        return
    _mention_others(target.folder)
    with _local_cluster(target.folder, dialect) as login:
        yield login


def _mention_others(folder: Path) -> None:
    """Print a note if a new local database is created in a project that has others: the name may be a typo."""
    others = [] if folder.exists() else _others(folder)
    if others:
        console.print_message(
            f"note     {folder.name} is a new, empty database; this project also has {', '.join(others)}",
            "cyan",
        )


@contextlib.contextmanager
def _local_cluster(folder: Path, dialect: Setting[str] | None, *, empty: bool = False) -> Iterator[Login]:
    """Run the local database in `folder`; `empty` resets it, and replaces one of another version."""
    from local_dsql import LocalCluster
    from local_dsql.errors import FolderError

    stated = None if dialect is None or dialect.source is Source.DEFAULT else dialect.value
    cluster = LocalCluster(folder, dialect=stated)
    try:
        cluster.start()
    except FolderError:
        if not empty:
            raise
        remove_tree(folder)
        cluster.start()
    with cluster:
        for each in cluster.status.moves():
            console.print_message(f"note     {each}", "cyan")
        if empty:
            cluster.reset()
        yield Login.local(cluster)


def _cluster(target: DatabaseTarget) -> Login:
    from blocks_runtime.shared import credentials

    ca = os.environ.get(f"{variable_prefix(target.database)}_CA")
    at = Variables(target.endpoint, target.region, ADMIN_ROLE, ca)
    return Login(at, credentials.provider(os.environ))


def _admin(login: Login) -> AdminConnection:
    try:
        return login.admin(CONNECT_PATIENCE)
    except ValueError as error:
        what, _, remedy = str(error).partition(": give")
        raise CommandError(f"--endpoint {login.variables.endpoint}", what, f"give{remedy}") from None


def _refused(error: DatabaseError, *, local: bool) -> CommandError:
    from blocks_runtime.errors import AccessDenied, ConfigurationError, ConnectionFailed

    said = "; ".join(line.strip() for line in str(error.args[0]).splitlines())
    why = f"{said}{f' (SQLSTATE {error.sqlstate})' if error.sqlstate else ''}"
    if isinstance(error, ConfigurationError):
        what, _, remedy = str(error.args[0]).partition("; ")
        return CommandError("cannot sign a login token", what, remedy, ExitCode.CANNOT_CONNECT)
    if isinstance(error, AccessDenied):
        remedy = "use credentials that allow dsql:DbConnectAdmin on this cluster, and pass its Region"
        return CommandError("the database refused the login", why, remedy, ExitCode.CANNOT_CONNECT)
    if isinstance(error, ConnectionFailed) and local:
        remedy = "run the command again: it starts the database and continues where this run stopped"
        return CommandError("the local database has stopped", why, remedy, ExitCode.CANNOT_CONNECT)
    if isinstance(error, ConnectionFailed):
        remedy = "check the endpoint and the network, then run the command again"
        return CommandError("the database cannot be reached", why, remedy, ExitCode.CANNOT_CONNECT)
    return CommandError(
        "the database refused a statement of this command",
        why,
        "run the command again with --debug and report it",
        ExitCode.MIGRATION_FAILED,
    )
