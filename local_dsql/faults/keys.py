"""Text form of primary keys, as PostgreSQL prints a row: `(7)`, `(eu,7)`, `("a b")`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from uuid import UUID

    Value = str | int | UUID
    Key = Value | tuple[Value, ...]

_QUOTED = re.compile(r'[ \t\n\v\f\r"\\(),]')
"""Characters for which PostgreSQL quotes a value (`record_out`)."""


def row_text(key: Key) -> str:
    """Return the text of a row with the key's columns.

    Args:
        key: value of the only column, or a tuple of the values in the order of the key; values of other types are
            passed as the text that PostgreSQL prints.
    """
    values = key if isinstance(key, tuple) else (key,)
    return f"({','.join(map(_field, values))})"


def _field(value: Value) -> str:
    text = str(value)[0].lower() if isinstance(value, bool) else str(value)
    if text and not _QUOTED.search(text):
        return text
    doubled = text.replace("\\", "\\\\").replace('"', '""')
    return f'"{doubled}"'
