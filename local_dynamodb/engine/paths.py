"""Document paths in items: `a.b[2]`."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from local_dynamodb.engine.errors import invalid

if TYPE_CHECKING:
    from local_dynamodb.engine.attributes import Attribute, Item
    from local_dynamodb.engine.lexer import Tokens
    from local_dynamodb.engine.scope import Scope

Path: TypeAlias = "tuple[str | int, ...]"


def read_path(tokens: Tokens, scope: Scope) -> Path:
    """Return the path that comes next."""
    if tokens.next.kind not in ("word", "name"):
        raise tokens.syntax_error()
    parts: list[str | int] = [scope.name(tokens.take().text)]
    while True:
        if tokens.accept("."):
            if tokens.next.kind not in ("word", "name"):
                raise tokens.syntax_error()
            parts.append(scope.name(tokens.take().text))
        elif tokens.accept("["):
            if tokens.next.kind != "number":
                raise tokens.syntax_error()
            parts.append(int(tokens.take().text))
            tokens.expect("]")
        else:
            return tuple(parts)


def find(item: Item, path: Path) -> Attribute | None:
    """Return the attribute at a path, None if there is none."""
    current: Attribute | None = {"M": item}
    for part in path:
        if current is None:
            return None
        if isinstance(part, str):
            current = current.get("M", {}).get(part)
        else:
            elements = current.get("L", ())
            current = elements[part] if part < len(elements) else None
    return current


def parent(item: Item, path: Path) -> Attribute:
    """Return the map or list that holds the last part of a path.

    Raises:
        ApiError: there is none.
    """
    holder = find(item, path[:-1]) if len(path) > 1 else {"M": item}
    wanted = "M" if isinstance(path[-1], str) else "L"
    if holder is None or wanted not in holder:
        raise invalid("The document path provided in the update expression is invalid for update")
    return holder


def overlap(one: Path, other: Path) -> bool:
    """Return whether one path is the other one, or leads to it."""
    shorter = min(len(one), len(other))
    return one[:shorter] == other[:shorter]


def text_of(path: Path) -> str:
    """Return a path as errors show it."""
    return "[" + ", ".join(f"[{part}]" if isinstance(part, int) else part for part in path) + "]"
