"""Custom roles of one database: checked against its migrations, and unique by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blocks.shared.errors import ConstructError

if TYPE_CHECKING:
    from blocks.database.roles import DatabaseRole
    from dsql_dialect.migrations import CompiledMigrations


class CustomRoles:
    """The custom roles that the grants on one database have named so far."""

    def __init__(self, name: str, migrations: CompiledMigrations) -> None:
        self._name = name
        self._migrations = migrations
        self._known: dict[str, DatabaseRole] = {}

    def check(self, role: DatabaseRole) -> None:
        """Check a role before it is granted.

        Raises:
            ConstructError: it names tables that no migration creates, or invalid privileges, or another role of that
                name has other privileges.
        """
        if self._known.setdefault(role.name, role).rendered() != role.rendered():
            raise ConstructError(
                f"two roles of the database {self._name!r} are called {role.name!r} and have other privileges",
                "they would be one role in the database",
                "create one DatabaseRole and pass it to every grant, or rename one of them",
            )
        if unknown := role.unknown_tables(self._migrations):
            raise ConstructError(
                f"the role {role.name!r} has privileges on {', '.join(unknown)}",
                f"no migration of the database {self._name!r} creates that",
                "spell it as the migration does, with its schema where that is not public",
            )
        if invalid := role.invalid_privileges(self._migrations):
            raise ConstructError(
                f"the role {role.name!r} has privileges on {', '.join(invalid)} that it cannot have",
                "USAGE is for sequences, and INSERT, UPDATE and DELETE are for tables and views",
                "leave them out, or name the sequence of the table",
            )
