"""Condition, filter and key expressions.

Source: AWS developer guide, "Condition and filter expressions, operators, and functions".
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, TypeAlias

from local_dynamodb.engine.attributes import comparable
from local_dynamodb.engine.lexer import Tokens
from local_dynamodb.engine.paths import find, read_path
from local_dynamodb.engine.scope import ExpressionFault

if TYPE_CHECKING:
    from collections.abc import Callable

    from local_dynamodb.engine.attributes import Attribute, Item
    from local_dynamodb.engine.scope import Scope

    Operand: TypeAlias = Callable[[Item], "Attribute | None"]
    Test: TypeAlias = Callable[[Item], bool]

_COMPARISONS = ("=", "<>", "<", "<=", ">", ">=")
_ORDERED = ("S", "N", "B")


def condition(kind: str, text: str, scope: Scope) -> Test:
    """Return the test that an expression describes; `kind` is the name of its parameter.

    Raises:
        ApiError: it has a fault.
    """
    tokens = Tokens(kind, text)
    try:
        test = _any(tokens, scope)
        tokens.end()
    except ExpressionFault as fault:
        raise tokens.error(str(fault)) from None
    return test


def _any(tokens: Tokens, scope: Scope) -> Test:
    tests = [_all(tokens, scope)]
    while tokens.accept("OR"):
        tests.append(_all(tokens, scope))
    return tests[0] if len(tests) == 1 else lambda item: any(test(item) for test in tests)


def _all(tokens: Tokens, scope: Scope) -> Test:
    tests = [_negation(tokens, scope)]
    while tokens.accept("AND"):
        tests.append(_negation(tokens, scope))
    return tests[0] if len(tests) == 1 else lambda item: all(test(item) for test in tests)


def _negation(tokens: Tokens, scope: Scope) -> Test:
    if tokens.accept("NOT"):
        test = _negation(tokens, scope)
        return lambda item: not test(item)
    if tokens.accept("("):
        test = _any(tokens, scope)
        tokens.expect(")")
        return test
    return _comparison(tokens, scope)


def _comparison(tokens: Tokens, scope: Scope) -> Test:
    if tokens.next.kind == "word" and tokens.peek().text == "(" and tokens.next.text != "size":
        return _function(tokens, scope)
    left = operand(tokens, scope)
    if tokens.accept("BETWEEN"):
        low = operand(tokens, scope)
        tokens.expect("AND")
        high = operand(tokens, scope)
        return lambda item: compare(low(item), "<=", left(item)) and compare(left(item), "<=", high(item))
    if tokens.accept("IN"):
        tokens.expect("(")
        choices = [operand(tokens, scope)]
        while tokens.accept(","):
            choices.append(operand(tokens, scope))
        tokens.expect(")")
        return lambda item: any(compare(left(item), "=", choice(item)) for choice in choices)
    sign = tokens.accept(*_COMPARISONS)
    if sign is None:
        raise tokens.syntax_error()
    right = operand(tokens, scope)
    return lambda item: compare(left(item), sign, right(item))


def operand(tokens: Tokens, scope: Scope) -> Operand:
    """Return the operand that comes next: a value, a path, or the size of a path."""
    if tokens.next.kind == "value":
        value = scope.value(tokens.take().text)
        return lambda _: value
    if tokens.next.text == "size" and tokens.peek().text == "(":
        tokens.take()
        tokens.take()
        inner = operand(tokens, scope)
        tokens.expect(")")
        return lambda item: _size(inner(item))
    path = read_path(tokens, scope)
    return lambda item: find(item, path)


def compare(left: Attribute | None, sign: str, right: Attribute | None) -> bool:
    """Return whether a comparison holds; a missing attribute is unequal to everything."""
    if left is None or right is None:
        return sign == "<>"
    (kind, one), (other_kind, other) = comparable(left), comparable(right)
    if sign in ("=", "<>"):
        return (kind == other_kind and one == other) is (sign == "=")
    if kind != other_kind or kind not in _ORDERED:
        return False
    return bool({"<": one < other, "<=": one <= other, ">": one > other, ">=": one >= other}[sign])


def _function(tokens: Tokens, scope: Scope) -> Test:
    name = tokens.take().text
    tokens.take()
    arguments = [operand(tokens, scope)]
    while tokens.accept(","):
        arguments.append(operand(tokens, scope))
    tokens.expect(")")
    counts = {
        "attribute_exists": 1,
        "attribute_not_exists": 1,
        "attribute_type": 2,
        "begins_with": 2,
        "contains": 2,
    }
    if name not in counts:
        raise tokens.error(f"Invalid function name; function: {name}")
    if len(arguments) != counts[name]:
        raise tokens.error(
            f"Incorrect number of operands for operator or function; operator or function: {name}, "
            f"number of operands: {len(arguments)}"
        )
    first, second = arguments[0], arguments[-1]
    match name:
        case "attribute_exists":
            return lambda item: first(item) is not None
        case "attribute_not_exists":
            return lambda item: first(item) is None
        case "attribute_type":
            return lambda item: _is_of_type(first(item), second(item))
        case "begins_with":
            return lambda item: _begins_with(first(item), second(item))
        case _:
            return lambda item: _contains(first(item), second(item))


def _is_of_type(attribute: Attribute | None, kind: Attribute | None) -> bool:
    return attribute is not None and kind is not None and kind.get("S") in attribute


def _begins_with(attribute: Attribute | None, beginning: Attribute | None) -> bool:
    if attribute is None or beginning is None:
        return False
    (kind, one), (other_kind, other) = comparable(attribute), comparable(beginning)
    return kind == other_kind and kind in ("S", "B") and bool(one.startswith(other))


def _contains(attribute: Attribute | None, wanted: Attribute | None) -> bool:
    if attribute is None or wanted is None:
        return False
    (kind, one), (other_kind, other) = comparable(attribute), comparable(wanted)
    if kind in ("S", "B"):
        return kind == other_kind and other in one
    if kind == "L":
        return (other_kind, other) in one
    if kind in ("SS", "NS", "BS") and kind == f"{other_kind}S":
        return (wanted["S"] if kind == "SS" else other) in one
    return False


def _size(attribute: Attribute | None) -> Attribute | None:
    if attribute is None:
        return None
    kind, value = comparable(attribute)
    return {"N": str(Decimal(len(value)))} if kind in ("S", "B", "L", "M", "SS", "NS", "BS") else None
