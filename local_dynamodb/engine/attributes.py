"""Attribute values: validation, comparison, numbers, and keys in the order of their bytes."""

from __future__ import annotations

import base64
import binascii
import re
from decimal import Decimal, DecimalException
from typing import TYPE_CHECKING, Any, TypeAlias

from blocks_runtime.atomic_table.limits import (
    DIGITS,
    LARGEST_EXPONENT,
    NAME_BYTES,
    NESTING,
    SMALLEST_EXPONENT,
)
from blocks_runtime.atomic_table.values import size
from local_dynamodb.engine.errors import ApiError, invalid, invalid_values

if TYPE_CHECKING:
    from collections.abc import Mapping

Attribute: TypeAlias = "dict[str, Any]"
Item: TypeAlias = "dict[str, Attribute]"

KINDS: dict[str, type] = {
    **dict.fromkeys(("S", "N", "B"), str),
    **dict.fromkeys(("BOOL", "NULL"), bool),
    "M": dict,
    **dict.fromkeys(("L", "SS", "NS", "BS"), list),
}
"""The types of attributes, each with the type of its value in JSON."""

_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
"""A number as DynamoDB reads it. Python reads other digits than those of ASCII, spaces, `_`, NaN and Infinity, too."""


def check_attribute(attribute: object, depth: int = 0) -> Attribute:
    """Return an attribute value with its numbers as DynamoDB stores them.

    Raises:
        ApiError: it is none.
    """
    if not isinstance(attribute, dict) or len(attribute) != 1 or not attribute.keys() <= KINDS.keys():
        raise invalid(_EMPTY)
    ((kind, value),) = attribute.items()
    if depth > NESTING:
        raise invalid("Nesting Levels have exceeded supported limits")
    _check_present(value)
    check_type(value, KINDS[kind])
    if kind == "M":
        return {"M": check_attributes(value, depth + 1)}
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


def check_attributes(attributes: Mapping[str, object], depth: int = 0) -> Item:
    """Return attributes with their numbers as DynamoDB stores them.

    Raises:
        ApiError: a name or a value is not valid.
    """
    for name in attributes:
        if fault := name_fault(name):
            raise invalid_values(fault)
    return {name: check_attribute(each, depth) for name, each in attributes.items()}


def name_fault(name: str) -> str:
    """Return the fault of the name of an attribute, at any level of an item; `""` if it has none."""
    if not name:
        return "Empty attribute name"
    if len(name.encode("utf-8", "surrogatepass")) > NAME_BYTES:
        return f"Attribute name is too large, must be less than {NAME_BYTES + 1} bytes"
    return ""


def check_type(value: object, expected: type) -> None:
    """Check the type of a value or a parameter in JSON.

    Raises:
        ApiError: it is of another type.
    """
    if isinstance(value, expected) and (expected is bool or not isinstance(value, bool)):
        return
    if value is None:
        raise ApiError("SerializationException", "Unexpected null")
    if isinstance(value, (list, dict)):
        text = (
            f"Start of {'list' if isinstance(value, list) else 'structure or map'} found where not expected"
        )
    elif expected in (list, dict):
        text = "Unexpected field type"
    else:
        wanted = {bool: "Boolean", int: "Integer"}.get(expected, "String")
        found = f"{value}" if isinstance(value, bool) else "string" if isinstance(value, str) else "number"
        text = f"{found.upper()}_VALUE cannot be converted to {wanted}"
    raise ApiError("SerializationException", text)


def _check_present(value: object) -> None:
    if value is None:
        raise invalid(_EMPTY)


_EMPTY = "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes"


def _checked_set(kind: str, values: list[str]) -> Attribute:
    if not values:
        raise invalid_values(_EMPTY_SETS[kind])
    for each in values:
        _check_present(each)
        check_type(each, str)
    stored = [stored_number(each) for each in values] if kind == "NS" else values
    distinct = set(map(_binary, stored)) if kind == "BS" else set(stored)
    if len(distinct) != len(stored):
        raise invalid_values(f"Input collection {stored} contains duplicates.")
    return {kind: stored}


_EMPTY_SETS = {
    "SS": "An string set  may not be empty",
    "NS": "An number set  may not be empty",
    "BS": "Binary sets should not be empty",
}


def stored_number(text: str) -> str:
    """Return the text of a number as DynamoDB returns it: without exponent and without needless zeros.

    Raises:
        ApiError: it is no number, or has too many digits.
    """
    if not _NUMBER.fullmatch(text):
        raise invalid("The parameter cannot be converted to a numeric value" + (f": {text}" if text else ""))
    try:
        number = Decimal(text)
    except DecimalException:  # an exponent that Python does not represent
        digits, _, exponent = text.lower().partition("e")
        number = Decimal(digits).scaleb(-_BEYOND if exponent.startswith("-") else _BEYOND)
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


_BEYOND = 1000
"""An exponent that is out of range for numbers with any number of digits."""


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
