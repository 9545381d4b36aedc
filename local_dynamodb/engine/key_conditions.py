"""Key conditions of Query: one partition, and a range of sort keys."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from local_dynamodb.engine.attributes import key_bytes
from local_dynamodb.engine.conditions import compare, condition
from local_dynamodb.engine.errors import invalid

if TYPE_CHECKING:
    from local_dynamodb.engine.attributes import Attribute
    from local_dynamodb.engine.conditions import Condition
    from local_dynamodb.engine.schema import Table
    from local_dynamodb.engine.scope import Scope

_TURNED = {"=": "=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
_OPERATORS = frozenset({*_TURNED, "BETWEEN", "begins_with"})


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

    def check_start(self, key: tuple[bytes, bytes], sort_key: Attribute | None) -> None:
        """Check that a page can begin after a key: the condition holds for it.

        Raises:
            ApiError: it does not.
        """
        if key[0] != self.partition:
            raise invalid(
                "The provided starting key is outside query boundaries based on provided conditions"
            )
        if not self.matches(sort_key):
            raise invalid("The provided starting key does not match the range key predicate")

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
    by_name: dict[str, tuple[str, tuple[Attribute, ...]]] = {}
    for part in _parts(condition("KeyConditionExpression", text, scope)):
        name, sign, values = _term(part, table)
        if name in by_name:
            raise invalid("KeyConditionExpressions must only contain one condition per key")
        by_name[name] = sign, values
    sign, values = by_name.pop(table.partition_key, ("", ()))
    if not sign:
        raise invalid(f"Query condition missed key schema element: {table.partition_key}")
    if sign != "=":
        raise invalid("Query key condition not supported")
    table.check_key_values(table.partition_key, values)
    partition = key_bytes(values[0])
    if not by_name:
        return KeyCondition(partition)
    if set(by_name) != {table.sort_key}:
        raise invalid(f"Query condition missed key schema element: {table.sort_key}")
    sign, values = by_name[table.sort_key]
    table.check_key_values(table.sort_key, values)
    return KeyCondition(partition, sign, values)


def _parts(whole: Condition) -> list[Condition]:
    """Return the conditions that AND joins."""
    if whole.operator == "AND":
        return [each for part in whole.parts for each in _parts(part)]
    if whole.operator not in _OPERATORS:
        raise invalid(f"Invalid operator used in KeyConditionExpression: {whole.operator}")
    return [whole]


def _term(part: Condition, table: Table) -> tuple[str, str, tuple[Attribute, ...]]:
    """Return the attribute, the sign and the values of a condition; `:v < a` is turned into `a > :v`."""
    operands, sign = part.operands, part.operator
    if any(operand.path is None and operand.value is None for operand in operands):
        raise invalid("KeyConditionExpressions cannot contain nested operations")
    if operands[0].path is None and sign in _TURNED:
        operands, sign = operands[::-1], _TURNED[sign]
    path = operands[0].path
    values = tuple(operand.value for operand in operands[1:] if operand.value is not None)
    if path is None or len(values) != len(operands) - 1:
        raise invalid(f"Query condition missed key schema element: {table.partition_key}")
    return str(path[0]), sign, values
