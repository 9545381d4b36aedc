"""Database roles for the grantees: what there should be, what there is, and the statements in between.

Each statement is its own transaction, and each changes the catalog, after which other sessions meet one
OC001. So only what differs is sent. `GRANT … ON SCHEMA public` is refused by DSQL (everybody may use it),
hence a GRANT on each table.
Sources: AWS user guide, "Using database roles and IAM authentication"; recorded 2026-09, eu-central-1.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from blocks_runtime import sql
from blocks_runtime.contract import Access, database_role
from blocks_runtime.fragments import quote_literal

from .problem import MigrationProblem
from .tables import OWN

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from blocks_runtime import Sql

_PRIVILEGES: Mapping[tuple[str, Access], tuple[str, ...]] = {
    ("TABLE", Access.READ_ONLY): ("SELECT",),
    ("TABLE", Access.READ_WRITE): ("SELECT", "INSERT", "UPDATE", "DELETE"),
    ("SEQUENCE", Access.READ_ONLY): ("SELECT",),
    ("SEQUENCE", Access.READ_WRITE): ("SELECT", "USAGE"),
    ("SCHEMA", Access.READ_ONLY): ("USAGE",),
    ("SCHEMA", Access.READ_WRITE): ("USAGE",),
}
_WORDS = {
    word: sql(word)
    for word in ("SELECT", "INSERT", "UPDATE", "DELETE", "USAGE", "TABLE", "SEQUENCE", "SCHEMA")
}


@dataclass(frozen=True, slots=True)
class Grant:
    """One grantee: an IAM role that may log in as a database role."""

    role: str
    access: Access
    arn: str


@dataclass(frozen=True, slots=True)
class Thing:
    """Something to have privileges on: kind TABLE (or a view), SEQUENCE or SCHEMA, and its name in parts."""

    kind: str
    name: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Seen:
    """What there is: roles, (role, ARN) mappings, things of the migrations, (role, thing, privilege)."""

    roles: frozenset[str] = frozenset()
    mappings: frozenset[tuple[str, str]] = frozenset()
    things: tuple[Thing, ...] = ()
    privileges: frozenset[tuple[str, Thing, str]] = field(default=frozenset())


def read_grants(database: str, entries: object) -> tuple[Grant, ...]:
    """Return the grants that a custom resource's property `Grants` lists.

    Raises:
        MigrationProblem: an entry lacks something, or names a role that is not one of this database's.
    """
    if not isinstance(entries, list):
        raise _malformed(database, entries)
    return tuple(_grant(database, entry) for entry in entries)


def plan_grants(database: str, desired: Sequence[Grant], seen: Seen) -> tuple[Sql, ...]:
    """Return the statements, in order, that make the roles of `database` what `desired` says.

    Mappings of this database's roles that nobody wants any more are revoked; other roles are left alone.
    """
    wanted = {(grant.role, grant.arn) for grant in desired}
    ours = {database_role(database, access) for access in Access}
    stale = sorted(mapping for mapping in seen.mappings - wanted if mapping[0] in ours)
    levels = sorted({(grant.role, grant.access) for grant in desired}, key=lambda level: level[0])
    return (
        *(_revoke_mapping(role, arn) for role, arn in stale),
        *(_create_role(role) for role, _ in levels if role not in seen.roles),
        *(statement for role, access in levels for statement in _privileges(role, access, seen)),
        *(_map(role, arn) for role, arn in sorted(wanted - seen.mappings)),
    )


def is_own(name: str) -> bool:
    """Say whether a table is the migrator's own."""
    return name in OWN


def _grant(database: str, entry: object) -> Grant:
    try:
        grant = Grant(entry["DatabaseRole"], Access(entry["Access"]), entry["RoleArn"])  # type: ignore[index]
    except (KeyError, TypeError, ValueError) as error:
        raise _malformed(database, entry) from error
    if grant.role != database_role(database, grant.access) or not grant.arn.startswith("arn:"):
        raise _malformed(database, entry)
    return grant


def _malformed(database: str, entry: object) -> MigrationProblem:
    return MigrationProblem(
        f"a grant on the database {database!r} cannot be understood",
        f"property Grants holds {entry!r}",
        "install one release of blocks-dsql for the construct and the migration function, and deploy again",
    )


def _privileges(role: str, access: Access, seen: Seen) -> Iterator[Sql]:
    """Yield a GRANT for each set of missing privileges, one statement for all things that miss it."""
    lacking: dict[tuple[str, tuple[str, ...]], list[Thing]] = {}
    for thing in seen.things:
        wanted = _PRIVILEGES[thing.kind, access]
        missing = tuple(each for each in wanted if (role, thing, each) not in seen.privileges)
        if missing:
            lacking.setdefault((thing.kind, missing), []).append(thing)
    for (kind, missing), things in lacking.items():
        yield sql(
            "GRANT {privileges} ON {kind} {things} TO {role}",
            privileges=sql.join(", ", (_WORDS[each] for each in missing)),
            kind=_WORDS[kind],
            things=sql.join(", ", (sql.identifier(*thing.name) for thing in things)),
            role=sql.identifier(role),
        )


def _create_role(role: str) -> Sql:
    return sql("CREATE ROLE {role} WITH LOGIN", role=sql.identifier(role))


def _map(role: str, arn: str) -> Sql:
    return sql("AWS IAM GRANT {role} TO {arn}", role=sql.identifier(role), arn=_literal(arn))


def _revoke_mapping(role: str, arn: str) -> Sql:
    return sql("AWS IAM REVOKE {role} FROM {arn}", role=sql.identifier(role), arn=_literal(arn))


def _literal(text: str) -> Sql:
    from blocks_runtime import Sql

    return Sql((quote_literal(text),))


def things_of(rows: Iterable[Mapping[str, str]]) -> tuple[Thing, ...]:
    """Return tables, views and sequences, and before them the schemas they are in, except `public`."""
    listed = list(rows)
    schemas = sorted({row["schema"] for row in listed} - {"public"})
    relations = (
        Thing("SEQUENCE" if row["kind"] == "S" else "TABLE", (row["schema"], row["name"])) for row in listed
    )
    return (*(Thing("SCHEMA", (name,)) for name in schemas), *relations)
