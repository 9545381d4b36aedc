"""Custom database roles: privileges on named tables only."""

from __future__ import annotations

import enum
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from blocks.shared.errors import ConstructError
from blocks_runtime.contract import Access as Access
from blocks_runtime.contract import custom_role, database_role
from migration_manifest import TABLES_WITHOUT_GRANTS

if TYPE_CHECKING:
    from dsql_dialect.migrations import CompiledMigrations

_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_LONGEST = 32


class Privilege(enum.Enum):
    """Privilege of a database role on a table, view or sequence."""

    SELECT = "SELECT"
    """Read rows of a table or view, or the last value of a sequence."""
    INSERT = "INSERT"
    """Add rows to a table."""
    UPDATE = "UPDATE"
    """Change rows of a table; a WHERE clause also needs SELECT."""
    DELETE = "DELETE"
    """Delete rows of a table; a WHERE clause also needs SELECT."""
    USAGE = "USAGE"
    """Take the next value of a sequence."""


@dataclass(frozen=True, slots=True, eq=False)
class DatabaseRole:
    """A database role with privileges on the named tables, views and sequences only.

    `name` is unique within the database; in the cluster the role is called `blocks_<database>__<name>`. `privileges`
    maps `table` (in the schema `public`) or `schema.table`, spelt as in the catalog, to privileges. Privileges on
    objects that a later migration creates are granted by that deploy.

    Raises:
        ConstructError: the name is invalid, a table has no privileges or values that are not a `Privilege`, or is one
            of the migrator.
    """

    name: str
    privileges: Mapping[str, Collection[Privilege]]

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(str(self.name)) or len(self.name) > _LONGEST:
            raise ConstructError(
                f"{self.name!r} is not a valid name of a database role",
                "it becomes part of a PostgreSQL name, which is truncated to 63 characters and folded to small "
                "letters",
                f"choose small letters, digits and single underscores, {_LONGEST} characters at most",
            )
        if not isinstance(self.privileges, Mapping):
            raise ConstructError(
                f"the privileges of the role {self.name!r} are {self.privileges!r}",
                "privileges are given by table",
                'name each table with its privileges, such as {"accounts": {Privilege.SELECT}}',
            )
        for table, privileges in self.privileges.items():
            if not _are_privileges(table, privileges):
                raise ConstructError(
                    f"the role {self.name!r} gives {table!r} the privileges {privileges!r}",
                    "each table needs a collection of privileges, such as {Privilege.SELECT}",
                    "name the privileges in a set or list, or leave the table out",
                )
        if own := [
            each
            for each in self.privileges
            if _parts(each) in {("public", name) for name in TABLES_WITHOUT_GRANTS}
        ]:
            raise ConstructError(
                f"the role {self.name!r} gives privileges on {', '.join(map(repr, own))}",
                "it is a table of the migrator or of `blocks load`, on which no grantee gets privileges",
                "leave it out; `blocks status` shows the migrations",
            )

    def rendered(self) -> dict[str, list[str]]:
        """Return the privileges by `schema.name`, in a fixed order, as the migrator reads them."""
        return {
            ".".join(_parts(table)): [each.value for each in Privilege if each in privileges]
            for table, privileges in sorted(self.privileges.items())
        }

    def unknown_tables(self, migrations: CompiledMigrations) -> list[str]:
        """Return the tables that no statement of `migrations` creates, or renames or moves to that name.

        Empty without migrations, since the tables are then created elsewhere.
        """
        made = _created_objects(migrations)
        # OR REPLACE has no probe: its effect is not visible in the catalog.
        replaced = any(
            "or replace" in statement.sql.lower() and statement.probe is None
            for migration in migrations.migrations
            for statement in migration.statements
        )
        if not migrations.migrations or replaced:
            return []
        return [
            table
            for table, privileges in self.privileges.items()
            # A serial column of a table creates a sequence.
            if _parts(table) not in made and Privilege.USAGE not in privileges
        ]

    def invalid_privileges(self, migrations: CompiledMigrations) -> list[str]:
        """Return objects with a privilege that their kind does not have: USAGE on a table, writing on a sequence."""
        made = _created_objects(migrations)
        return [
            thing
            for thing, privileges in self.privileges.items()
            if (kinds := made.get(_parts(thing)))
            and (
                (kinds == {"sequence"} and _WRITING & {*privileges})
                or ("sequence" not in kinds and Privilege.USAGE in privileges)
            )
        ]


_WRITING = {Privilege.INSERT, Privilege.UPDATE, Privilege.DELETE}


def _created_objects(migrations: CompiledMigrations) -> dict[tuple[object, object], set[str]]:
    """Return the kinds of objects that the migrations create, by schema and name: table, view or sequence."""
    made: dict[tuple[object, object], set[str]] = {}
    for migration in migrations.migrations:
        for statement in migration.statements:
            if (probe := statement.probe) and probe["object"] in ("table", "view", "sequence"):
                made.setdefault((probe.get("schema"), probe.get("name")), set()).add(str(probe["object"]))
    return made


def _are_privileges(table: object, given: object) -> bool:
    """Return whether a key is a name and its value a non-empty collection of privileges, not a text."""
    if not isinstance(table, str) or not isinstance(given, Collection) or isinstance(given, str):
        return False
    return table != "" and len(given) > 0 and all(isinstance(each, Privilege) for each in given)


Rights: TypeAlias = "Access | DatabaseRole"
"""Rights of a grantee: an access level, or a custom role."""


def role_name(database: str, access: Rights) -> str:
    """Return the name of the database role of `access` in the cluster.

    Raises:
        ConstructError: `access` is neither a level nor a role.
    """
    if isinstance(access, Access):
        return database_role(database, access)
    if isinstance(access, DatabaseRole):
        return custom_role(database, access.name)
    raise ConstructError(
        f"access={access!r} is not an access level or role of the database {database!r}",
        f"it is a {type(access).__name__}",
        "pass Access.READ_ONLY, Access.READ_WRITE, or a DatabaseRole",
    )


def _parts(table: str) -> tuple[str, str]:
    schema, dot, name = table.partition(".")
    return (schema, name) if dot else ("public", schema)
