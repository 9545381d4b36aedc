"""Probes of DDL statements: the effect to look for in the catalog, and whether running the statement twice is safe.

A probe is a dictionary: `object` (a kind of object), its `schema`, `table` and `name`, and whether it is `present`
after the statement. That of a function in PL/pgSQL has its `body`: one of the same name may be another's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from blocks_runtime.contract import ADMIN_ROLE
from dsql_dialect import libpg_query
from dsql_dialect.json_tree import unwrap, words
from dsql_dialect.migrations.names import DEFAULT_SCHEMA
from dsql_dialect.plpgsql.bodies import PLPGSQL, language, text_of_body
from dsql_dialect.type_names import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from dsql_dialect.migrations.manifest import Json
    from dsql_dialect.rule import Node
    from dsql_dialect.statement import Statement

Probe: TypeAlias = "dict[str, Json]"

_KINDS = {
    "OBJECT_TABLE": "table",
    "OBJECT_VIEW": "view",
    "OBJECT_INDEX": "index",
    "OBJECT_SEQUENCE": "sequence",
    "OBJECT_DOMAIN": "domain",
    "OBJECT_TYPE": "domain",
    "OBJECT_FUNCTION": "function",
    "OBJECT_PROCEDURE": "function",
    "OBJECT_ROUTINE": "function",
    "OBJECT_STATISTIC_EXT": "statistics",
    "OBJECT_SCHEMA": "schema",
    "OBJECT_ROLE": "role",
}


def probe(statement: Statement) -> Probe | None:
    """Return the effect of a statement in the catalog, or None where the catalog cannot show it.

    It does not show rows, privileges and comments, a default that replaces another, and OR REPLACE.
    """
    if statement.iam is not None:
        iam = statement.iam
        return {"object": "iam", "role": iam.role, "arn": iam.arn, "present": not iam.revoke}
    if not statement.is_ddl:
        return None
    name, root = tree_of(statement)
    look = _PROBES.get(name)
    return None if look is None else look(root)


def repeatable(statement: Statement) -> bool:
    """Return whether a DDL statement run twice leaves the catalog as once, without an error."""
    if statement.iam is not None or not statement.is_ddl:
        return False
    name, root = tree_of(statement)
    if name == "AlterTableStmt":
        return all(_harmless(command["AlterTableCmd"]) for command in root["cmds"])
    if name == "AlterSeqStmt":
        return all(option["DefElem"]["defname"] != "restart" for option in root.get("options", ()))
    if name == "AlterDomainStmt":
        return root["subtype"] in "TNO" or bool(root.get("missing_ok"))
    return name in _HARMLESS or any(root.get(flag) for flag in ("if_not_exists", "missing_ok", "replace"))


_HARMLESS = frozenset(
    {"CommentStmt", "GrantStmt", "GrantRoleStmt", "AlterDefaultPrivilegesStmt", "AlterOwnerStmt"}
)
_HARMLESS_COMMANDS = frozenset(
    {
        *("AT_ColumnDefault", "AT_DropNotNull", "AT_SetStorage", "AT_ChangeOwner", "AT_AlterConstraint"),
        *("AT_EnableTrigAll", "AT_EnableTrigUser", "AT_DisableTrigAll", "AT_DisableTrigUser"),
        "AT_ValidateConstraint",
    }
)


def _harmless(command: Node) -> bool:
    return command["subtype"] in _HARMLESS_COMMANDS or bool(command.get("missing_ok"))


def tree_of(statement: Statement) -> tuple[str, Node]:
    """Return the name and the content of a statement's node in PostgreSQL's parse tree."""
    return unwrap(libpg_query.parse(statement.parsed_sql.encode())[0]["stmt"])


def _relation(kind: str, relation: Node, *, present: bool = True) -> Probe:
    return {
        "object": kind,
        "schema": relation.get("schemaname", DEFAULT_SCHEMA),
        "name": relation["relname"],
        "present": present,
    }


def _part(kind: str, relation: Node, name: str | None, *, present: bool = True) -> Probe | None:
    """Return the probe of what belongs to a table: a column and what is set on it, a constraint, an index."""
    if not name:
        return None
    schema = relation.get("schemaname", DEFAULT_SCHEMA)
    return {"object": kind, "schema": schema, "table": relation["relname"], "name": name, "present": present}


def _named(kind: str, names: list[str], *, present: bool = True, **more: Json) -> Probe:
    schema = names[-2] if len(names) > 1 else DEFAULT_SCHEMA
    return {"object": kind, "schema": schema, "name": names[-1], **more, "present": present}


def _global(kind: str, name: str, *, present: bool = True) -> Probe:
    return {"object": kind, "name": name, "present": present}


def _view(root: Node) -> Probe | None:
    return None if root.get("replace") else _relation("view", root["view"])


def _schema(root: Node) -> Probe:
    return _global("schema", root.get("schemaname") or role_name(root["authrole"]))


def role_name(spec: Node) -> str:
    """Return the role that a RoleSpec node names; CURRENT_USER and its like are the role that migrates."""
    name: str = spec.get("rolename", ADMIN_ROLE)
    return name


def _function(root: Node) -> Probe | None:
    if root.get("replace"):
        return None
    parameters = (each["FunctionParameter"] for each in root.get("parameters", ()))
    inputs = [each for each in parameters if each["mode"] not in ("FUNC_PARAM_OUT", "FUNC_PARAM_TABLE")]
    arguments: Json = [shown(each["argType"]) for each in inputs]
    found = _named("function", words(root["funcname"]), arguments=arguments)
    return found if language(root) != PLPGSQL else found | {"body": text_of_body(root)}


def _statistics(root: Node) -> Probe | None:
    names = words(root.get("defnames", []))
    return _named("statistics", names) if names else None


def _dropped(root: Node) -> Probe | None:
    kind = _KINDS.get(root["removeType"])
    if kind is None:
        return None
    return _object(kind, root["objects"][0], present=False)


def _object(kind: str, node: Node, *, present: bool) -> Probe:
    """Return the probe of an object as DROP, ALTER … RENAME and SET SCHEMA write it."""
    shape, content = unwrap(node)
    if shape == "String":
        return _global(kind, content["sval"], present=present)
    if shape == "ObjectWithArgs":
        arguments: Json = None
        if not content.get("args_unspecified"):
            arguments = [shown(each["TypeName"]) for each in content.get("objargs", ())]
        return _named(kind, words(content["objname"]), present=present, arguments=arguments)
    return _named(kind, words(content["names" if shape == "TypeName" else "items"]), present=present)


def _renamed(root: Node) -> Probe | None:
    kind, new_name = root["renameType"], root["newname"]
    if kind in ("OBJECT_COLUMN", "OBJECT_TABCONSTRAINT"):
        return _part("column" if kind == "OBJECT_COLUMN" else "constraint", root["relation"], new_name)
    if kind not in _KINDS:
        return None
    if "relation" in root:
        return _relation(_KINDS[kind], {**root["relation"], "relname": new_name})
    if "object" not in root:
        return _global(_KINDS[kind], new_name)
    return _object(_KINDS[kind], root["object"], present=True) | {"name": new_name}


def _moved(root: Node) -> Probe | None:
    kind = _KINDS.get(root["objectType"])
    if kind is None:
        return None
    if "relation" in root:
        return _relation(kind, {**root["relation"], "schemaname": root["newschema"]})
    return _object(kind, root["object"], present=True) | {"schema": root["newschema"]}


def _altered(root: Node) -> Probe | None:
    """Return the probe of the first command that has one: those of an ALTER TABLE take effect together."""
    for command in root["cmds"]:
        found = _command(root["relation"], command["AlterTableCmd"])
        if found is not None:
            return found
    return None


def _command(relation: Node, command: Node) -> Probe | None:
    subtype, name = command["subtype"], command.get("name")
    if subtype == "AT_AddColumn":
        return _part("column", relation, command["def"]["ColumnDef"]["colname"])
    if subtype == "AT_AddConstraint":
        constraint = command["def"]["Constraint"]
        return _part("constraint", relation, constraint.get("conname") or constraint.get("indexname"))
    if subtype == "AT_ValidateConstraint":
        found = _part("constraint", relation, name)
        return None if found is None else found | {"validated": True}
    if subtype == "AT_ColumnDefault" and "def" in command:
        return None  # the column may have had another default before
    kind = _SET_ON_COLUMN.get(subtype)
    return None if kind is None else _part(kind, relation, name, present=subtype == "AT_AddIdentity")


_SET_ON_COLUMN = {
    "AT_DropColumn": "column",
    "AT_DropConstraint": "constraint",
    "AT_ColumnDefault": "default",
    "AT_DropNotNull": "not_null",
    "AT_DropExpression": "expression",
    "AT_AddIdentity": "identity",
    "AT_DropIdentity": "identity",
}

_PROBES: Mapping[str, Callable[[Node], Probe | None]] = {
    "CreateStmt": lambda root: _relation("table", root["relation"]),
    "CreateSeqStmt": lambda root: _relation("sequence", root["sequence"]),
    "CreateDomainStmt": lambda root: _named("domain", words(root["domainname"])),
    "CreateRoleStmt": lambda root: _global("role", root["role"]),
    "CreateSchemaStmt": _schema,
    "CreateFunctionStmt": _function,
    "CreateStatsStmt": _statistics,
    "ViewStmt": _view,
    "IndexStmt": lambda root: _part("index", root["relation"], root.get("idxname")),
    "DropStmt": _dropped,
    "DropRoleStmt": lambda root: _global("role", role_name(root["roles"][0]["RoleSpec"]), present=False),
    "RenameStmt": _renamed,
    "AlterObjectSchemaStmt": _moved,
    "AlterTableStmt": _altered,
}
