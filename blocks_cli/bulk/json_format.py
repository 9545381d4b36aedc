"""JSON lines: one object a line. The server reads the values, so that numbers keep all their digits."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from blocks_cli.bulk.csv_format import too_long
from blocks_cli.bulk.records import KEPT, LONGEST, Record

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO


def records(stream: BinaryIO, offset: int, line: int, columns: frozenset[str]) -> Iterator[Record]:
    """Yield the objects of a stream at `offset`, whose next line has the number `line`; empty lines are left out."""
    while raw := stream.readline(LONGEST):
        start, size, ended = line, len(raw), raw.endswith(b"\n")
        first = raw
        while not ended and (raw := stream.readline(LONGEST)):
            size += len(raw)
            ended = raw.endswith(b"\n")
        line += 1
        offset += size
        if size > LONGEST:
            yield Record(first[:KEPT], start, offset, line, too_long(size))
        elif text := first.strip():
            yield Record(text, start, offset, line, _fault(text, columns))


def names(raw: bytes) -> tuple[str, ...]:
    """Return the names of an object's members.

    Raises:
        ValueError: it is no JSON object.
    """
    value = json.loads(raw.decode())  # of bytes, it would guess UTF-16 and UTF-32
    if not isinstance(value, dict):
        raise ValueError(f"a JSON {type(value).__name__}, not an object")
    return tuple(value)


def _fault(raw: bytes, columns: frozenset[str]) -> str:
    try:
        found = names(raw)
    except UnicodeDecodeError as error:
        return f"not UTF-8: {error.reason} at byte {error.start}"
    except (ValueError, RecursionError) as error:
        return f"not a JSON object: {error}"
    if unknown := [name for name in found if name not in columns]:
        return f"has {', '.join(unknown)}, which is not loaded; name all columns with --columns"
    return ""
