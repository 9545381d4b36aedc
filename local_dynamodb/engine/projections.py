"""Projection expressions: a part of an item."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from local_dynamodb.engine.lexer import Tokens
from local_dynamodb.engine.paths import check_apart, find, read_path
from local_dynamodb.engine.scope import ExpressionFault

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from local_dynamodb.engine.attributes import Item
    from local_dynamodb.engine.paths import Path
    from local_dynamodb.engine.scope import Scope


def projection(parameters: Mapping[str, Any], scope: Scope) -> Callable[[Item], Item]:
    """Return the function that takes the wanted part of an item.

    Raises:
        ApiError: the expression has a fault.
    """
    text = parameters.get("ProjectionExpression")
    if text is None:
        return lambda item: item
    tokens = Tokens("ProjectionExpression", text)
    try:
        paths = [read_path(tokens, scope)]
        while tokens.accept(","):
            paths.append(read_path(tokens, scope))
        tokens.end()
        check_apart(paths)
    except ExpressionFault as fault:
        raise tokens.error(str(fault)) from None
    for path in paths:
        scope.check_scalar_key(path)
    return lambda item: _part(item, paths)


def _part(item: Item, paths: list[Path]) -> Item:
    wanted: dict[Any, Any] = {}
    for path in paths:
        found = find(item, path)
        if found is None:
            continue
        level = wanted
        for part in path[:-1]:
            level = level.setdefault(part, {})
        level[path[-1]] = found
    return {name: _built(item[name], below) for name, below in wanted.items()}


def _built(attribute: dict[str, Any], below: dict[Any, Any]) -> dict[str, Any]:
    """Return the part of an attribute; elements of lists move together."""
    if below is attribute:
        return attribute
    if "M" in attribute:
        return {"M": {name: _built(attribute["M"][name], part) for name, part in below.items()}}
    return {"L": [_built(attribute["L"][index], below[index]) for index in sorted(below)]}
