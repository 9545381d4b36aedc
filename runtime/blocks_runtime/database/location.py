"""Location of a database: from the variables that `grant_connect` sets, or the project's local database."""

from __future__ import annotations

from pathlib import Path

from ..contract import ADMIN_ROLE, Variables, variable_prefix
from ..errors import ConfigurationError
from ..shared import credentials
from ..shared.local_service import Block
from ..signing import Credentials
from .target import AMAZON_ROOTS, Target

TYPE_CHECKING = False  # `typing` costs more to import than the whole runtime
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


_DATABASE = Block(
    noun="database",
    variable="ENDPOINT",
    service="the local database",
    instead="cluster",
    grant="db.grant_connect(fn)",
)


class Location:
    """Target of connections, provider of credentials, and a function to detach."""

    def __init__(
        self, target: Target, credentials: Callable[[], Credentials], release: Callable[[], None]
    ) -> None:
        self.target = target
        self.credentials = credentials
        self.release = release


def locate(name: str, environ: Mapping[str, str], directory: Path) -> Location:
    """Return the location of the database `name` for an environment and a working directory.

    Raises:
        ConfigurationError: the variables are missing in Lambda or incomplete, or the local database is not installed or
            does not start.
    """
    variables = _DATABASE.variables(name, environ, Variables.read)
    if variables is None:
        return _local(name, directory)
    try:
        target = Target.of(variables)
    except ValueError as error:
        raise ConfigurationError(f"{error} (from {variable_prefix(name)}_ENDPOINT)") from error
    return Location(target, credentials.provider(environ), lambda: None)


def inject(location: Location, code: str, times: int, table: str | None) -> None:
    """Make the next commits of the local database at `location` fail.

    Raises:
        ConfigurationError: it is not a local database, or the extra `local` is not installed.
        ValueError: `code` is unknown, `times` is not positive, or there is no such table.
    """
    if code not in ("OC000", "OC001"):
        raise ValueError(f"code is {code!r}; give OC000 (rows) or OC001 (schema)")
    folder = Path(location.target.ca).parent
    if location.target.ca == str(AMAZON_ROOTS) or not (folder / "cluster.json").exists():
        raise ConfigurationError(
            f"{location.target.host} is not a local database, so no conflict can be simulated; "
            "run the test against a local one"
        )
    try:
        from local_dsql import LocalCluster, LocalDatabaseError
        from local_dsql.client.table_names import check_table
    except ImportError as missing:
        raise ConfigurationError(
            "the local database is not installed here, so no conflict can be simulated; "
            "run `pip install 'blocks-dsql[local]'`"
        ) from missing
    with LocalCluster(folder) as cluster:
        if table is not None:
            try:
                check_table(cluster.dsn(), table, "table")
            except LocalDatabaseError as error:
                raise ValueError(f"{error.what}; {error.why}; {error.remedy}") from None
        cluster.inject(code, times=times, table=table)


def _local(name: str, directory: Path) -> Location:
    """Attach to the project's local database, or start it, and log in as `admin`.

    Functions of a local deploy have the variables and their own identities, so they do not use this.
    """
    try:
        from blocks_settings import Settings, SettingsError
        from local_dsql import LocalCluster, LocalDatabaseError
    except ImportError as missing:
        raise _DATABASE.not_installed(name, "'blocks-dsql[local]'") from missing
    try:
        folder = Settings.of(directory).folder_of(name)
        _warn_if_new(name, folder)
        cluster = LocalCluster(folder)
        cluster.start()
    except (LocalDatabaseError, SettingsError) as error:
        raise _DATABASE.not_started(name, error.what, error.why, error.remedy) from error
    own = cluster.admin_credentials
    variables = Variables(cluster.endpoint(), cluster.regions[0], ADMIN_ROLE, str(cluster.ca_file))
    signing_with = Credentials(own.access_key_id, own.secret_access_key, own.session_token)
    return Location(Target.of(variables), lambda: signing_with, cluster.close)


def _warn_if_new(name: str, folder: Path) -> None:
    """Warn that a database is new and empty if the project has others: the name may be a typo."""
    if folder.exists() or not folder.parent.is_dir():
        return
    others = ", ".join(sorted(repr(each.name) for each in folder.parent.iterdir() if each.is_dir()))
    if others:
        import warnings

        warnings.warn(
            f"the local database {name!r} is new and empty; this project also has {others}. If one of these is meant, "
            f"change the name and remove {folder}",
            stacklevel=2,
        )
