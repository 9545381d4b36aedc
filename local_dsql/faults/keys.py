"""Primary keys, spelled as PostgreSQL prints a row: `(7)`, `(eu,7)`, `("a b")`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from uuid import UUID

    Value = str | int | UUID
    Key = Value | tuple[Value, ...]

_QUOTED = re.compile(r'[ \t\n\v\f\r"\\(),]')
"""What makes PostgreSQL put a value into quotes (its `record_out`)."""


def row_text(key: Key) -> str:
    """Return the key as a row's text.

    Args:
        key: value of the only column, or a tuple with that of each, in the order of the key; a value of another type
            is given as the text that PostgreSQL prints for it.
    """
    values = key if isinstance(key, tuple) else (key,)
    return f"({','.join(map(_field, values))})"


def _field(value: Value) -> str:
    text = str(value)[0].lower() if isinstance(value, bool) else str(value)
    if text and not _QUOTED.search(text):
        return text
    doubled = text.replace("\\", "\\\\").replace('"', '""')
    return f'"{doubled}"'
