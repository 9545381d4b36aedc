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
from migration_manifest import TABLES_WITHOUT_GRANTS

from .errors import MigrationFailedError

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
        return self.kind == "TABLE" and self.name[0] == "public" and self.name[1] in TABLES_WITHOUT_GRANTS


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


def write_grants(grants: Sequence[Grant]) -> list[dict[str, object]]:
    """Return the entries from which `read_grants` reads these grants."""
    return [{"DatabaseRole": each.role, **_entry_of(each.access), "RoleArn": each.arn} for each in grants]


def plan_grants(
    database: str,
    desired: Sequence[Grant],
    current: CurrentGrants,
    *,
    ended: Sequence[Grant] | None = None,
) -> tuple[Sql, ...]:
    """Return the statements, in order, that change the roles of `database` to the `desired` grants.

    A custom role gets what any of its desired grants allows. Mappings and privileges of this database's roles that are
    not desired are revoked; other roles are left alone. With `ended`, `desired` may be incomplete: only what these
    grants allowed is revoked, and a role with a mapping that is in neither keeps its privileges.
    """
    wanted = {(grant.role, grant.arn) for grant in desired}
    levels = united(desired)
    stale = {mapping for mapping in current.mappings - wanted if is_role_of(database, mapping[0])}
    if ended is None:
        revocable = Revocable()
    else:
        stale &= {(grant.role, grant.arn) for grant in ended}
        unknown = {role for role, _ in current.mappings - wanted - stale}
        revocable = Revocable({role: each for role, each in united(ended).items() if role not in unknown})
    return (
        *(_revoke_mapping(role, arn) for role, arn in sorted(stale)),
        *_revokes(database, levels, current, revocable),
        *(_create_role(role) for role in levels if role not in current.roles),
        *(statement for role, access in levels.items() for statement in _privileges(role, access, current)),
        *(_map_role(role, arn) for role, arn in sorted(wanted - current.mappings)),
    )


def united(grants: Iterable[Grant]) -> dict[str, Rights]:
    """Return the rights of each role, sorted by role: of a custom role, what any of its grants allows."""
    rights: dict[str, Rights] = {}
    for grant in sorted(grants, key=lambda each: each.role):
        before = rights.get(grant.role)
        if before is None or isinstance(before, Access) or isinstance(grant.access, Access):
            rights[grant.role] = grant.access
        else:
            names = sorted({*before, *grant.access})
            rights[grant.role] = {
                name: tuple(dict.fromkeys((*before.get(name, ()), *grant.access.get(name, ()))))
                for name in names
            }
    return rights


@dataclass(frozen=True, slots=True)
class Revocable:
    """Privileges that may be revoked: those of `rights`, by role; by default all. On the migrator's tables: all."""

    rights: Mapping[str, Rights] | None = None

    def includes(self, role: str, object_: DatabaseObject, privilege: str) -> bool:
        """Return whether `privilege` of `role` on an object may be revoked."""
        if self.rights is None or object_.is_own:
            return True
        return privilege in _privileges_of(self.rights.get(role), object_)


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
    if not _is_role_for(database, grant) or not str(grant.arn).startswith("arn:"):
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


def _entry_of(access: Rights) -> dict[str, object]:
    if isinstance(access, Access):
        return {"Access": access.value}
    return {"Privileges": {".".join(name): list(each) for name, each in access.items()}}


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


def _revokes(
    database: str, levels: Mapping[str, Rights], current: CurrentGrants, revocable: Revocable
) -> Iterator[Sql]:
    """Yield a REVOKE for each set of revocable privileges that a managed role has beyond its rights."""
    for role in sorted(role for role in current.roles if is_role_of(database, role)):
        for kind, surplus, objects in _group(
            (
                object_,
                tuple(
                    each
                    for each in _MANAGED[object_.kind]
                    if (role, object_, each) in current.privileges
                    and each not in _privileges_of(levels.get(role), object_)
                    and revocable.includes(role, object_, each)
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
