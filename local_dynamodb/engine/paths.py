"""Document paths in items: `a.b[2]`."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from blocks_runtime.atomic_table.limits import NESTING
from local_dynamodb.engine.errors import invalid
from local_dynamodb.engine.scope import invalid_expression

if TYPE_CHECKING:
    from collections.abc import Sequence

    from local_dynamodb.engine.attributes import Attribute, Item
    from local_dynamodb.engine.lexer import Tokens
    from local_dynamodb.engine.scope import Scope

Path: TypeAlias = "tuple[str | int, ...]"

_LARGEST_INDEX = 2**31 - 1


def read_path(tokens: Tokens, scope: Scope) -> Path:
    """Return the path that comes next.

    Raises:
        ExpressionFault: it is too deep, or has a number that is no index of a list.
    """
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
            index = tokens.take().text
            if int(index) > _LARGEST_INDEX:
                raise invalid_expression(f"List index is not within the allowable range; index: [{index}]")
            parts.append(int(index))
            tokens.expect("]")
        elif len(parts) > NESTING:
            raise invalid_expression(
                f"The document path has too many nesting levels; nesting levels: {len(parts)}"
            )
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


def check_apart(paths: Sequence[Path]) -> None:
    """Check that no path of an expression leads to another one, or makes a list of what another makes a map.

    Raises:
        ExpressionFault: one does.
    """
    for number, path in enumerate(paths):
        for other in paths[number + 1 :]:
            if (fault := _fault(path, other)) is not None:
                raise invalid_expression(
                    f"Two document paths {fault} with each other; must remove or rewrite one of these paths; "
                    f"path one: {text_of(path)}, path two: {text_of(other)}"
                )


def _fault(one: Path, other: Path) -> str | None:
    for part, opposite in zip(one, other, strict=False):
        if isinstance(part, str) is not isinstance(opposite, str):
            return "conflict"
        if part != opposite:
            return None
    return "overlap"


def text_of(path: Path) -> str:
    """Return a path as errors show it."""
    return "[" + ", ".join(f"[{part}]" if isinstance(part, int) else part for part in path) + "]"
