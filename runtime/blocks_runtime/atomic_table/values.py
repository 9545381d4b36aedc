"""Conversion between Python's values and DynamoDB's attribute values, and their sizes. The only place that does.

| Python | DynamoDB | read as |
|---|---|---|
| `str` | S | `str` |
| `bytes`, `bytearray` | B | `bytes` |
| `int`, `Decimal` | N | `int` without a fraction, else `Decimal` |
| `bool`, `None` | BOOL, NULL | the same |
| `list`, `tuple` | L | `list` |
| `dict` with text as keys, dataclass, NamedTuple | M | `dict` |
| `set`, `frozenset` of text, numbers or bytes | SS, NS, BS | `set` |

Numbers are exact. A `float` is refused: it would be stored as another number than the one that was written, so give
`Decimal("0.1")` or text. NaN, infinities and more than 38 digits are refused, as DynamoDB refuses them.
"""

from __future__ import annotations

import base64
import dataclasses
from decimal import Context, Decimal
from typing import TYPE_CHECKING, Any, TypeAlias

from ..errors import TableLimitExceeded
from .keys import utf8
from .limits import DIGITS, LARGEST_EXPONENT, NAME_BYTES, NESTING, SMALLEST_EXPONENT

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

AttributeValue: TypeAlias = "dict[str, Any]"
"""A value in DynamoDB's JSON, such as `{"S": "text"}`: one name of a type, and the value."""

_EXACT = Context(prec=400)
_LONGEST = LARGEST_EXPONENT + 2


def encode(value: object, place: str = "data", depth: int = 0) -> AttributeValue:
    """Return the attribute value of a Python value; `place` names it in errors.

    Raises:
        TypeError: its type has no counterpart, such as a float.
        ValueError: it cannot be stored: NaN, an empty set, an empty key, half of a surrogate pair.
        TableLimitExceeded: a number has too many digits, a key is too long, or lists and maps are nested too deeply.
    """
    if value is None:
        return {"NULL": True}
    if isinstance(value, bool):
        return {"BOOL": value}
    if isinstance(value, str):
        utf8(value, place)
        return {"S": value}
    if isinstance(value, (int, Decimal)):
        return {"N": _number(value, place)}
    if isinstance(value, (bytes, bytearray)):
        return {"B": base64.b64encode(value).decode("ascii")}
    if isinstance(value, (set, frozenset)):
        return _encode_set(value, place)
    if depth >= NESTING:
        raise TableLimitExceeded(
            f"{place} is nested in more than {NESTING} lists and maps",
            advice="store the inner part as JSON text",
        )
    return _encode_document(value, place, depth + 1)


def decode(attribute: Mapping[str, Any]) -> object:
    """Return the Python value of an attribute value."""
    ((kind, value),) = attribute.items()
    match kind:
        case "S" | "BOOL":
            return value
        case "N":
            return decode_number(value)
        case "M":
            return {name: decode(each) for name, each in value.items()}
        case "L":
            return [decode(each) for each in value]
        case "NULL":
            return None
        case "B":
            return base64.b64decode(value)
        case "SS":
            return set(value)
        case "NS":
            return {decode_number(each) for each in value}
        case "BS":
            return {base64.b64decode(each) for each in value}
    raise ValueError(f"{kind!r} is no type of DynamoDB")


def decode_number(text: str) -> int | Decimal:
    """Return an int for a number without a fraction, else a Decimal."""
    number = Decimal(text)
    whole = number.to_integral_value(context=_EXACT)
    return int(whole) if whole == number else number


def exact_sum(numbers: Iterable[int | Decimal]) -> int | Decimal:
    """Return a sum without rounding it; Python's own context rounds to 28 digits."""
    total = Decimal(0)
    for number in numbers:
        total = _EXACT.add(total, Decimal(number))
    return decode_number(str(total))


def size(attribute: Mapping[str, Any]) -> int:
    """Return the bytes of an attribute value, as DynamoDB counts them.

    Source: AWS developer guide, "DynamoDB item sizes and formats".
    """
    ((kind, value),) = attribute.items()
    match kind:
        case "S":
            return len(value.encode())
        case "N":
            return _size_of_number(value)
        case "B":
            return _size_of_binary(value)
        case "SS":
            return sum(len(each.encode()) for each in value)
        case "NS":
            return sum(map(_size_of_number, value))
        case "BS":
            return sum(map(_size_of_binary, value))
        case "M":
            return 3 + sum(1 + len(name.encode()) + size(each) for name, each in value.items())
        case "L":
            return 3 + sum(1 + size(each) for each in value)
    return 1


