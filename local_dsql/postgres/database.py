"""The live database and the pristine one that it is made from, and made anew from.

The catalog of the front is run once, in a new database which then becomes the template; from then on a reset
is one CREATE DATABASE. Roles belong to no database, so a reset also drops those that came later.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from local_dsql.errors import FolderError, PostgresError
from local_dsql.files import write_private
from local_dsql.postgres.process import PORT, SUPERUSER

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    import psycopg

LIVE = "postgres"
PRISTINE = "pristine"
_MAINTENANCE = "template1"
"""The database to be connected to while the others are replaced."""

_ROLES = "SELECT rolname FROM pg_roles ORDER BY rolname"


@dataclass(frozen=True, slots=True)
class Built:
    """What a data directory was built from: the digest of the catalog's SQL, and the roles it began with."""

    catalog: str
    roles: tuple[str, ...]

    @classmethod
    def load(cls, file: Path) -> Built | None:
        """Return what was written, None where the directory was never finished."""
        try:
            content = json.loads(file.read_text())
            return cls(content["catalog"], tuple(content["roles"]))
        except (FileNotFoundError, ValueError, KeyError):
            return None

    def save(self, file: Path) -> None:
        """Write it, the last step of building."""
        write_private(file, json.dumps(asdict(self), indent=1))


def catalog_digest(scripts: Iterable[Path]) -> str:
    """Return the digest that tells one catalog from another."""
    return hashlib.sha256(b"\0".join(script.read_bytes() for script in scripts)).hexdigest()


def build(sockets: Path, scripts: Iterable[Path]) -> Built:
    """Run the catalog's scripts in a fresh data directory, and make the live database from the result.

    Raises:
        PostgresError: a script is refused, with PostgreSQL's words.
    """
    import psycopg

    scripts = list(scripts)
    for script in scripts:
        with _connect(sockets, LIVE) as connection:
            try:
                connection.execute(script.read_bytes())
            except psycopg.Error as error:
                raise PostgresError(
                    f"cannot build the database: {script.name} is refused",
                    f"{error} (SQLSTATE {error.sqlstate})",
                    "reinstall the package; its catalog does not fit this PostgreSQL",
                ) from None
    with _connect(sockets, _MAINTENANCE) as connection:
        connection.execute(f"ALTER DATABASE {LIVE} RENAME TO {PRISTINE}")
        connection.execute(f"ALTER DATABASE {PRISTINE} IS_TEMPLATE true ALLOW_CONNECTIONS false")
        _create_live(connection)
        roles = tuple(row[0] for row in connection.execute(_ROLES))
    return Built(catalog_digest(scripts), roles)


def recreate(sockets: Path, built: Built) -> None:
    """Replace the live database by a pristine one and drop every later role; open sessions are cut."""
    from psycopg import sql

    with _connect(sockets, _MAINTENANCE) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {LIVE} WITH (FORCE)")
        late = [row[0] for row in connection.execute(_ROLES) if row[0] not in built.roles]
        if late:
            names = sql.SQL(", ").join(map(sql.Identifier, late))
            connection.execute(sql.SQL("DROP ROLE {}").format(names))
        _create_live(connection)


def check_catalog(built: Built, scripts: Iterable[Path], folder: Path) -> None:
    """Compare what the folder was built from with what this package would build.

    Raises:
        FolderError: they differ.
    """
    if built.catalog != catalog_digest(scripts):
        raise FolderError(
            f"the database in {folder} was built by another version of local_dsql",
            "its system catalog differs from the one that this version needs",
            "remove the folder and start with an empty database, or install the version that built it",
        )


def _create_live(connection: psycopg.Connection) -> None:
    """CREATE DATABASE copies everything but the privileges on the database itself: take those over, too."""
    connection.execute(f"CREATE DATABASE {LIVE} TEMPLATE {PRISTINE}")
    connection.execute(
        "UPDATE pg_database SET (datdba, datacl) = "
        "(SELECT datdba, datacl FROM pg_database WHERE datname = %s) WHERE datname = %s",
        (PRISTINE, LIVE),
    )


def _connect(sockets: Path, database: str) -> psycopg.Connection:
    import psycopg

    return psycopg.connect(host=str(sockets), port=PORT, user=SUPERUSER, dbname=database, autocommit=True)
