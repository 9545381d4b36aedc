"""The database that a command works on, connected: the project's local one, or a cluster that is named."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from typing import TYPE_CHECKING

from blocks_cli import console
from blocks_cli.database.login import CONNECT_PATIENCE, PATIENCE, Login
from blocks_cli.errors import CommandError
from blocks_cli.exit_codes import ExitCode
from blocks_cli.workspace import Workspace, project_root
from blocks_runtime.contract import ADMIN_ROLE, Variables, variable_prefix

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from blocks_cli.migrations.target import DatabaseTarget
    from blocks_runtime.errors import DatabaseError
    from lambda_migrator.admin import Admin
    from lambda_migrator.tables import Reader


@contextlib.contextmanager
def connected(target: DatabaseTarget, dialect: str | None = None) -> Iterator[Admin]:
    """Say which database it is and connect to it as `admin`; the local one is started if need be.

    Raises:
        CommandError: it cannot be reached, or what was done within the block was refused.
    """
    with _login(target, dialect) as login, explaining(target), _admin(login).open() as admin:
        yield admin


@contextlib.contextmanager
def readable(target: DatabaseTarget) -> Iterator[Reader]:
    """Say which database it is and connect to read in it; on this machine, without loading the driver.

    Raises:
        CommandError: it cannot be reached, or what was asked within the block was refused.
    """
    with _login(target, None) as login, explaining(target):
        plain = None if target.folder is None else login.plain()
        if plain is not None:
            with contextlib.closing(plain):
                yield plain
        else:  # with the patience, and the words for what is wrong, that the driver's way has
            with _admin(login).open() as admin:
                yield admin


@contextlib.contextmanager
def scratch(dialect: str | None) -> Iterator[Admin]:
    """Connect to an empty database of our own, in `.blocks/verify`; one command at a time has it."""
    folder = Workspace(project_root()).folder / "verify"
    with _exclusive(folder), _local_cluster(folder, dialect, empty=True) as login:
        with explaining(), _admin(login).open() as admin:
            yield admin


@contextlib.contextmanager
def _exclusive(folder: Path) -> Iterator[None]:
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def explaining(target: DatabaseTarget | None = None) -> Iterator[None]:
    """Turn errors of the migrator and of the database into those of the command line."""
    from blocks_runtime.errors import DatabaseError
    from custom_resource.deadline import OutOfTime
    from lambda_migrator.drift import DriftProblem
    from lambda_migrator.errors import JournalProblem, MigrationProblem

    try:
        yield
    except MigrationProblem as problem:
        untouched = isinstance(problem, DriftProblem | JournalProblem)
        code = ExitCode.USAGE if untouched else ExitCode.MIGRATION_FAILED
        raise CommandError(problem.what, problem.why, problem.remedy, code) from problem
    except DatabaseError as error:
        raise _refused(error, local=target is None or target.folder is not None) from error
    except OutOfTime:
        raise CommandError(
            f"not done within {PATIENCE / 3600:.0f} hours",
            "what is done is in the journal",
            "run the command again; it goes on from there",
            ExitCode.MIGRATION_FAILED,
        ) from None


@contextlib.contextmanager
def _login(target: DatabaseTarget, dialect: str | None) -> Iterator[Login]:
    console.print_message(f"target   {target}")
    if target.folder is None:
        yield _cluster(target)
        return
    _mention_others(target.folder)
    with _local_cluster(target.folder, dialect) as login:
        yield login


def _mention_others(folder: Path) -> None:
    """Say that a local database is about to be made, where the project has others: its name may be a slip."""
    others = [] if folder.exists() else sorted(each.name for each in folder.parent.glob("*"))
    if others:
        console.print_message(
            f"note     {folder.name} is new, and empty; this project has {', '.join(others)}", "cyan"
        )


@contextlib.contextmanager
def _local_cluster(folder: Path, dialect: str | None, *, empty: bool = False) -> Iterator[Login]:
    """Run the local database in `folder`; one that is to be `empty` may be of another version, and is made anew."""
    from local_dsql import LocalCluster
    from local_dsql.errors import FolderError

    cluster = LocalCluster(folder, dialect=dialect)
    try:
        cluster.start()
    except FolderError:
        if not empty:
            raise
        shutil.rmtree(folder)
        cluster.start()
    with cluster:
        if empty:
            cluster.reset()
        yield Login.local(cluster)


def _cluster(target: DatabaseTarget) -> Login:
    from blocks_runtime import credentials

    ca = os.environ.get(f"{variable_prefix(target.database)}_CA")
    at = Variables(target.endpoint, target.region, ADMIN_ROLE, ca)
    return Login(at, credentials.provider(os.environ))


def _admin(login: Login) -> Admin:
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
        return CommandError("cannot sign a login", what, remedy, ExitCode.CANNOT_CONNECT)
    if isinstance(error, AccessDenied):
        remedy = "sign with credentials that may dsql:DbConnectAdmin on this cluster, and name its Region"
        return CommandError("the database refused the login", why, remedy, ExitCode.CANNOT_CONNECT)
    if isinstance(error, ConnectionFailed) and local:
        remedy = "run the command again: it starts the database, and goes on where this run stopped"
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
