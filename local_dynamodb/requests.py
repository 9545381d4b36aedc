"""Tables and keys that a request names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


def tables_of(parameters: Mapping[str, Any]) -> frozenset[str]:
    """Return the names of the tables."""
    named = [parameters, *(action for each in items_of(parameters) for action in each.values())]
    names = {str(each["TableName"]) for each in named if "TableName" in each}
    return frozenset(names | set(parameters.get("RequestItems", {})))


def items_of(parameters: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the actions of a transaction; none for another request."""
    return list(parameters.get("TransactItems", ()))


def texts_of_keys(parameters: Mapping[str, Any]) -> frozenset[str]:
    """Return the partition keys, where they are the attribute `pk` and text."""
    return frozenset(str(each["pk"]["S"]) for each in _keys(parameters) if "S" in each.get("pk", {}))


def _keys(parameters: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for action in (parameters, *(action for each in items_of(parameters) for action in each.values())):
        yield from (action[name] for name in ("Key", "Item") if name in action)
    for wanted in parameters.get("RequestItems", {}).values():
        if isinstance(wanted, dict):
            yield from wanted.get("Keys", ())
            continue
        for request in wanted:
            for action in request.values():
                yield from (action[name] for name in ("Key", "Item") if name in action)
