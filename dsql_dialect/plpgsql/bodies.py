"""Bodies of CREATE FUNCTION, CREATE PROCEDURE and DO in PL/pgSQL."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dsql_dialect import libpg_query
from dsql_dialect.plpgsql.literals import Origin
from dsql_dialect.plpgsql.tokens import is_string

if TYPE_CHECKING:
    from dsql_dialect.rule import Node

PLPGSQL = "plpgsql"


@dataclass(frozen=True, slots=True)
class Body:
    """A body: its text, where it is in the text of its statement, and the byte offsets of the literal there."""

    text: bytes
    origin: Origin
    start: int
    end: int


def language(root: Node) -> str:
    """Return the language of a CREATE FUNCTION, CREATE PROCEDURE or DO, in lower case; empty if none is named."""
    given = _options(root).get("language", {}).get("arg", {})
    return str(given.get("String", {}).get("sval", "")).lower()


def is_plpgsql(name: str, root: Node) -> bool:
    """Return whether a statement has a body in PL/pgSQL, or should have one."""
    return (name == "CreateFunctionStmt" and language(root) == PLPGSQL) or (
        name == "DoStmt" and language(root) in ("", PLPGSQL)
    )


def text_of_body(root: Node) -> str | None:
    """Return the text of the body of a CREATE FUNCTION, CREATE PROCEDURE or DO, None if it has none as one string."""
    option = _options(root).get("as")
    if option is None:
        return None
    items = option["arg"]["List"]["items"] if "List" in option["arg"] else [option["arg"]]
    return str(items[0]["String"].get("sval", "")) if len(items) == 1 else None


def body(root: Node, data: bytes) -> Body | None:
    """Return the body of a CREATE FUNCTION, CREATE PROCEDURE or DO whose tree has offsets into `data`.

    None: it has no body as one string.
    """
    written = text_of_body(root)
    if written is None:
        return None
    text, at = written.encode(), _options(root)["as"].get("location", 0)
    tokens = libpg_query.scan(data[at:])
    literal = next((token for token in tokens if is_string(token.word)), None)
    if literal is None:
        return None
    start, end = at + literal.start, at + literal.end
    return Body(text, Origin(data[start:end], start, text), start, end)


def _options(root: Node) -> dict[str, Node]:
    options: list[Node] = root.get("options") or root.get("args") or []
    return {each["DefElem"]["defname"]: each["DefElem"] for each in options}
