"""Key conditions of Query: one partition, and a range of sort keys."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from local_dynamodb.engine.attributes import key_bytes
from local_dynamodb.engine.conditions import compare
from local_dynamodb.engine.errors import invalid
from local_dynamodb.engine.lexer import Tokens
from local_dynamodb.engine.paths import read_path
from local_dynamodb.engine.scope import ExpressionFault

if TYPE_CHECKING:
    from local_dynamodb.engine.attributes import Attribute
    from local_dynamodb.engine.schema import Table
    from local_dynamodb.engine.scope import Scope

_KIND = "KeyConditionExpression"


@dataclass(frozen=True, slots=True)
class KeyCondition:
    """The partition key, and the condition on the sort key: a sign with its values; `""` for none."""

    partition: bytes
    sign: str = ""
    values: tuple[Attribute, ...] = ()

    @property
    def low(self) -> bytes:
        """The smallest sort key that may match, as bytes."""
        return key_bytes(self.values[0]) if self.sign in ("=", ">", ">=", "BETWEEN", "begins_with") else b""

    @property
    def high(self) -> bytes | None:
        """The largest sort key that may match, as bytes; None for no limit."""
        if self.sign == "begins_with":
            beginning = key_bytes(self.values[0])
            return beginning + b"\xff" * 1024
        if self.sign in ("=", "<", "<=", "BETWEEN"):
            return key_bytes(self.values[-1])
        return None

    def matches(self, sort_key: Attribute | None) -> bool:
        """Return whether an item with this sort key matches."""
        if not self.sign or sort_key is None:
            return True
        if self.sign == "begins_with":
            return key_bytes(sort_key).startswith(key_bytes(self.values[0]))
        if self.sign == "BETWEEN":
            low, high = self.values
            return compare(low, "<=", sort_key) and compare(sort_key, "<=", high)
        return compare(sort_key, self.sign, self.values[0])


def key_condition(text: str, table: Table, scope: Scope) -> KeyCondition:
    """Return the key condition that an expression describes.

    Raises:
        ApiError: it has a fault, or does not name one partition.
    """
    tokens = Tokens(_KIND, text)
    try:
        terms = [_term(tokens, scope)]
        while tokens.accept("AND"):
            terms.append(_term(tokens, scope))
        tokens.end()
    except ExpressionFault as fault:
        raise tokens.error(str(fault)) from None
    by_name = {name: (sign, values) for name, sign, values in terms}
    if len(by_name) != len(terms):
        raise invalid("KeyConditionExpressions must only contain one condition per key")
    sign, values = by_name.pop(table.partition_key, ("", ()))
    if not sign:
        raise invalid(f"Query condition missed key schema element: {table.partition_key}")
    if sign != "=":
        raise invalid("Query key condition not supported")
    _check_type(values, table.partition_type)
    partition = key_bytes(values[0])
    if not by_name:
        return KeyCondition(partition)
    if set(by_name) != {table.sort_key}:
        raise invalid(f"Query condition missed key schema element: {table.sort_key}")
    sign, values = by_name[table.sort_key]
    _check_type(values, table.sort_type)
    return KeyCondition(partition, sign, values)


def _term(tokens: Tokens, scope: Scope) -> tuple[str, str, tuple[Attribute, ...]]:
    if tokens.accept("("):
        term = _term(tokens, scope)
        tokens.expect(")")
        return term
    if tokens.next.text == "begins_with" and tokens.peek().text == "(":
        tokens.take()
        tokens.take()
        name = _name(tokens, scope)
        tokens.expect(",")
        value = _value(tokens, scope)
        tokens.expect(")")
        return name, "begins_with", (value,)
    name = _name(tokens, scope)
    if tokens.accept("BETWEEN"):
        low = _value(tokens, scope)
        tokens.expect("AND")
        return name, "BETWEEN", (low, _value(tokens, scope))
    sign = tokens.accept("=", "<", "<=", ">", ">=")
    if sign is None:
        raise tokens.syntax_error()
    return name, sign, (_value(tokens, scope),)


def _name(tokens: Tokens, scope: Scope) -> str:
    path = read_path(tokens, scope)
    return str(path[0])


def _value(tokens: Tokens, scope: Scope) -> Attribute:
    if tokens.next.kind != "value":
        raise tokens.syntax_error()
    return scope.value(tokens.take().text)


def _check_type(values: tuple[Attribute, ...], kind: str) -> None:
    if any(kind not in value for value in values):
        raise invalid(
            "One or more parameter values were invalid: Condition parameter type does not match schema type"
        )
    if any(value.get("S") == "" for value in values):
        raise invalid(
            "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an "
            "empty string value."
        )
