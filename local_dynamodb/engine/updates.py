"""Update expressions.

Source: AWS developer guide, "Using update expressions in DynamoDB".
"""

from __future__ import annotations

import copy
from decimal import Context, Decimal
from typing import TYPE_CHECKING

from local_dynamodb.engine.attributes import comparable, stored_number
from local_dynamodb.engine.errors import invalid
from local_dynamodb.engine.lexer import Tokens
from local_dynamodb.engine.operands import (
    Operand,
    arguments,
    check_kinds,
    check_path,
    misused,
    value_operand,
)
from local_dynamodb.engine.paths import Path, check_apart, find, parent, read_path
from local_dynamodb.engine.scope import ExpressionFault, invalid_expression

if TYPE_CHECKING:
    from collections.abc import Callable

    from local_dynamodb.engine.attributes import Attribute, Item
    from local_dynamodb.engine.scope import Scope

    Value = Callable[[Item], Attribute]

_EXACT = Context(prec=400)
_MISSING = "The provided expression refers to an attribute that does not exist in the item"
_WRONG_TYPE = "An operand in the update expression has an incorrect data type"
_SETS = ("SS", "NS", "BS")
_CLAUSE_KINDS = {"ADD": ("N", *_SETS), "DELETE": _SETS}
_LONG_KINDS = {
    "S": "STRING",
    "N": "NUMBER",
    "B": "BINARY",
    "BOOL": "BOOLEAN",
    "NULL": "NULL",
    "L": "LIST",
    "M": "MAP",
    "SS": "STRING_SET",
    "NS": "NUMBER_SET",
    "BS": "BINARY_SET",
}


class Update:
    """A parsed update expression: the paths that it changes, and the change itself."""

    def __init__(self, text: str, scope: Scope) -> None:
        self.paths: list[Path] = []
        self._changes: list[tuple[Path, Value | None, str]] = []
        tokens = Tokens("UpdateExpression", text)
        seen: set[str] = set()
        try:
            while not seen or tokens.next.kind != "end":
                clause = tokens.accept("SET", "REMOVE", "ADD", "DELETE")
                if clause is None:
                    raise tokens.syntax_error()
                if clause in seen:
                    raise tokens.error(
                        f'The "{clause}" section can only be used once in an update expression;'
                    )
                seen.add(clause)
                self._read(clause, tokens, scope)
                while tokens.accept(","):
                    self._read(clause, tokens, scope)
            check_apart(self.paths)
        except ExpressionFault as fault:
            raise tokens.error(str(fault)) from None

    def apply(self, before: Item) -> Item:
        """Return the item after the update; all values are read from the item before it.

        Raises:
            ApiError: it refers to something that the item does not have, or to a value of another type.
        """
        after = copy.deepcopy(before)
        values = [
            (path, None if value is None else value(before), clause) for path, value, clause in self._changes
        ]
        # Elements of lists are removed from the end, so that the numbers of the others stay.
        removed = [path for path, _, clause in values if clause == "REMOVE"]
        for path, value, clause in values:
            if value is not None:
                _change(after, before, path, value, clause)
        for path in sorted(removed, key=lambda each: [str(part).zfill(9) for part in each], reverse=True):
            _remove(after, path)
        return after

    def _read(self, clause: str, tokens: Tokens, scope: Scope) -> None:
        path = read_path(tokens, scope)
        value: Value | None = None
        if clause == "SET":
            tokens.expect("=")
            value = _sum(tokens, scope)
        elif clause != "REMOVE":
            if tokens.next.kind != "value":
                raise tokens.syntax_error()
            constant = value_operand(tokens, scope)
            if constant.kind not in _CLAUSE_KINDS[clause]:
                raise invalid_expression(
                    f"Incorrect operand type for operator or function; operator: {clause}, "
                    f"operand type: {_LONG_KINDS[constant.kind]}, typeSet: ALLOWED_FOR_{clause}_OPERAND"
                )
            value = _present(constant)
        self.paths.append(path)
        self._changes.append((path, value, clause))


