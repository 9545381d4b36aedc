"""The type of JSON values, and conversions to narrower types."""

from __future__ import annotations

import json
from typing import NoReturn, TypeAlias

Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | float | bool | None"


def parse(text: str | bytes) -> Json:
    """Return the value of a JSON text that a user or another program wrote.

    Raises:
        ValueError: it is not JSON. `json.loads` also reads NaN and Infinity, and has another error for deep nesting.
    """
    try:
        value: Json = json.loads(text, parse_constant=_refuse)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    return value


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a JSON number")


def mapping(value: Json) -> dict[str, Json]:
    """Return `value` if it is an object, else an empty object, such as for a missing section of a template."""
    return value if isinstance(value, dict) else {}


def sequence(value: Json) -> list[Json]:
    """Return a list unchanged, None as an empty list, and a single value as a list of one."""
    if isinstance(value, list):
        return value
    return [] if value is None else [value]


def text(value: Json) -> str:
    """Return a scalar as text in CloudFormation's form: booleans as `true` and `false`."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def as_strings(value: Json) -> Json:
    """Return `value` with every scalar as a string, as in CloudFormation's events to a handler."""
    if isinstance(value, dict):
        return {key: as_strings(item) for key, item in value.items()}
    if isinstance(value, list):
        return [as_strings(item) for item in value]
    return value if value is None else text(value)
