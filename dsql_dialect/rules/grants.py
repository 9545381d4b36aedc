"""Rules on roles and privileges; IAM decides about logins."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from dsql_dialect.classify import truth
from dsql_dialect.profiles import PLPGSQL
from dsql_dialect.rule import Hit
from dsql_dialect.rules.making import BEFORE, BY_NODE, GUIDE, RECORDED, options, refusal
from dsql_dialect.rules.settings import is_settable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dsql_dialect.rule import Node

_GRANTABLE = frozenset(
    f"OBJECT_{kind}" for kind in ("TABLE", "SEQUENCE", "SCHEMA", "FUNCTION", "ROUTINE", "COLUMN", "DOMAIN")
)
_ROLE_OPTIONS = frozenset({"canlogin", "rolemembers", "addroleto", "adminmembers"})
"""Without INHERIT, which a rule of its own reads: the same name stands for NOINHERIT."""


def _verb(node: Node) -> str:
    return "GRANT" if node.get("is_grant") else "REVOKE"


def _object(node: Node) -> Iterator[Hit]:
    if node.get("objtype") not in (*_GRANTABLE, "OBJECT_PROCEDURE"):
        yield Hit(words=("ON",), values={"verb": _verb(node)})


def _procedure(node: Node) -> Iterator[Hit]:
    if node.get("objtype") == "OBJECT_PROCEDURE":
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
        name = str(option["defname"])
        inherits = name == "inherit" and truth(option.get("arg"))
        if name not in _ROLE_OPTIONS and not inherits:
            yield Hit(option.get("location"), values={"option": _SHOWN.get(name, name)})


def _role_parameter(node: Node) -> Iterator[Hit]:
    """Yield ALTER ROLE … SET of a parameter that no session can set, and that of a database."""
    setting: Node = node["setstmt"]
    name = setting.get("name")
    if "database" in node or (name is not None and not is_settable(name)):
        yield Hit()


_SHOWN = {
    "superuser": "SUPERUSER",
    "createdb": "CREATEDB",
    "createrole": "CREATEROLE",
    "isreplication": "REPLICATION",
    "bypassrls": "BYPASSRLS",
    "connectionlimit": "CONNECTION LIMIT",
    "validUntil": "VALID UNTIL",
    "password": "PASSWORD",
    "inherit": "NOINHERIT",
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
        "grant-procedure",
        "GRANT or REVOKE on a procedure",
        "Delete the statement.",
        text="unsupported object in {verb}",
        nodes=("GrantStmt",),
        find=_procedure,
        refused="GRANT EXECUTE ON PROCEDURE p TO app",
        accepted="GRANT EXECUTE ON FUNCTION f TO app",
        source=f"unknown since dialects have procedures, and accepted then; before, {RECORDED}",
        lifted=PLPGSQL,
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
        accepted="CREATE ROLE app WITH LOGIN INHERIT",
        source=f"{GUIDE}; INHERIT: AWS dsql-lint, grammar derived from a cluster, 2026-08-07",
    ),
    refusal(
        "alter-role-set",
        "ALTER ROLE … SET of a parameter that a session cannot set, or for one database",
        "Delete the statement. For a time limit, set one in the client.",
        text="unsupported statement: AlterRoleSet",
        nodes=("AlterRoleSetStmt",),
        find=_role_parameter,
        refused="ALTER ROLE app SET statement_timeout = '5s'",
        accepted="ALTER USER admin SET search_path = public",
        source=f"{BY_NODE}; search_path of admin: as the tests of AWS's dialects do on a cluster",
    ),
)
