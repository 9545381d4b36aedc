"""Attribute values: validation, comparison, numbers, and keys in the order of their bytes."""

from __future__ import annotations

import base64
import binascii
from decimal import Decimal, DecimalException
from typing import TYPE_CHECKING, Any, TypeAlias

from blocks_runtime.atomic_table.limits import DIGITS, LARGEST_EXPONENT, NESTING, SMALLEST_EXPONENT
from blocks_runtime.atomic_table.values import size
from local_dynamodb.engine.errors import invalid, invalid_values

if TYPE_CHECKING:
    from collections.abc import Mapping

Attribute: TypeAlias = "dict[str, Any]"
Item: TypeAlias = "dict[str, Attribute]"

KINDS = frozenset({"S", "N", "B", "BOOL", "NULL", "M", "L", "SS", "NS", "BS"})


def check_attribute(attribute: object, depth: int = 0) -> Attribute:
    """Return an attribute value with its numbers as DynamoDB stores them.

    Raises:
        ApiError: it is none.
    """
    if not isinstance(attribute, dict) or len(attribute) != 1 or not attribute.keys() <= KINDS:
        raise invalid("Supplied AttributeValue is empty, must contain exactly one of the supported datatypes")
    ((kind, value),) = attribute.items()
    if depth > NESTING:
        raise invalid("Nesting Levels have exceeded supported limits")
    if kind == "M":
        return {"M": {name: check_attribute(each, depth + 1) for name, each in value.items()}}
    if kind == "L":
        return {"L": [check_attribute(each, depth + 1) for each in value]}
    if kind == "N":
        return {"N": stored_number(value)}
    if kind in ("SS", "NS", "BS"):
        return _checked_set(kind, value)
    if kind == "B":
        _binary(value)
    elif kind == "NULL" and value is not True:
        raise invalid_values("Null attribute value types must have the value of true")
    return attribute


def _checked_set(kind: str, values: list[str]) -> Attribute:
    if not values:
        raise invalid_values(_EMPTY_SETS[kind])
    stored = [stored_number(each) for each in values] if kind == "NS" else values
    if len(set(stored)) != len(stored):
        raise invalid_values(f"Input collection {stored} contains duplicates.")
    return {kind: stored}


_EMPTY_SETS = {
    "SS": "An string set  may not be empty",
    "NS": "An number set  may not be empty",
    "BS": "Binary sets should not be empty",
}


def stored_number(text: object) -> str:
    """Return the text of a number as DynamoDB returns it: without exponent and without needless zeros.

    Raises:
        ApiError: it is no number, or has too many digits.
    """
    try:
        number = Decimal(str(text))
    except DecimalException:
        number = Decimal("NaN")
    # Python reads spaces around a number and `_` between its digits, too; they are none of a number of DynamoDB.
    if not isinstance(text, str) or not number.is_finite() or "_" in text or text != text.strip():
        raise invalid("The parameter cannot be converted to a numeric value" + (f": {text}" if text else ""))
    if not number:
        return "0"
    digits = str(number.as_tuple().digits and "".join(map(str, number.as_tuple().digits))).strip("0")
    if len(digits) > DIGITS:
        raise invalid("Attempting to store more than 38 significant digits in a Number")
    if number.adjusted() > LARGEST_EXPONENT:
        raise invalid(
            "Number overflow. Attempting to store a number with magnitude larger than supported range"
        )
    if number.adjusted() < SMALLEST_EXPONENT:
        raise invalid(
            "Number underflow. Attempting to store a number with magnitude smaller than supported range"
        )
    plain = format(number, "f")
    return plain.rstrip("0").rstrip(".") if "." in plain else plain


def comparable(attribute: Attribute) -> tuple[str, Any]:
    """Return type and value of an attribute for comparisons: numbers by value, text and binary by bytes."""
    ((kind, value),) = attribute.items()
    if kind == "N":
        return kind, Decimal(value)
    if kind == "S":
        return kind, value.encode("utf-8", "surrogatepass")
    if kind == "B":
        return kind, _binary(value)
    if kind == "SS":
        return kind, frozenset(value)
    if kind == "NS":
        return kind, frozenset(map(Decimal, value))
    if kind == "BS":
        return kind, frozenset(map(_binary, value))
    if kind == "L":
        return kind, tuple(map(comparable, value))
    if kind == "M":
        return kind, frozenset((name, comparable(each)) for name, each in value.items())
    return kind, value


def key_bytes(attribute: Attribute) -> bytes:
    """Return a key attribute as bytes that sort as the values do."""
    ((kind, value),) = attribute.items()
    if kind == "S":
        return str(value).encode()
    if kind == "B":
        return _binary(value)
    return _sortable(Decimal(value))


def _sortable(number: Decimal) -> bytes:
    """Return a number as bytes in the order of numbers: sign, exponent, digits; inverted if it is negative."""
    if not number:
        return b"\x80"
    digits = "".join(map(str, number.as_tuple().digits)).rstrip("0").encode()
    magnitude = (number.adjusted() - SMALLEST_EXPONENT).to_bytes(2, "big") + digits
    if number > 0:
        return b"\x81" + magnitude
    return b"\x7f" + bytes(255 - each for each in magnitude) + b"\xff"


def item_size(item: Mapping[str, Attribute]) -> int:
    """Return the bytes of an item, names included."""
    return sum(len(name.encode()) + size(attribute) for name, attribute in item.items())


def _binary(text: object) -> bytes:
    try:
        return base64.b64decode(str(text), validate=True)
    except (binascii.Error, ValueError):
        raise invalid("Invalid attribute value type: not Base64") from None