def _encode_document(value: object, place: str, depth: int) -> AttributeValue:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = {each.name: getattr(value, each.name) for each in dataclasses.fields(value)}
    elif isinstance(value, tuple) and hasattr(value, "_fields"):
        value = dict(zip(value._fields, value, strict=True))
    if isinstance(value, dict):
        for name in value:
            if not isinstance(name, str):
                raise TypeError(
                    f"{place} has a key of type {type(name).__name__}; DynamoDB's maps have text as keys"
                )
            _check_name(name, place)
        return {"M": {name: encode(each, f"{place}.{name}", depth) for name, each in value.items()}}
    if isinstance(value, (list, tuple)):
        return {"L": [encode(each, f"{place}[{index}]", depth) for index, each in enumerate(value)]}
    if isinstance(value, float):
        raise TypeError(
            f"{place} is a float, which DynamoDB would store as another number; give a Decimal, such as "
            'Decimal("0.1"), or text'
        )
    if isinstance(value, type):
        raise TypeError(f"{place} is the class {value.__name__}; give an instance of it")
    raise TypeError(
        f"{place} is of type {type(value).__name__}, which DynamoDB has no counterpart for; "
        "convert it to text, a number, bytes, a list or a dict"
    )


def _check_name(name: str, place: str) -> None:
    """Check a key of a map.

    Raises:
        ValueError: it is empty, or no Unicode text.
        TableLimitExceeded: it is too long.
    """
    if not name:
        raise ValueError(f"{place} has an empty key; DynamoDB has no empty names, so give it a character")
    size = len(utf8(name, f"a key of {place}"))
    if size > NAME_BYTES:
        raise TableLimitExceeded(
            f"a key of {place} has {size:,} bytes, and a name in DynamoDB may have {NAME_BYTES:,}",
            advice="shorten it, or store a list of pairs",
        )


def _encode_set(value: Iterable[object], place: str) -> AttributeValue:
    for each in value:
        if isinstance(each, bool) or not isinstance(each, (str, int, Decimal, float, bytes)):
            raise TypeError(
                f"{place} is a set with a {type(each).__name__}; DynamoDB's sets have text only, numbers only or bytes "
                "only, so store a list"
            )
    encoded = [encode(each, f"an element of {place}") for each in value]
    kinds = {kind for each in encoded for kind in each}
    if not encoded:
        raise ValueError(
            f"{place} is an empty set, which DynamoDB does not have; leave it out, or store a list"
        )
    if len(kinds) > 1:
        raise TypeError(
            f"{place} is a set of mixed types; DynamoDB's sets have text only, numbers only or bytes only"
        )
    (kind,) = kinds
    return {f"{kind}S": sorted(each[kind] for each in encoded)}


def _number(value: int | Decimal, place: str) -> str:
    if isinstance(value, Decimal) and not value.is_finite():
        raise ValueError(
            f"{place} is {value}; DynamoDB has finite numbers only, so store text or leave it out"
        )
    if isinstance(value, int) and abs(value) >= 10**_LONGEST:
        raise _not_a_number(place)
    number = Decimal(value).normalize(_EXACT) if value else Decimal(0)
    if (
        len(number.as_tuple().digits) > DIGITS
        or not SMALLEST_EXPONENT <= number.adjusted() <= LARGEST_EXPONENT
    ):
        raise _not_a_number(place)
    return format(number, "f")


def _not_a_number(place: str) -> TableLimitExceeded:
    return TableLimitExceeded(
        f"{place} is a number with more than {DIGITS} significant digits, or outside of 1E{SMALLEST_EXPONENT} to "
        f"9.99E+{LARGEST_EXPONENT}",
        advice="round it, or store text",
    )


def _size_of_number(text: str) -> int:
    digits = text.lstrip("-").replace(".", "").strip("0")
    return (len(digits) + 1) // 2 + 1 + text.startswith("-")


def _size_of_binary(text: str) -> int:
    return len(text) * 3 // 4 - text[-2:].count("=")
