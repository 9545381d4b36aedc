"""JSON from rows: the types of psycopg in the forms that JSON has.

| Python | JSON |
|---|---|
| `UUID` | string, `"0b7f…-…"` |
| `Decimal` | string, so that no digit is lost: `"12.50"` |
| `datetime`, `date`, `time` | string in ISO 8601: `"2026-09-17T10:15:00+00:00"` |
| `timedelta` | string in ISO 8601: `"P1DT2H30M0.5S"` |
| `bytes`, `bytearray`, `memoryview` | string in base64 |
| an enum | its value |
| a dataclass | object |
| a set | array |
| an address or network of `ipaddress` | string |

Not a number, and infinity, are the strings `"NaN"`, `"Infinity"` and `"-Infinity"`, as in PostgreSQL's `to_json`.
"""

from __future__ import annotations

import json

TYPE_CHECKING = False  # `typing` costs more to import than the whole runtime
if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta
    from typing import TypeAlias

    JsonValue: TypeAlias = bool | int | float | str | list["JsonValue"] | dict[str, "JsonValue"] | None


def to_json(value: object, *, indent: int | None = None) -> str:
    """Return a value as JSON text: rows of a query, or anything made of them.

    For the body of an HTTP answer: `{"statusCode": 200, "body": to_json(rows)}`.

    Args:
        value: made of the types of the module's table, dicts, lists, tuples, strings, numbers, bools and None.
        indent: spaces for each level; None: one line.

    Raises:
        TypeError: a value, or a key of a dict, has no JSON form.
    """
    return json.dumps(jsonable(value), ensure_ascii=False, allow_nan=False, indent=indent)


def jsonable(value: object) -> JsonValue:
    """Return a copy made of nothing but dicts, lists, strings, numbers, bools and None; otherwise as `to_json`.

    For the result of a handler, which Lambda serializes: `return jsonable(rows)`.
    """
    if value is None or (isinstance(value, (str, bool, int)) and type(value) in (str, bool, int)):
        return value
    if isinstance(value, float) and type(value) is float:
        return value if value - value == 0 else _float(value)
    if isinstance(value, dict):
        return {_key(key): jsonable(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [jsonable(each) for each in value]
    return jsonable(json_default(value))


def json_default(value: object) -> object:
    """Return the JSON form of a value that `json` does not know: `json.dumps(rows, default=json_default)`.

    Other encoders with a `default`, such as simplejson and orjson, take it, too.

    Raises:
        TypeError: the value has no JSON form.
    """
    for kind in type(value).__mro__:
        form = _FORMS.get((kind.__module__, kind.__name__))
        if form is not None:
            return form(value)
    fields: dict[str, object] | None = getattr(type(value), "__dataclass_fields__", None)
    if fields is not None:
        return {name: getattr(value, name) for name in fields}
    for plain in (str, int, float):  # subclasses
        if isinstance(value, plain):
            return plain(value)
    raise TypeError(
        f"a value of type {type(value).__name__} has no JSON form; convert it, or select it as text"
    )


def _key(key: object) -> str:
    form = jsonable(key)
    if isinstance(form, str):
        return form
    if isinstance(form, (list, dict)):
        raise TypeError(f"a key of type {type(key).__name__} has no JSON form; use a string")
    return json.dumps(form)


def _float(value: float) -> str:
    return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"


def _duration(value: timedelta) -> str:
    """Return ISO 8601 with days, hours, minutes and seconds; a negative one has its sign in front."""
    micros = (value.days * 86_400 + value.seconds) * 1_000_000 + value.microseconds
    sign, micros = ("-", -micros) if micros < 0 else ("", micros)
    seconds, rest = divmod(micros, 1_000_000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    fraction = f".{rest:06}".rstrip("0") if rest else ""
    return f"{sign}P{days}DT{hours}H{minutes}M{seconds}{fraction}S"


def _base64(value: bytes) -> str:
    import base64

    return base64.b64encode(value).decode()


def _isoformat(value: object) -> str:
    return value.isoformat()  # type: ignore[attr-defined, no-any-return]


def _enum_value(value: object) -> object:
    return value.value  # type: ignore[attr-defined]


# By name, so that the modules of the types are not imported for it.
_FORMS: dict[tuple[str, str], Callable[..., object]] = {
    ("uuid", "UUID"): str,
    ("decimal", "Decimal"): str,
    ("datetime", "datetime"): _isoformat,
    ("datetime", "date"): _isoformat,
    ("datetime", "time"): _isoformat,
    ("datetime", "timedelta"): _duration,
    ("builtins", "bytes"): _base64,
    ("builtins", "bytearray"): _base64,
    ("builtins", "memoryview"): _base64,
    ("builtins", "set"): list,
    ("builtins", "frozenset"): list,
    ("enum", "Enum"): _enum_value,
    ("ipaddress", "_BaseAddress"): str,
    ("ipaddress", "_BaseNetwork"): str,
    ("ipaddress", "IPv4Interface"): str,
    ("ipaddress", "IPv6Interface"): str,
}
