"""The live database and the pristine one that it is made from, and made anew from.

The catalog of the front is run once, in a new database which then becomes the template; from then on a reset
is one CREATE DATABASE. Roles belong to no database, so a reset also drops those that came later.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from local_dsql.errors import FolderError, PostgresError
from local_dsql.files import write_private
from local_dsql.postgres.process import PORT, SUPERUSER
from local_dsql.wire.backend import Backend, BackendError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Sequence
    from pathlib import Path

LIVE = "postgres"
PRISTINE = "pristine"
_MAINTENANCE = "template1"
"""The database to be connected to while the others are replaced."""

_TAKE_OVER_PRIVILEGES = (
    "UPDATE pg_database live SET datdba = pristine.datdba, datacl = pristine.datacl "
    "FROM pg_database pristine WHERE live.datname = 'postgres' AND pristine.datname = 'pristine'"
)
_OTHER_ROLES = "SELECT string_agg(quote_ident(rolname), ', ') FROM pg_roles WHERE oid NOT IN ({known})"


@dataclass(frozen=True, slots=True)
class Built:
    """What a data directory was built from: the digest of the catalog's SQL, the OIDs of the first roles."""

    catalog: str
    roles: tuple[int, ...]

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


async def build(sockets: Path, scripts: Sequence[Path]) -> Built:
    """Run the catalog's scripts in a fresh data directory, and make the live database from the result.

    Raises:
        PostgresError: a script is refused, with PostgreSQL's words.
    """
    async with _connection(sockets, LIVE) as live:
        for script in scripts:
            await _run_script(live, script)
    async with _connection(sockets, _MAINTENANCE) as maintenance:
        await maintenance.rows(f"ALTER DATABASE {LIVE} RENAME TO {PRISTINE}")
        await maintenance.rows(f"ALTER DATABASE {PRISTINE} IS_TEMPLATE true ALLOW_CONNECTIONS false")
        await _create_live(maintenance)
        rows = await maintenance.rows("SELECT oid FROM pg_roles ORDER BY oid")
    return Built(catalog_digest(scripts), tuple(int(oid) for (oid,) in rows if oid is not None))


async def recreate(sockets: Path, built: Built) -> None:
    """Replace the live database by a pristine one and drop every later role; open sessions are cut.

    Raises:
        PostgresError: PostgreSQL refuses, with its words.
    """
    try:
        async with _connection(sockets, _MAINTENANCE) as maintenance:
            await maintenance.rows(f"DROP DATABASE IF EXISTS {LIVE} WITH (FORCE)")
            known = ", ".join(map(str, built.roles))
            ((late,),) = await maintenance.rows(_OTHER_ROLES.format(known=known))
            if late is not None:
                await maintenance.rows(f"DROP ROLE {late}")
            await _create_live(maintenance)
    except BackendError as error:
        raise PostgresError(
            "cannot reset the database",
            str(error),
            "reset again; if it fails again, start with an empty folder",
        ) from None


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


async def _run_script(live: Backend, script: Path) -> None:
    try:
        await live.rows(script.read_text(encoding="utf-8"))
    except BackendError as error:
        raise PostgresError(
            f"cannot build the database: {script.name} is refused",
            str(error),
            "reinstall the package; its catalog does not fit this PostgreSQL",
        ) from None


async def _create_live(maintenance: Backend) -> None:
    """CREATE DATABASE copies everything but the privileges on the database itself: take those over, too."""
    await maintenance.rows(f"CREATE DATABASE {LIVE} TEMPLATE {PRISTINE}")
    await maintenance.rows(_TAKE_OVER_PRIVILEGES)


@contextlib.asynccontextmanager
async def _connection(sockets: Path, database: str) -> AsyncIterator[Backend]:
    backend = await Backend.connect(sockets, PORT, {"user": SUPERUSER, "database": database})
    try:
        yield backend
    finally:
        backend.close()
