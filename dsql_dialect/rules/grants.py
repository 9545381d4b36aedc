"""Rules on roles and privileges; IAM decides about logins."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from dsql_dialect.rule import Hit
from dsql_dialect.rules.making import BEFORE, BY_NODE, GUIDE, options, refusal, unsupported

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dsql_dialect.rule import Node

_GRANTABLE = frozenset(
    f"OBJECT_{kind}" for kind in ("TABLE", "SEQUENCE", "SCHEMA", "FUNCTION", "ROUTINE", "COLUMN", "DOMAIN")
)
_ROLE_OPTIONS = frozenset({"canlogin", "rolemembers", "addroleto", "adminmembers"})


def _verb(node: Node) -> str:
    return "GRANT" if node.get("is_grant") else "REVOKE"


def _object(node: Node) -> Iterator[Hit]:
    if node.get("objtype") not in _GRANTABLE:
        yield Hit(words=("ON",), values={"verb": _verb(node)})


def _public_schema(node: Node) -> Iterator[Hit]:
    whole_schema = (
        node.get("objtype") == "OBJECT_SCHEMA" or node.get("targtype") == "ACL_TARGET_ALL_IN_SCHEMA"
    )
    for each in node.get("objects", ()) if whole_schema else ():
        if each.get("String", {}).get("sval") == "public":
            yield Hit(words=("SCHEMA",))


def _role_option(node: Node) -> Iterator[Hit]:
    for option in options(node):
        if option["defname"] not in _ROLE_OPTIONS:
            yield Hit(
                option.get("location"),
                values={"option": _SHOWN.get(str(option["defname"]), str(option["defname"]))},
            )


_SHOWN = {
    "superuser": "SUPERUSER",
    "createdb": "CREATEDB",
    "createrole": "CREATEROLE",
    "isreplication": "REPLICATION",
    "bypassrls": "BYPASSRLS",
    "connectionlimit": "CONNECTION LIMIT",
    "validUntil": "VALID UNTIL",
    "password": "PASSWORD",
    "inherit": "INHERIT",
}

RULES = (
    refusal(
        "grant-object",
        "GRANT or REVOKE on an unsupported kind of object",
        "Delete the statement; IAM decides which identities may connect (AWS IAM GRANT).",
        text="unsupported object in {verb}",
        nodes=("GrantStmt",),
        find=_object,
        refused="GRANT CONNECT ON DATABASE postgres TO app",
        accepted="GRANT SELECT ON database TO app",
    ),
    refusal(
        "grant-schema-public",
        "GRANT or REVOKE on the schema public",
        "Leave it out: every role has USAGE on public. Grant table by table, or keep tables in a schema "
        "of your own.",
        text="feature not supported on system entity",
        nodes=("GrantStmt",),
        find=_public_schema,
        refused="GRANT USAGE ON SCHEMA public TO app",
        accepted="GRANT SELECT ON public.a TO app",
        source="measured by several projects, September and October 2026",
    ),
    refusal(
        "default-privileges",
        "ALTER DEFAULT PRIVILEGES is not supported",
        "Grant on each table after it is created.",
        text="unsupported statement: AlterDefaultPrivileges",
        nodes=("AlterDefaultPrivilegesStmt",),
        find=lambda _: (Hit(),),
        refused="ALTER DEFAULT PRIVILEGES IN SCHEMA s GRANT SELECT ON TABLES TO app",
        accepted="GRANT SELECT ON ALL TABLES IN SCHEMA s TO app",
        source=BEFORE,
        lifted=date(2026, 4, 24),
    ),
    refusal(
        "role-option",
        "Role attribute other than LOGIN",
        "Leave the option out: passwords are IAM tokens (AWS IAM GRANT role TO 'arn'), and `admin` is the "
        "only role with more rights than were granted.",
        text="role option {option} not supported",
        nodes=("CreateRoleStmt", "AlterRoleStmt"),
        find=_role_option,
        refused="CREATE ROLE app WITH LOGIN PASSWORD 'secret'",
        accepted="CREATE ROLE app WITH LOGIN",
        source=GUIDE,
    ),
    unsupported(
        "alter-role-set",
        "AlterRoleSetStmt",
        "ALTER ROLE … SET is not supported",
        "SET the parameter when a connection is opened.",
        refused="ALTER ROLE app SET search_path = s",
        accepted="ALTER ROLE app RENAME TO shop",
        source=BY_NODE,
    ),
)
