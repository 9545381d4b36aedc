"""Names and details of a statement, read from its parse tree: what it mentions, creates, alters and sets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dsql_dialect.classify import truth
from dsql_dialect.definitions import constraints
from dsql_dialect.json_tree import words
from dsql_dialect.statement import OnConflict, ValidatedConstraint

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from dsql_dialect.rule import Node

TYPE_NAMES = frozenset({"TypeName", "typeName", "argType", "returnType"})
"""The nodes that name types, wherever in the tree they are."""

CALLS = frozenset({"FuncCall", "funccall"})
"""The nodes that name functions, and the procedure of a CALL."""

WANTED = TYPE_NAMES | CALLS | {"RangeVar", "relation", "CreateFunctionStmt", "ViewStmt", "ParamRef"}
"""The nodes that name relations, functions and types, and parameters, wherever in the tree they are."""


def relations(seen: Iterable[tuple[str, Node]]) -> frozenset[str]:
    """Return the names of the tables and views that nodes mention, in lower case and without schema."""
    return frozenset(
        node["relname"].lower()
        for name, node in seen
        if name in ("RangeVar", "relation") and "relname" in node
    )


def functions(seen: Iterable[tuple[str, Node]]) -> frozenset[str]:
    """Return the names of the functions and procedures that nodes call, in lower case and without schema."""
    return frozenset(words(node["funcname"])[-1].lower() for name, node in seen if name in CALLS)


def types(seen: Iterable[tuple[str, Node]]) -> frozenset[str]:
    """Return the names of the types that nodes mention, in lower case and without schema."""
    named = (words(node.get("names", ())) for name, node in seen if name in TYPE_NAMES)
    return frozenset(each[-1].lower() for each in named if each)


def has_parameters(seen: Iterable[tuple[str, Node]]) -> bool:
    """Return whether nodes are a parameter such as $1."""
    return any(name == "ParamRef" for name, _ in seen)


def routines(seen: Iterable[tuple[str, Node]]) -> frozenset[str]:
    """Return the names of the functions and views that nodes create, in lower case and without schema."""
    created = (
        words(node["funcname"])[-1] if name == "CreateFunctionStmt" else node["view"]["relname"]
        for name, node in seen
        if name in ("CreateFunctionStmt", "ViewStmt")
    )
    return frozenset(name.lower() for name in created)


def altered_tables(name: str, root: Node) -> frozenset[str] | None:
    """Return the tables whose columns or constraints a DDL statement makes or changes; None: unknown ones.

    What migrations mostly do is known: a new table, or a new column, without foreign keys. Names are in lower case and
    without schema.
    """
    known = {"CreateStmt": _makes_only_itself, "AlterTableStmt": _adds_columns}.get(name)
    return frozenset({root["relation"]["relname"].lower()}) if known is not None and known(root) else None


def _makes_only_itself(create: Node) -> bool:
    if "inhRelations" in create or "partbound" in create:
        return False
    return not any(each.get("contype") == "CONSTR_FOREIGN" for each in constraints(create))


def _adds_columns(alter: Node) -> bool:
    commands = [command["AlterTableCmd"] for command in alter["cmds"]]
    return alter.get("objtype") == "OBJECT_TABLE" and all(
        command["subtype"] == "AT_AddColumn" and "constraints" not in command["def"]["ColumnDef"]
        for command in commands
    )


def on_conflict(root: Node, base: int) -> OnConflict | None:
    """Return the ON CONFLICT clause of an INSERT, whose text begins at the byte offset `-base` of the tree's text."""
    clause = root.get("onConflictClause")
    if clause is None:
        return None
    target = clause.get("infer", {})
    keys = [each["IndexElem"] for each in target.get("indexElems", ())]
    return OnConflict(
        updates=clause["action"] == "ONCONFLICT_UPDATE",
        columns=tuple(key["name"] for key in keys if "name" in key)
        if all("name" in key for key in keys)
        else None,
        constraint=target.get("conname"),
        offset=base + clause.get("location", 0),
    )


