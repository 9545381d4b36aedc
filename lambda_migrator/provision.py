"""Reads the current roles and privileges, and sends the statements that `grants` has planned."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from blocks_runtime import sql
from blocks_runtime.contract import Access, database_role
from blocks_runtime.errors import ConnectionFailed, DatabaseError

from .admin import OutcomeUnknown
from .errors import MigrationFailedError, server_words
from .grants import CurrentGrants, DatabaseObject, Grant, is_role_of, objects_of, plan_grants, unknown_objects

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from blocks_runtime import Sql

    from .admin import AdminConnection
    from .lease import Lease

_logger = logging.getLogger("lambda_migrator")

ROLES = sql("SELECT rolname AS role FROM pg_roles")
MAPPINGS = sql("SELECT pg_role_name AS role, arn FROM sys.iam_pg_role_mappings")
RELATIONS = sql("""\
SELECT n.nspname AS schema, c.relname AS name, c.relkind::text AS kind
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_roles r ON r.oid = c.relowner
WHERE r.rolname = current_user AND c.relkind IN ('r', 'p', 'v', 'S')
AND n.nspname NOT IN ('information_schema', 'sys') AND left(n.nspname, 3) <> 'pg_'
ORDER BY n.nspname, c.relname""")
TABLE_PRIVILEGES = sql("""\
SELECT grantee AS role, table_schema AS schema, table_name AS name, privilege_type AS privilege
FROM information_schema.table_privileges WHERE grantor = current_user""")


def provision(
    admin: AdminConnection,
    lease: Lease,
    database: str,
    desired: Sequence[Grant],
    *,
    ended: Sequence[Grant] | None = None,
) -> None:
    """Change database roles, privileges and IAM mappings of `database` to the `desired` grants.

    With `ended`, `desired` may be incomplete, and only what these grants allowed is revoked. After a lost reply the
    plan is made again from the current grants, so a statement that took effect is not repeated.

    Raises:
        MigrationFailedError: a statement was refused, or another migrator has taken the lease.
    """
    unanswered = 0
    while True:
        try:
            current = read_current_grants(admin, database)
            for statement in plan_grants(database, desired, current, ended=ended):
                lease.renew_if_due(admin)
                _send(admin, statement)
            for name in unknown_objects(desired, current):
                _logger.warning("a custom role has privileges on %s, which is not in the database", name)
            return
        except OutcomeUnknown:
            unanswered += 1
            admin.back_off(unanswered)


def _send(admin: AdminConnection, statement: Sql) -> None:
    try:
        admin.ddl(statement)
    except ConnectionFailed:
        raise  # the statement itself was not refused
    except DatabaseError as error:
        raise MigrationFailedError(
            f"DSQL refused: {statement.text}",
            server_words(error),
            "the migrations are applied; correct the cause and deploy again to complete the grants",
        ) from error


def existing_grants(admin: AdminConnection, database: str) -> tuple[Grant, ...]:
    """Return the current grantees of `database`, in the order of their roles and ARNs."""
    roles = {database_role(database, access): access for access in Access}
    mapped = sorted((row["role"], row["arn"]) for row in admin.read(MAPPINGS))
    return tuple(Grant(role, roles[role], arn) for role, arn in mapped if role in roles)


def read_current_grants(admin: AdminConnection, database: str) -> CurrentGrants:
    """Return the current roles, mappings, objects and privileges."""
    roles = frozenset(row["role"] for row in admin.read(ROLES))
    mappings = frozenset((row["role"], row["arn"]) for row in admin.read(MAPPINGS))
    objects = objects_of(admin.read(RELATIONS))
    privileges = {*_on_tables(admin)}
    for role in sorted(role for role in roles if is_role_of(database, role)):
        privileges.update(_on_others(admin, role, objects))
    return CurrentGrants(roles, mappings, objects, frozenset(privileges))


def _on_tables(admin: AdminConnection) -> Iterator[tuple[str, DatabaseObject, str]]:
    for row in admin.read(TABLE_PRIVILEGES):
        yield row["role"], DatabaseObject("TABLE", (row["schema"], row["name"])), row["privilege"]


def _on_others(
    admin: AdminConnection, role: str, objects: Sequence[DatabaseObject]
) -> Iterator[tuple[str, DatabaseObject, str]]:
    for object_ in objects:
        for privilege, question in _questions(role, object_):
            if admin.read(question)[0]["has"]:
                yield role, object_, privilege


def _questions(role: str, object_: DatabaseObject) -> Iterator[tuple[str, Sql]]:
    if object_.kind == "SCHEMA":
        yield "USAGE", schema_privilege(role, object_.name[0])
    if object_.kind == "SEQUENCE":
        for privilege in ("SELECT", "USAGE"):
            yield privilege, sequence_privilege(role, object_.name, privilege)


def schema_privilege(role: str, schema: str) -> Sql:
    """Return a query whose `has` is whether `role` may use a schema."""
    return sql("SELECT has_schema_privilege({role}, {schema}, 'USAGE') AS has", role=role, schema=schema)


def sequence_privilege(role: str, name: tuple[str, ...], privilege: str) -> Sql:
    """Return a query whose `has` is whether `role` has a privilege on a sequence."""
    return sql(
        "SELECT has_sequence_privilege({role}, {name}, {privilege}) AS has",
        role=role,
        name=sql.identifier(*name).text,
        privilege=privilege,
    )
