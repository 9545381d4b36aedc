"""The database that a command works on, connected: the project's local one, or a cluster that is named."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import secrets
import shutil
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from blocks_cli import console
from blocks_cli.commands.options import root
from blocks_cli.exits import ExitCode
from blocks_cli.problem import CommandError
from blocks_cli.workspace import Workspace
from blocks_runtime.contract import ADMIN_ROLE, Variables, variable_prefix

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from blocks_cli.migrations.options import Place
    from blocks_runtime.errors import DatabaseError
    from blocks_runtime.signing import Credentials
    from lambda_migrator.admin import Admin
    from lambda_migrator.lease import Holder, Queue

PATIENCE = 24 * 3600.0
"""Seconds that a command may work; an index of a large table takes hours."""

CONNECT_PATIENCE = 15.0
"""Seconds in which a cluster must answer; an idle one wakes within a few."""

_HOST = re.compile(r"[a-z0-9]{26}\.dsql\.(?P<region>[a-z0-9-]+)\.on\.aws(\.cn)?")


@dataclass(frozen=True, slots=True)
class Login:
    """How to log in as `admin`."""

    variables: Variables
    credentials: Callable[[], Credentials]


@contextlib.contextmanager
def connected(place: Place, dialect: str | None = None) -> Iterator[Admin]:
    """Say which database it is and connect to it as `admin`; the local one is started if need be.

    Raises:
        CommandError: it cannot be reached, or what was done within the block was refused.
    """
    with _login(place, dialect) as login, explaining(), _admin(login).open() as admin:
        yield admin


@contextlib.contextmanager
def scratch(dialect: str | None) -> Iterator[Admin]:
    """Connect to an empty database of our own, in `.blocks/verify`; one command at a time has it."""
    folder = Workspace(root()).folder / "verify"
    with _alone(folder), _local_cluster(folder, dialect, empty=True) as login:
        with explaining(), _admin(login).open() as admin:
            yield admin


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def explaining() -> Iterator[None]:
    """Turn errors of the migrator and of the database into those of the command line."""
    from blocks_runtime.errors import DatabaseError
    from lambda_migrator.deadline import OutOfTime
    from lambda_migrator.drift import DriftProblem
    from lambda_migrator.problem import MigrationProblem

    try:
        yield
    except MigrationProblem as problem:
        code = ExitCode.USAGE if isinstance(problem, DriftProblem) else ExitCode.MIGRATION_FAILED
        raise CommandError(problem.what, problem.why, problem.remedy, code) from problem
    except DatabaseError as error:
        raise _refused(error) from error
    except OutOfTime:
        raise CommandError(
            f"not done within {PATIENCE / 3600:.0f} hours",
            "what is done is in the journal",
            "run the command again; it goes on from there",
            ExitCode.MIGRATION_FAILED,
        ) from None


def run_name() -> str:
    """Return the name of this run in the lease and the journal: who, on which machine, in which process."""
    import getpass

    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a user id without a name, as in many containers
        user = f"uid {os.getuid()}"
    # The last part tells two runs apart whose process has the same number.
    return f"{user}@{socket.gethostname()} blocks[{os.getpid()}/{secrets.token_hex(2)}]"


def is_dead(holder: str) -> bool:
    """Tell whether a holder of the lease was a command on this machine whose process has ended.

    Only good for a database of this machine: elsewhere another machine may have the same name.
    """
    match = re.fullmatch(rf".*@{re.escape(socket.gethostname())} blocks\[(?P<pid>[0-9]+)/[0-9a-f]+\]", holder)
    if match is None:
        return False
    try:
        os.kill(int(match["pid"]), 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False


def queue(place: Place, wait: float) -> Queue:
    """Return how to behave while another migrator is at work: say who, wait that many seconds."""
    from lambda_migrator.lease import Queue

    def waiting(holder: Holder) -> None:
        console.say(f"waiting  another migrator is at work: {holder}", "yellow")

    return Queue(wait, waiting, is_dead) if place.endpoint is None else Queue(wait, waiting)


@contextlib.contextmanager
def _login(place: Place, dialect: str | None) -> Iterator[Login]:
    if place.endpoint is not None:
        yield _cluster(place, place.endpoint)
        return
    from blocks_runtime.location import local_folder

    folder = local_folder(place.name, Path.cwd())
    console.target(folder)
    with _local_cluster(folder, dialect) as login:
        yield login


@contextlib.contextmanager
def _local_cluster(folder: Path, dialect: str | None, *, empty: bool = False) -> Iterator[Login]:
    """Run the local database in `folder`; one that is to be `empty` may be of another version, and is made anew."""
    from blocks_runtime.signing import Credentials
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
        own = cluster.admin_credentials
        keys = Credentials(own.access_key_id, own.secret_access_key, own.session_token)
        at = Variables(cluster.endpoint(), cluster.regions[0], ADMIN_ROLE, str(cluster.ca_file))
        yield Login(at, lambda: keys)


def _cluster(place: Place, endpoint: str) -> Login:
    from blocks_runtime import credentials

    match = _HOST.fullmatch(endpoint)
    region = place.region or (match and match["region"]) or os.environ.get("AWS_REGION")
    if region is None:
        raise CommandError(
            f"--endpoint {endpoint}: in which Region?",
            "its host name does not say, and a login is signed for one Region",
            "pass --region as well",
        )
    console.say(f"target   cluster {endpoint}   {region}   as {ADMIN_ROLE}")
    ca = os.environ.get(f"{variable_prefix(place.name)}_CA")
    return Login(Variables(endpoint, region, ADMIN_ROLE, ca), credentials.provider(os.environ))


def _admin(login: Login) -> Admin:
    from blocks_runtime.target import Target
    from lambda_migrator.admin import Admin
    from lambda_migrator.deadline import Deadline

    try:
        target = Target.of(login.variables)
    except ValueError as error:
        what, _, remedy = str(error).partition(": give")
        raise CommandError(f"--endpoint {login.variables.endpoint}", what, f"give{remedy}") from None
    return Admin(
        target,
        login.credentials,
        Deadline.after(PATIENCE),
        access_patience=0.0,
        connect_patience=CONNECT_PATIENCE,
    )


def _refused(error: DatabaseError) -> CommandError:
    from blocks_runtime.errors import AccessDenied, ConfigurationError, ConnectionFailed

    said = "; ".join(line.strip() for line in str(error.args[0]).splitlines())
    why = f"{said}{f' (SQLSTATE {error.sqlstate})' if error.sqlstate else ''}"
    if isinstance(error, ConfigurationError):
        what, _, remedy = str(error.args[0]).partition("; ")
        return CommandError("cannot sign a login", what, remedy, ExitCode.CANNOT_CONNECT)
    if isinstance(error, AccessDenied):
        remedy = "sign with credentials that may dsql:DbConnectAdmin on this cluster, and name its Region"
        return CommandError("the database refused the login", why, remedy, ExitCode.CANNOT_CONNECT)
    if isinstance(error, ConnectionFailed):
        remedy = "check the endpoint and the network, then run the command again"
        return CommandError("the database cannot be reached", why, remedy, ExitCode.CANNOT_CONNECT)
    return CommandError(
        "the database refused a statement of this command",
        why,
        "run the command again with --debug and report it",
        ExitCode.MIGRATION_FAILED,
    )