def _sum(tokens: Tokens, scope: Scope) -> Value:
    left = _operand(tokens, scope)
    sign = tokens.accept("+", "-")
    if sign is None:
        return _present(left)
    right = _operand(tokens, scope)
    check_kinds(sign, (left, right), ("N",))
    first, second = _present(left), _present(right)

    def calculate(item: Item) -> Attribute:
        one, other = _number(first(item)), _number(second(item))
        result = _EXACT.add(one, other) if sign == "+" else _EXACT.subtract(one, other)
        return {"N": stored_number(str(result))}

    return calculate


def _present(operand: Operand) -> Value:
    """Return the function that reads an operand, and raises if its attribute is missing."""

    def read(item: Item) -> Attribute:
        found = operand.read(item)
        if found is None:
            raise invalid(_MISSING)
        return found

    return read


def _operand(tokens: Tokens, scope: Scope) -> Operand:
    if tokens.accept("("):
        operand = _operand(tokens, scope)
        tokens.expect(")")
        return operand
    if tokens.next.kind == "value":
        return value_operand(tokens, scope)
    if tokens.is_call():
        return _function(tokens, scope)
    path = read_path(tokens, scope)
    return Operand(lambda item: find(item, path), path=path)


def _function(tokens: Tokens, scope: Scope) -> Operand:
    if tokens.next.text not in ("if_not_exists", "list_append"):
        raise misused(tokens.kind, tokens.next.text)
    name, (first, second) = arguments(tokens, scope, _operand)
    if name == "if_not_exists":
        check_path(name, first)
        return Operand(lambda item: found if (found := first.read(item)) is not None else second.read(item))
    check_kinds(name, (first, second), ("L",))
    left, right = _present(first), _present(second)

    def append(item: Item) -> Attribute:
        one, other = left(item), right(item)
        if "L" not in one or "L" not in other:
            raise invalid(_WRONG_TYPE)
        return {"L": [*one["L"], *other["L"]]}

    return Operand(append, kind="L")


def _number(attribute: Attribute) -> Decimal:
    if "N" not in attribute:
        raise invalid(_WRONG_TYPE)
    return Decimal(attribute["N"])


def _change(after: Item, before: Item, path: Path, value: Attribute, clause: str) -> None:
    if clause == "ADD":
        value = _added(find(before, path), value)
    elif clause == "DELETE":
        rest = _without(find(before, path), value)
        if rest is None:
            _remove(after, path)
            return
        value = rest
    holder, last = parent(after, path), path[-1]
    if isinstance(last, str):
        holder["M"][last] = value
    elif last < len(holder["L"]):
        holder["L"][last] = value
    else:
        holder["L"].append(value)


def _added(found: Attribute | None, value: Attribute) -> Attribute:
    ((kind, amount),) = value.items()
    if found is None:
        return value
    if kind not in found:
        raise invalid(_WRONG_TYPE)
    if kind == "N":
        return {"N": stored_number(str(_EXACT.add(Decimal(found["N"]), Decimal(amount))))}
    return {kind: [*found[kind], *(each for each in amount if each not in found[kind])]}


def _without(found: Attribute | None, value: Attribute) -> Attribute | None:
    """Return a set without elements; None if nothing is left."""
    ((kind, elements),) = value.items()
    if found is None:
        return None
    if kind not in found:
        raise invalid(_WRONG_TYPE)
    gone = comparable({kind: elements})[1]
    left = [each for each in found[kind] if not comparable({kind: [each]})[1] <= gone]
    return {kind: left} if left else None


def _remove(after: Item, path: Path) -> None:
    if find(after, path) is not None:
        holder, last = parent(after, path), path[-1]
        del holder["M" if isinstance(last, str) else "L"][last]
    elif len(path) > 1:
        parent(after, path)
