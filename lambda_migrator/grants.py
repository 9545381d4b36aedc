"""Plan of database roles, mappings and privileges: the statements from the current to the desired grants.

Each statement is its own transaction, and each changes the catalog, after which other sessions get one OC001, so only
differences are sent. `GRANT … ON SCHEMA public` is refused by DSQL (every role may use it), hence a GRANT on each
table. A role without a grantee is kept without privileges: dropping it would fail if it has been granted others by
hand.
Sources: AWS user guide, "Using database roles and IAM authentication"; recorded 2026-09, eu-central-1.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from blocks_runtime import sql
from blocks_runtime.contract import Access, custom_role_prefix, database_role
from blocks_runtime.database.fragments import quote_literal

from .errors import MigrationFailedError
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
"""Privileges managed here; others are left alone."""

_WORDS = {
    word: sql(word)
    for word in ("SELECT", "INSERT", "UPDATE", "DELETE", "USAGE", "TABLE", "SEQUENCE", "SCHEMA")
}

Rights: TypeAlias = "Access | Mapping[tuple[str, ...], tuple[str, ...]]"
"""An access level, or for a custom role the privileges by schema and name of a table, view or sequence."""


@dataclass(frozen=True, slots=True)
class Grant:
    """One grantee: an IAM role that may log in as a database role."""

    role: str
    access: Rights
    arn: str


@dataclass(frozen=True, slots=True)
class DatabaseObject:
    """An object with privileges: kind TABLE (or a view), SEQUENCE or SCHEMA, and its name in parts."""

    kind: str
    name: tuple[str, ...]

    @property
    def is_own(self) -> bool:
        """True for the tables of the migrator itself."""
        return self.kind == "TABLE" and self.name[-1] in OWN


@dataclass(frozen=True, slots=True)
class CurrentGrants:
    """Grants in the database: roles, (role, ARN) mappings, objects of the migrations, (role, object, privilege)."""

    roles: frozenset[str] = frozenset()
    mappings: frozenset[tuple[str, str]] = frozenset()
    objects: tuple[DatabaseObject, ...] = ()
    privileges: frozenset[tuple[str, DatabaseObject, str]] = field(default=frozenset())


def read_grants(database: str, entries: object) -> tuple[Grant, ...]:
    """Return the grants that a custom resource's property `Grants` lists.

    Raises:
        MigrationFailedError: an entry is incomplete, or names a role of another database.
    """
    if not isinstance(entries, list):
        raise _malformed(database, entries)
    return tuple(_grant(database, entry) for entry in entries)


def plan_grants(
    database: str, desired: Sequence[Grant], current: CurrentGrants, *, complete: bool = True
) -> tuple[Sql, ...]:
    """Return the statements, in order, that change the roles of `database` to the `desired` grants.

    Mappings and privileges of this database's roles that are not desired are revoked; other roles are left alone. With
    `complete` false, `desired` may be incomplete, and nothing is revoked.
    """
    wanted = {(grant.role, grant.arn) for grant in desired}
    levels = sorted({grant.role: grant.access for grant in desired}.items(), key=lambda level: level[0])
    stale = [mapping for mapping in current.mappings - wanted if is_role_of(database, mapping[0])]
    return (
        *(_revoke_mapping(role, arn) for role, arn in sorted(stale) if complete),
        *(statement for statement in _revokes(database, dict(levels), current) if complete),
        *(_create_role(role) for role, _ in levels if role not in current.roles),
        *(statement for role, access in levels for statement in _privileges(role, access, current)),
        *(_map_role(role, arn) for role, arn in sorted(wanted - current.mappings)),
    )


def unknown_objects(desired: Sequence[Grant], current: CurrentGrants) -> tuple[str, ...]:
    """Return objects named by custom roles that the database does not have, as `schema.name`, sorted."""
    there = {object_.name for object_ in current.objects if not object_.is_own}
    named = {name for grant in desired if not isinstance(grant.access, Access) for name in grant.access}
    return tuple(sorted(".".join(name) for name in named - there))


def is_role_of(database: str, role: str) -> bool:
    """Return whether a database role belongs to the grants on `database`."""
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


def _malformed(database: str, entry: object) -> MigrationFailedError:
    return MigrationFailedError(
        f"a grant on the database {database!r} is malformed",
        f"property Grants contains {entry!r}",
        "install one release of blocks-dsql for the construct and the migration function, and deploy again",
    )


def _privileges_of(access: Rights | None, object_: DatabaseObject) -> tuple[str, ...]:
    """Return the privileges of `access` on an object; none on the migrator's tables."""
    if access is None or object_.is_own:
        return ()
    if isinstance(access, Access):
        return _PRIVILEGES[object_.kind, access]
    if object_.kind == "SCHEMA":
        return ("USAGE",) if any(schema == object_.name[0] for schema, _ in access) else ()
    given = access.get(object_.name, ())
    return tuple(each for each in _MANAGED[object_.kind] if each in given)


