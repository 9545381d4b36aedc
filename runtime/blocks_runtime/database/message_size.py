"""Size of the messages that carry a statement, known before they are sent.

Aurora DSQL documents 08P01 for a message over `contract.BYTES_PER_MESSAGE`, but was seen to close the connection
without an answer (AWS agent plugins, observed 2026-10-01). A client cannot tell that from a failing network, and would
send the statement again.
"""

from __future__ import annotations

from ..contract import BYTES_PER_MESSAGE
from ..errors import LimitExceeded

TYPE_CHECKING = False  # `typing` costs more to import than the whole runtime
if TYPE_CHECKING:
    from psycopg.abc import Transformer

    from .fragments import Sql

_WORST = 6
"""Bytes that a character of a value has in a message at most: it may be an escape in a JSON text."""

_SCALARS = {int, float, bool, type(None)}
_SCALAR = 32
"""Characters that stand for a number, a time or a UUID."""

_FIXED = 32
"""Bytes of a message beside the text and the values: lengths, counts, the name of a prepared statement."""
_BYTES_PER_VALUE = 6
"""Bytes of a message for each value: its type or its format, and its length."""


def may_be_too_long(statement: Sql) -> bool:
    """Return whether a message may be too long, by a rough upper bound of the text and the values."""
    characters = len(statement.text)
    for value in statement.values:
        characters += _SCALAR if type(value) in _SCALARS else _characters(value)
    return characters * _WORST > BYTES_PER_MESSAGE


def _characters(value: object) -> int:
    if type(value) in _SCALARS:
        return _SCALAR
    if isinstance(value, (str, bytes, bytearray)):
        return len(value)
    if isinstance(value, memoryview):
        return value.nbytes
    if isinstance(value, dict):
        return sum(_characters(key) + _characters(each) for key, each in value.items())
    if isinstance(value, (list, tuple, set, frozenset)):
        return sum(map(_characters, value))
    wrapped = getattr(value, "obj", None)  # psycopg's Json and Jsonb
    return _SCALAR if wrapped is None else _characters(wrapped)


def check_length(statement: Sql, transformer: Transformer) -> None:
    """Check the exact size of the statement's messages.

    Raises:
        LimitExceeded: one of them is too long; it names the size.
        psycopg.Error: a value is of a type that psycopg cannot adapt.
    """
    from psycopg.adapt import PyFormat

    values = statement.values
    written = transformer.dump_sequence(values, [PyFormat.AUTO] * len(values)) if values else ()
    text, bound = len(statement.text.encode()), sum(len(each or b"") for each in written)
    longest = max(text, bound) + _FIXED + _BYTES_PER_VALUE * len(values)
    if longest > BYTES_PER_MESSAGE:
        what = "values of the statement make" if bound > text else "text of the statement makes"
        failure = LimitExceeded(
            f"the {what} a message of {longest:,} bytes, and Aurora DSQL takes {BYTES_PER_MESSAGE:,}; it was not sent",
            advice="write fewer rows in one statement, as load() does, or keep large values in Amazon S3",
        )
        failure.statement = statement.text
        raise failure
