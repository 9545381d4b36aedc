"""Condition, filter and key expressions.

Source: AWS developer guide, "Condition and filter expressions, operators, and functions".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from local_dynamodb.engine.attributes import KINDS, comparable
from local_dynamodb.engine.lexer import COMPARISONS, Tokens
from local_dynamodb.engine.operands import (
    arguments,
    check_bounds,
    check_distinct,
    check_kinds,
    check_path,
    condition_operand,
    is_condition_function,
    misused,
)
from local_dynamodb.engine.scope import ExpressionFault, invalid_expression

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local_dynamodb.engine.attributes import Attribute, Item
    from local_dynamodb.engine.operands import Operand
    from local_dynamodb.engine.paths import Path
    from local_dynamodb.engine.scope import Scope

_ORDERED = ("S", "N", "B")
_CHOICES = 100
"""Operands of IN (AWS developer guide, "Condition and filter expressions, operators, and functions")."""


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition: its operator (`AND`, `OR`, `NOT`, a comparison, `BETWEEN`, `IN`, a function) and what it joins."""

    operator: str
    operands: tuple[Operand, ...] = ()
    parts: tuple[Condition, ...] = ()

    def holds(self, item: Item) -> bool:
        """Return whether an item meets the condition."""
        match self.operator:
            case "AND":
                return all(part.holds(item) for part in self.parts)
            case "OR":
                return any(part.holds(item) for part in self.parts)
            case "NOT":
                return not self.parts[0].holds(item)
        first, *others = (operand.read(item) for operand in self.operands)
        match self.operator:
            case "BETWEEN":
                return compare(others[0], "<=", first) and compare(first, "<=", others[1])
            case "IN":
                return any(compare(first, "=", choice) for choice in others)
            case "attribute_exists":
                return first is not None
            case "attribute_not_exists":
                return first is None
            case "attribute_type":
                return _is_of_type(first, others[0])
            case "begins_with":
                return _begins_with(first, others[0])
            case "contains":
                return _contains(first, others[0])
        return compare(first, self.operator, others[0])

    def paths(self) -> Iterator[Path]:
        """Yield the paths of the operands that are paths."""
        for operand in self.operands:
            if operand.path is not None:
                yield operand.path
        for part in self.parts:
            yield from part.paths()


def condition(kind: str, text: str, scope: Scope) -> Condition:
    """Return the condition that an expression describes; `kind` is the name of its parameter.

    Raises:
        ApiError: it has a fault.
    """
    tokens = Tokens(kind, text)
    try:
        found = _any(tokens, scope)
        tokens.end()
    except ExpressionFault as fault:
        raise tokens.error(str(fault)) from None
    return found


def _any(tokens: Tokens, scope: Scope) -> Condition:
    parts = [_all(tokens, scope)]
    while tokens.accept("OR"):
        parts.append(_all(tokens, scope))
    return parts[0] if len(parts) == 1 else Condition("OR", parts=tuple(parts))


def _all(tokens: Tokens, scope: Scope) -> Condition:
    parts = [_negation(tokens, scope)]
    while tokens.accept("AND"):
        parts.append(_negation(tokens, scope))
    return parts[0] if len(parts) == 1 else Condition("AND", parts=tuple(parts))


def _negation(tokens: Tokens, scope: Scope) -> Condition:
    if tokens.accept("NOT"):
        return Condition("NOT", parts=(_negation(tokens, scope),))
    if tokens.next.text == "(" and not _is_operator(tokens.after_parenthesis().text):
        tokens.take()
        found = _any(tokens, scope)
        tokens.expect(")")
        return found
    return _comparison(tokens, scope)


def _is_operator(text: str) -> bool:
    return text in ("BETWEEN", "IN", *COMPARISONS)


def _comparison(tokens: Tokens, scope: Scope) -> Condition:
    if tokens.is_call() and tokens.next.text != "size":
        return _function(tokens, scope)
    is_size = tokens.is_call()
    left = condition_operand(tokens, scope)
    if tokens.accept("BETWEEN"):
        low = condition_operand(tokens, scope)
        tokens.expect("AND")
        high = condition_operand(tokens, scope)
        check_distinct("BETWEEN", (left, low, high))
        check_kinds("BETWEEN", (left, low, high), _ORDERED)
        check_bounds(low, high)
        return Condition("BETWEEN", (left, low, high))
    if tokens.accept("IN"):
        tokens.expect("(")
        choices = [condition_operand(tokens, scope)]
        while tokens.accept(","):
            choices.append(condition_operand(tokens, scope))
        tokens.expect(")")
        if len(choices) > _CHOICES:
            raise invalid_expression(
                f"The IN operator is provided with too many operands; number of operands: {len(choices)}"
            )
        check_distinct("IN", (left, *choices))
        return Condition("IN", (left, *choices))
    sign = tokens.accept(*COMPARISONS)
    if sign is None:
        raise misused(tokens.kind, "size") if is_size else tokens.syntax_error()
    right = condition_operand(tokens, scope)
    check_distinct(sign, (left, right))
    if sign not in ("=", "<>"):
        check_kinds(sign, (left, right), _ORDERED)
    return Condition(sign, (left, right))


def _function(tokens: Tokens, scope: Scope) -> Condition:
    if not is_condition_function(tokens.next.text):
        raise misused(tokens.kind, tokens.next.text)
    name, operands = arguments(tokens, scope, condition_operand)
    if _is_operator(tokens.next.text):
        raise misused(tokens.kind, name)
    if name in ("attribute_exists", "attribute_not_exists"):
        check_path(name, operands[0])
        return Condition(name, operands)
    check_distinct(name, operands)
    if name == "begins_with":
        check_kinds(name, operands, ("S", "B"))
    elif name == "attribute_type":
        _check_type_name(operands[1])
    return Condition(name, operands)


def _check_type_name(operand: Operand) -> None:
    if operand.value is None:
        kinds = operand.kind or f"{{{','.join(sorted(KINDS))}}}"
        raise invalid_expression(
            "Incorrect operand type for operator or function; operator or function: attribute_type, "
            f"operand type: {kinds}"
        )
    check_kinds("attribute_type", [operand], ("S",))
    if operand.value["S"] not in KINDS:
        raise invalid_expression(
            f"Invalid attribute type name found; type: {operand.value['S']}, "
            f"valid types: {{{','.join(sorted(KINDS))}}}"
        )


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
