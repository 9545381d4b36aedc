"""Database roles for the grantees: what there should be, what there is, and the statements in between.

Each statement is its own transaction, and each changes the catalog, after which other sessions meet one
OC001. So only what differs is sent. `GRANT … ON SCHEMA public` is refused by DSQL (everybody may use it),
hence a GRANT on each table. A role that nobody logs in as any more keeps its name and nothing else: dropping it
would fail on whatever else it was given by hand.
Sources: AWS user guide, "Using database roles and IAM authentication"; recorded 2026-09, eu-central-1.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from blocks_runtime import sql
from blocks_runtime.contract import Access, custom_role_prefix, database_role
from blocks_runtime.database.fragments import quote_literal

from .errors import MigrationProblem
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
_MANAGED = {kind: _PRIVILEGES[kind, Access.READ_WRITE] for kind in ("TABLE", "SEQUENCE", "SCHEMA")}
"""The privileges that are given and taken here; others are whoever's who gave them."""

_WORDS = {
    word: sql(word)
    for word in ("SELECT", "INSERT", "UPDATE", "DELETE", "USAGE", "TABLE", "SEQUENCE", "SCHEMA")
}

Rights: TypeAlias = "Access | Mapping[tuple[str, ...], tuple[str, ...]]"
"""An access level, or for a custom role the privileges on each table, view or sequence by schema and name."""


@dataclass(frozen=True, slots=True)
class Grant:
    """One grantee: an IAM role that may log in as a database role."""

    role: str
    access: Rights
    arn: str


@dataclass(frozen=True, slots=True)
class Thing:
    """Something to have privileges on: kind TABLE (or a view), SEQUENCE or SCHEMA, and its name in parts."""

    kind: str
    name: tuple[str, ...]

    @property
    def is_own(self) -> bool:
        """Say whether it is the migrator's own."""
        return self.kind == "TABLE" and self.name[-1] in OWN


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


def plan_grants(
    database: str, desired: Sequence[Grant], seen: Seen, *, complete: bool = True
) -> tuple[Sql, ...]:
    """Return the statements, in order, that make the roles of `database` what `desired` says.

    Of this database's roles, mappings that nobody wants any more are revoked, and privileges beyond the wanted
    ones; other roles are left alone. With `complete` false, `desired` may lack some: then nothing is revoked.
    """
    wanted = {(grant.role, grant.arn) for grant in desired}
    levels = sorted({grant.role: grant.access for grant in desired}.items(), key=lambda level: level[0])
    stale = [mapping for mapping in seen.mappings - wanted if is_role_of(database, mapping[0])]
    return (
        *(_revoke_mapping(role, arn) for role, arn in sorted(stale) if complete),
        *(statement for statement in _surplus(database, dict(levels), seen) if complete),
        *(_create_role(role) for role, _ in levels if role not in seen.roles),
        *(statement for role, access in levels for statement in _privileges(role, access, seen)),
        *(_map(role, arn) for role, arn in sorted(wanted - seen.mappings)),
    )


def unknown_things(desired: Sequence[Grant], seen: Seen) -> tuple[str, ...]:
    """Return what custom roles have privileges on and the database does not have, as `schema.name`, sorted."""
    there = {thing.name for thing in seen.things if not thing.is_own}
    named = {name for grant in desired if not isinstance(grant.access, Access) for name in grant.access}
    return tuple(sorted(".".join(name) for name in named - there))


def is_role_of(database: str, role: str) -> bool:
    """Say whether a database role is one that stands for the grants on `database`."""
    levels = {database_role(database, access) for access in Access}
    return role in levels or role.startswith(custom_role_prefix(database))


def _grant(database: str, entry: object) -> Grant:
    try:
        grant = Grant(entry["DatabaseRole"], _rights(entry), entry["RoleArn"])  # type: ignore[index]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise _malformed(database, entry) from error
    if not _is_role_for(database, grant) or not grant.arn.startswith("arn:"):
        raise _malformed(database, entry)
    return grant


def _rights(entry: Any) -> Rights:
    """Read `Access`, or for a custom role `Privileges`: `{"schema.name": ["SELECT", …]}`."""
    if "Privileges" not in entry:
        return Access(entry["Access"])
    rights = {tuple(name.split(".", 1)): tuple(each) for name, each in entry["Privileges"].items()}
    for name, privileges in rights.items():
        if len(name) != 2 or not {*privileges} <= {"SELECT", "INSERT", "UPDATE", "DELETE", "USAGE"}:
            raise ValueError(name)
    return rights


def _is_role_for(database: str, grant: Grant) -> bool:
    if isinstance(grant.access, Access):
        return grant.role == database_role(database, grant.access)
    return grant.role.startswith(custom_role_prefix(database))


def _malformed(database: str, entry: object) -> MigrationProblem:
    return MigrationProblem(
        f"a grant on the database {database!r} cannot be understood",
        f"property Grants holds {entry!r}",
        "install one release of blocks-dsql for the construct and the migration function, and deploy again",
    )


def _wanted(access: Rights | None, thing: Thing) -> tuple[str, ...]:
    """Return the privileges that `access` stands for; none on what is the migrator's own."""
    if access is None or thing.is_own:
        return ()
    if isinstance(access, Access):
        return _PRIVILEGES[thing.kind, access]
    if thing.kind == "SCHEMA":
        return ("USAGE",) if any(schema == thing.name[0] for schema, _ in access) else ()
    given = access.get(thing.name, ())
    return tuple(each for each in _MANAGED[thing.kind] if each in given)


def _privileges(role: str, access: Rights, seen: Seen) -> Iterator[Sql]:
    """Yield a GRANT for each set of missing privileges, one statement for all things that miss it."""
    for kind, missing, things in _alike(
        (thing, tuple(each for each in _wanted(access, thing) if (role, thing, each) not in seen.privileges))
        for thing in seen.things
    ):
        yield sql(
            "GRANT {privileges} ON {kind} {things} TO {role}",
            privileges=missing,
            kind=kind,
            things=things,
            role=sql.identifier(role),
        )


def _surplus(database: str, levels: Mapping[str, Rights], seen: Seen) -> Iterator[Sql]:
    """Yield a REVOKE for each set of privileges that a role of ours has beyond its level."""
    for role in sorted(role for role in seen.roles if is_role_of(database, role)):
        for kind, surplus, things in _alike(
            (
                thing,
                tuple(
                    each
                    for each in _MANAGED[thing.kind]
                    if (role, thing, each) in seen.privileges and each not in _wanted(levels.get(role), thing)
                ),
            )
            for thing in reversed(seen.things)  # what is in a schema before the schema
        ):
            yield sql(
                "REVOKE {privileges} ON {kind} {things} FROM {role}",
                privileges=surplus,
                kind=kind,
                things=things,
                role=sql.identifier(role),
            )


def _alike(found: Iterable[tuple[Thing, tuple[str, ...]]]) -> Iterator[tuple[Sql, Sql, Sql]]:
    """Yield privileges, kind and names for each group of things with the same privileges, if any."""
    groups: dict[tuple[str, tuple[str, ...]], list[Thing]] = {}
    for thing, privileges in found:
        if privileges:
            groups.setdefault((thing.kind, privileges), []).append(thing)
    for (kind, privileges), things in groups.items():
        yield (
            _WORDS[kind],
            sql.join(", ", (_WORDS[each] for each in privileges)),
            sql.join(", ", (sql.identifier(*thing.name) for thing in things)),
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
