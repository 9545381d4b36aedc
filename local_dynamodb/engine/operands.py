"""Operands of expressions, and the rules that an expression must keep before it meets an item.

Source: AWS developer guide, "Condition and filter expressions, operators, and functions"; the texts are those of
DynamoDB's responses.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from local_dynamodb.engine.attributes import comparable
from local_dynamodb.engine.paths import find, read_path, text_of
from local_dynamodb.engine.scope import invalid_expression

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from local_dynamodb.engine.attributes import Attribute, Item
    from local_dynamodb.engine.lexer import Tokens
    from local_dynamodb.engine.paths import Path
    from local_dynamodb.engine.scope import Scope

_CONDITION_FUNCTIONS = {
    "attribute_exists": 1,
    "attribute_not_exists": 1,
    "attribute_type": 2,
    "begins_with": 2,
    "contains": 2,
}
_UPDATE_FUNCTIONS = {"if_not_exists": 2, "list_append": 2}
_COUNTS = {**_CONDITION_FUNCTIONS, "size": 1, **_UPDATE_FUNCTIONS}
SIZED = ("S", "B", "L", "M", "SS", "NS", "BS")
"""Types of attributes that have a size."""


@dataclass(frozen=True, slots=True)
class Operand:
    """An operand: how it is read from an item, and what is known before: its path or its value, and its type.

    The type of an attribute at a path is not known, so that `kind` is `""`.
    """

    read: Callable[[Item], Attribute | None]
    path: Path | None = None
    value: Attribute | None = None
    kind: str = ""


def value_operand(tokens: Tokens, scope: Scope) -> Operand:
    """Return the value that comes next, by its placeholder."""
    value = scope.value(tokens.take().text)
    return Operand(lambda _: value, value=value, kind=next(iter(value)))


def condition_operand(tokens: Tokens, scope: Scope) -> Operand:
    """Return the operand of a condition that comes next: a value, a path, or the size of one."""
    if tokens.accept("("):
        operand = condition_operand(tokens, scope)
        tokens.expect(")")
        return operand
    if tokens.next.kind == "value":
        return value_operand(tokens, scope)
    if tokens.is_call():
        if tokens.next.text != "size":
            raise misused(tokens.kind, tokens.next.text)
        return _size_operand(tokens, scope)
    path = read_path(tokens, scope)
    scope.check_scalar_key(path)
    return Operand(lambda item: find(item, path), path=path)


def arguments(
    tokens: Tokens, scope: Scope, operand: Callable[[Tokens, Scope], Operand]
) -> tuple[str, tuple[Operand, ...]]:
    """Return the name of the function that comes next, and its arguments, read by `operand`."""
    name = tokens.take().text
    if name not in _COUNTS:
        raise invalid_expression(f"Invalid function name; function: {name}")
    tokens.expect("(")
    found = [operand(tokens, scope)]
    while tokens.accept(","):
        found.append(operand(tokens, scope))
    tokens.expect(")")
    if len(found) != _COUNTS[name]:
        raise invalid_expression(
            f"Incorrect number of operands for operator or function; operator or function: {name}, "
            f"number of operands: {len(found)}"
        )
    return name, tuple(found)


def is_condition_function(name: str) -> bool:
    """Return whether a function is a condition by itself."""
    return name in _CONDITION_FUNCTIONS


def misused(kind: str, name: str) -> Exception:
    """Return the error for a function at a place, or in an expression, where it is not allowed."""
    if name not in _COUNTS:
        return invalid_expression(f"Invalid function name; function: {name}")
    in_update = kind == "UpdateExpression"
    if in_update is not (name in _UPDATE_FUNCTIONS):
        place = "an update" if in_update else "a condition"
        return invalid_expression(f"The function is not allowed in {place} expression; function: {name}")
    return invalid_expression(
        f"The function is not allowed to be used this way in an expression; function: {name}"
    )


def check_path(name: str, operand: Operand) -> None:
    """Check that an operand is a path.

    Raises:
        ExpressionFault: it is a value or a function.
    """
    if operand.path is None:
        raise invalid_expression(
            f"Operator or function requires a document path; operator or function: {name}"
        )


def check_kinds(name: str, operands: Sequence[Operand], kinds: Collection[str]) -> None:
    """Check the types of the operands whose type is known.

    Raises:
        ExpressionFault: one has another type.
    """
    for operand in operands:
        if operand.kind and operand.kind not in kinds:
            raise invalid_expression(
                f"Incorrect operand type for operator or function; operator or function: {name}, "
                f"operand type: {operand.kind}"
            )


def check_distinct(name: str, operands: Sequence[Operand]) -> None:
    """Check that the first operand is not repeated.

    Raises:
        ExpressionFault: a further operand is the same path.
    """
    first = operands[0].path
    if first is not None and any(each.path == first for each in operands[1:]):
        raise invalid_expression(
            "The first operand must be distinct from the remaining operands for this operator or function; "
            f"operator: {name}, first operand: {text_of(first)}"
        )


def check_bounds(low: Operand, high: Operand) -> None:
    """Check two bounds that are values: they have one type, and the lower one comes first.

    Raises:
        ExpressionFault: they do not.
    """
    if low.value is None or high.value is None:
        return
    (kind, least), (other_kind, greatest) = comparable(low.value), comparable(high.value)
    if kind != other_kind:
        rule = "same data type for lower and upper bounds"
    elif least > greatest:
        rule = "upper bound to be greater than or equal to lower bound"
    else:
        return
    raise invalid_expression(
        f"The BETWEEN operator requires {rule}; lower bound operand: {_text_of_value(low.value)}, "
        f"upper bound operand: {_text_of_value(high.value)}"
    )


def _size_operand(tokens: Tokens, scope: Scope) -> Operand:
    if tokens.peek(2).text == "size" and tokens.peek(3).text == "(":
        check_kinds("size", [Operand(lambda _: None, kind="N")], SIZED)
    _, (inner,) = arguments(tokens, scope, condition_operand)
    check_kinds("size", [inner], SIZED)
    return Operand(lambda item: _size(inner.read(item)), kind="N")


def _size(attribute: Attribute | None) -> Attribute | None:
    if attribute is None:
        return None
    kind, value = comparable(attribute)
    if kind == "S":
        return {"N": str(len(attribute["S"].encode("utf-16-le", "surrogatepass")) // 2)}  # units of UTF-16
    return {"N": str(len(value))} if kind in SIZED else None


def _text_of_value(value: Attribute) -> str:
    ((kind, content),) = value.items()
    return f"AttributeValue: {{{kind}:{content}}}"
