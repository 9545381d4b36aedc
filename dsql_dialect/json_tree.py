"""Read JSON parse trees of any depth, and walk them."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Set

    from dsql_dialect.rule import Node

_LEXEME = re.compile(r'[\[\]{}]|"(?:[^"\\]|\\.)*"|[^\s,:\[\]{}]+')


def loads(text: bytes) -> Node:
    """Read a JSON object; one too deep for the interpreter's stack is read without recursion, more slowly."""
    try:
        return json.loads(text)  # type: ignore[no-any-return]
    except RecursionError:
        return _loads_deep(text.decode())


def _loads_deep(text: str) -> Node:
    root: list[Any] = []
    open_containers: list[Any] = [root]
    keys: list[str | None] = [None]
    for match in _LEXEME.finditer(text):
        lexeme = match.group()
        if lexeme in "]}":
            open_containers.pop()
            keys.pop()
            continue
        into = open_containers[-1]
        if isinstance(into, dict) and keys[-1] is None:
            keys[-1] = json.loads(lexeme)
            continue
        value: Any = {} if lexeme == "{" else [] if lexeme == "[" else json.loads(lexeme)
        if isinstance(into, dict):
            into[keys[-1]] = value
            keys[-1] = None
        else:
            into.append(value)
        if lexeme in "[{":
            open_containers.append(value)
            keys.append(None)
    return root[0]  # type: ignore[no-any-return]


_LEAVES = frozenset({"A_Const", "String", "Integer", "Float", "Boolean", "BitString", "A_Star"})
"""Nodes without nodes below them; in bulk data most nodes are constants."""


def walk(tree: Node, wanted: Set[str]) -> Iterator[tuple[str, Node]]:
    """Yield every node, in no particular order, whose key is in `wanted`: a node type or a field name.

    Constants and names are no nodes to look for.
    """
    stack: list[Any] = [tree]
    while stack:
        item = stack.pop()
        if type(item) is dict:
            for key, value in item.items():
                kind = type(value)
                if kind is dict:
                    if key in wanted:
                        yield key, value
                    if key not in _LEAVES:
                        stack.append(value)
                elif kind is list:
                    stack.append(value)
        else:
            for each in item:
                kind = type(each)
                if kind is list or (kind is dict and next(iter(each), "") not in _LEAVES):
                    stack.append(each)


def words(names: list[Node]) -> list[str]:
    """Return the strings of a list of String nodes, as names of functions, types and objects are kept."""
    return [each["String"].get("sval", "") for each in names if "String" in each]


def unwrap(node: Node) -> tuple[str, Node]:
    """Return the type and the content of a node wrapped in its type's name."""
    return next(iter(node.items()))
