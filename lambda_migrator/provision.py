"""Reads what roles and privileges the database has, and sends the statements that `grants` planned."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from blocks_runtime import sql
from blocks_runtime.contract import Access, database_role
from blocks_runtime.errors import ConnectionFailed, DatabaseError

from .admin import Unanswered
from .errors import MigrationFailedError, server_words
from .grants import Grant, Seen, Thing, is_role_of, plan_grants, things_of, unknown_things

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from blocks_runtime import Sql

    from .admin import Admin
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
    admin: Admin, lease: Lease, database: str, desired: Sequence[Grant], *, complete: bool = True
) -> None:
    """Make the database roles of `database`, their privileges and their IAM mappings what `desired` says.

    With `complete` false, `desired` may lack some grantees, and nothing is revoked. A statement whose answer is
    lost is planned again from what the database then has, so nothing is sent twice that took effect once.

    Raises:
        MigrationFailedError: a statement was refused, or another migrator has taken the lease over.
    """
    unanswered = 0
    while True:
        try:
            seen = look(admin, database)
            for statement in plan_grants(database, desired, seen, complete=complete):
                lease.keep(admin)
                _send(admin, statement)
            for name in unknown_things(desired, seen):
                _logger.warning("a custom role has privileges on %s, which is not in the database", name)
            return
        except Unanswered:
            unanswered += 1
            admin.await_answer(unanswered)


def _send(admin: Admin, statement: Sql) -> None:
    try:
        admin.ddl(statement)
    except ConnectionFailed:
        raise  # this says nothing about the statement
    except DatabaseError as error:
        raise MigrationFailedError(
            f"DSQL refused: {statement.text}",
            server_words(error),
            "the migrations are applied; set right what stands in the way of this grant and migrate again",
        ) from error


def existing_grants(admin: Admin, database: str) -> tuple[Grant, ...]:
    """Return the grantees that `database` has now, in the order of their roles and ARNs."""
    roles = {database_role(database, access): access for access in Access}
    mapped = sorted((row["role"], row["arn"]) for row in admin.read(MAPPINGS))
    return tuple(Grant(role, roles[role], arn) for role, arn in mapped if role in roles)


def look(admin: Admin, database: str) -> Seen:
    """Return what the database has now."""
    roles = frozenset(row["role"] for row in admin.read(ROLES))
    mappings = frozenset((row["role"], row["arn"]) for row in admin.read(MAPPINGS))
    things = things_of(admin.read(RELATIONS))
    privileges = {*_on_tables(admin)}
    for role in sorted(role for role in roles if is_role_of(database, role)):
        privileges.update(_on_others(admin, role, things))
    return Seen(roles, mappings, things, frozenset(privileges))


def _on_tables(admin: Admin) -> Iterator[tuple[str, Thing, str]]:
    for row in admin.read(TABLE_PRIVILEGES):
        yield row["role"], Thing("TABLE", (row["schema"], row["name"])), row["privilege"]


def _on_others(admin: Admin, role: str, things: Sequence[Thing]) -> Iterator[tuple[str, Thing, str]]:
    for thing in things:
        for privilege, question in _questions(role, thing):
            if admin.read(question)[0]["has"]:
                yield role, thing, privilege


def _questions(role: str, thing: Thing) -> Iterator[tuple[str, Sql]]:
    if thing.kind == "SCHEMA":
        yield "USAGE", schema_privilege(role, thing.name[0])
    if thing.kind == "SEQUENCE":
        for privilege in ("SELECT", "USAGE"):
            yield privilege, sequence_privilege(role, thing.name, privilege)


def schema_privilege(role: str, schema: str) -> Sql:
    """Return a query whose `has` says whether `role` may use a schema."""
    return sql("SELECT has_schema_privilege({role}, {schema}, 'USAGE') AS has", role=role, schema=schema)


def sequence_privilege(role: str, name: tuple[str, ...], privilege: str) -> Sql:
    """Return a query whose `has` says whether `role` has a privilege on a sequence."""
    return sql(
        "SELECT has_sequence_privilege({role}, {name}, {privilege}) AS has",
        role=role,
        name=sql.identifier(*name).text,
        privilege=privilege,
    )
