"""Bodies of SQL functions that are written as a string: SQL within SQL, under the same rules.

A body in the standard's form (RETURN …, BEGIN ATOMIC … END) is part of the statement's own parse tree.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dsql_dialect import libpg_query

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dsql_dialect.rule import Node


def body(create_function: Node) -> str | None:
    """Return the body of a CREATE FUNCTION … LANGUAGE sql AS '…', None where it has none as a string."""
    given = {option["defname"]: option["arg"] for option in _options(create_function) if "arg" in option}
    language = given.get("language", {}).get("String", {}).get("sval", "")
    if language.lower() != "sql" or "as" not in given:
        return None
    return " ".join(each["String"].get("sval", "") for each in given["as"]["List"]["items"])


def atomic(create_function: Node) -> list[Node]:
    """Return the statements between BEGIN ATOMIC and END, none where the body has another form."""
    of_blocks = create_function.get("sql_body", {}).get("List", {}).get("items", ())
    return [
        statement for block in of_blocks for statement in block.get("List", {}).get("items", ()) if statement
    ]


def place(create_function: Node) -> int | None:
    """Return the byte offset of the word AS before the body."""
    return next((each.get("location") for each in _options(create_function) if each["defname"] == "as"), None)


def statements(text: str) -> list[Node]:
    """Return the parse trees of a body's statements.

    Raises:
        SqlSyntaxError: the body is no SQL.
    """
    return [raw["stmt"] for raw in libpg_query.parse(text.encode())]


def _options(create_function: Node) -> Iterator[Node]:
    return (each["DefElem"] for each in create_function.get("options", ()))