def rows_inserted(insert: Node) -> int:
    """Return the number of rows that an INSERT always inserts or updates, 0 where its text does not tell."""
    conflict = insert.get("onConflictClause")
    if conflict is not None and (conflict["action"] != "ONCONFLICT_UPDATE" or "whereClause" in conflict):
        return 0
    if "selectStmt" not in insert:  # DEFAULT VALUES
        return 1
    select = insert["selectStmt"].get("SelectStmt", {})
    return 0 if {"limitCount", "limitOffset"} & select.keys() else len(select.get("valuesLists", ()))


def validated_constraint(root: Node) -> ValidatedConstraint | None:
    """Return the constraint that an ALTER TABLE … VALIDATE CONSTRAINT names, None for any other ALTER TABLE."""
    command = root["cmds"][0]["AlterTableCmd"]
    if command["subtype"] != "AT_ValidateConstraint":
        return None
    table = root["relation"]
    return ValidatedConstraint(table.get("schemaname"), table["relname"], command["name"])


def is_read_only(begin: Node) -> bool:
    """Return whether BEGIN asks for READ ONLY; of a mode given twice, the last counts."""
    elements = [each["DefElem"] for each in begin.get("options", ())]
    said = [truth(each.get("arg")) for each in elements if each["defname"] == "transaction_read_only"]
    return bool(said) and said[-1]


def parameter(name: str, root: Node) -> str | None:
    """Return the parameter of SET, RESET or SHOW in lower case, None for RESET ALL and other statements."""
    written = root.get("name") if name in ("VariableSetStmt", "VariableShowStmt") else None
    return None if written is None else str(written).lower()


def sets_for_transaction(name: str, root: Node, seen: Iterable[tuple[str, Node]]) -> bool:
    """Return whether all parameters that a statement sets last until COMMIT: SET LOCAL, set_config(…, true)."""
    if name == "VariableSetStmt":
        return bool(root.get("is_local"))
    calls = [node for key, node in seen if key == "FuncCall" and words(node["funcname"])[-1] == "set_config"]
    return bool(calls) and all(
        len(call.get("args", ())) == 3
        and "boolval" in call["args"][2].get("A_Const", {})
        and truth(call["args"][2])
        for call in calls
    )


_NAMING_ROLES = frozenset(
    {
        *(
            "AlterDefaultPrivilegesStmt",
            "AlterOwnerStmt",
            "AlterRoleSetStmt",
            "AlterRoleStmt",
            "AlterTableStmt",
        ),
        *("CreateRoleStmt", "CreateSchemaStmt", "DropRoleStmt", "GrantRoleStmt", "GrantStmt"),
    }
)


def roles(name: str, root: Node) -> frozenset[str]:
    """Return the roles that a statement refers to; one that it creates is not among them."""
    if root.get("renameType") == "OBJECT_ROLE":
        return frozenset({root["subname"]})
    if name not in _NAMING_ROLES:
        return frozenset()
    granted = [each["AccessPriv"]["priv_name"] for each in root.get("granted_roles", ())]
    return frozenset({*granted, *_role_names(root)})


def new_role(name: str, root: Node) -> str | None:
    """Return the name that a statement gives to a role, by CREATE or by RENAME; None if it gives none."""
    if root.get("renameType") == "OBJECT_ROLE":
        return str(root["newname"])
    return str(root["role"]) if name == "CreateRoleStmt" else None


def _role_names(tree: object) -> Iterator[str]:
    """Yield the name of each RoleSpec in a tree; PUBLIC and CURRENT_USER have none."""
    if isinstance(tree, dict):
        if "rolename" in tree:
            yield tree["rolename"]
        yield from (name for each in tree.values() for name in _role_names(each))
    elif isinstance(tree, list):
        yield from (name for each in tree for name in _role_names(each))