def _privileges(role: str, access: Rights, current: CurrentGrants) -> Iterator[Sql]:
    """Yield a GRANT for each set of missing privileges, one statement for all objects that lack it."""
    for kind, missing, objects in _group(
        (
            object_,
            tuple(
                each
                for each in _privileges_of(access, object_)
                if (role, object_, each) not in current.privileges
            ),
        )
        for object_ in current.objects
    ):
        yield sql(
            "GRANT {privileges} ON {kind} {objects} TO {role}",
            privileges=missing,
            kind=kind,
            objects=objects,
            role=sql.identifier(role),
        )


def _revokes(database: str, levels: Mapping[str, Rights], current: CurrentGrants) -> Iterator[Sql]:
    """Yield a REVOKE for each set of privileges that a managed role has beyond its rights."""
    for role in sorted(role for role in current.roles if is_role_of(database, role)):
        for kind, surplus, objects in _group(
            (
                object_,
                tuple(
                    each
                    for each in _MANAGED[object_.kind]
                    if (role, object_, each) in current.privileges
                    and each not in _privileges_of(levels.get(role), object_)
                ),
            )
            for object_ in reversed(current.objects)  # objects of a schema before the schema
        ):
            yield sql(
                "REVOKE {privileges} ON {kind} {objects} FROM {role}",
                privileges=surplus,
                kind=kind,
                objects=objects,
                role=sql.identifier(role),
            )


def _group(found: Iterable[tuple[DatabaseObject, tuple[str, ...]]]) -> Iterator[tuple[Sql, Sql, Sql]]:
    """Yield privileges, kind and names for each group of objects with the same privileges, if any."""
    groups: dict[tuple[str, tuple[str, ...]], list[DatabaseObject]] = {}
    for object_, privileges in found:
        if privileges:
            groups.setdefault((object_.kind, privileges), []).append(object_)
    for (kind, privileges), objects in groups.items():
        yield (
            _WORDS[kind],
            sql.join(", ", (_WORDS[each] for each in privileges)),
            sql.join(", ", (sql.identifier(*object_.name) for object_ in objects)),
        )


def _create_role(role: str) -> Sql:
    return sql("CREATE ROLE {role} WITH LOGIN", role=sql.identifier(role))


def _map_role(role: str, arn: str) -> Sql:
    return sql("AWS IAM GRANT {role} TO {arn}", role=sql.identifier(role), arn=_literal(arn))


def _revoke_mapping(role: str, arn: str) -> Sql:
    return sql("AWS IAM REVOKE {role} FROM {arn}", role=sql.identifier(role), arn=_literal(arn))


def _literal(text: str) -> Sql:
    from blocks_runtime import Sql

    return Sql((quote_literal(text),))


def objects_of(rows: Iterable[Mapping[str, str]]) -> tuple[DatabaseObject, ...]:
    """Return tables, views and sequences, preceded by their schemas except `public`."""
    listed = list(rows)
    schemas = sorted({row["schema"] for row in listed} - {"public"})
    relations = (
        DatabaseObject("SEQUENCE" if row["kind"] == "S" else "TABLE", (row["schema"], row["name"]))
        for row in listed
    )
    return (*(DatabaseObject("SCHEMA", (name,)) for name in schemas), *relations)
