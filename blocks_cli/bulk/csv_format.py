"""CSV as PostgreSQL's COPY reads it. The server parses the records; this module finds where each one ends.

Source: PostgreSQL 16, COPY, "CSV Format": an unquoted value equal to the NULL text is NULL, a quoted one never; a quote
may stand anywhere in a value; line ends within quotes belong to the value.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from blocks_cli.bulk.records import KEPT, LONGEST, Record

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import BinaryIO

QUOTE = b'"'
BYTE_ORDER_MARK = b"\xef\xbb\xbf"

END_MARKER = b"\\."
"""Ends a COPY before PostgreSQL 18 if a line begins with it, even within quotes."""


@dataclass(frozen=True, slots=True)
class CsvDialect:
    """Delimiter, one character, and the text that stands for NULL."""

    delimiter: str = ","
    null: str = ""

    @property
    def options(self) -> str:
        """Options of COPY."""
        return f"(FORMAT csv, DELIMITER {_literal(self.delimiter)}, NULL {_literal(self.null)})"


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


COMMA = CsvDialect()
"""The default of COPY."""


def records(stream: BinaryIO, offset: int, line: int, *, many_columns: bool = True) -> Iterator[Record]:
    """Yield the records of a stream at `offset`, whose next line has the number `line`.

    An empty line is a record only if the table has one column. A record longer than `LONGEST`, and one whose quote is
    never closed, has a fault.
    """
    while raw := stream.readline(LONGEST):
        start = line
        offset += len(raw)
        odd = raw.count(QUOTE) % 2 == 1
        if not odd and raw.endswith(b"\n"):  # nearly all records
            line += 1
            text = raw[:-2] if raw.endswith(b"\r\n") else raw[:-1]
            if text or not many_columns:
                yield Record(text, start, offset, line)
            continue
        pieces, size = [raw], len(raw)
        while odd or not raw.endswith(b"\n"):
            line += raw.endswith(b"\n")
            if not (raw := stream.readline(LONGEST)):
                break
            offset += len(raw)
            odd ^= raw.count(QUOTE) % 2 == 1
            size += len(raw)
            if size <= LONGEST:
                pieces.append(raw)
        line += raw.endswith(b"\n")
        yield _long(pieces, Record(b"", start, offset, line), size, odd)


def _long(pieces: list[bytes], place: Record, size: int, open_quote: bool) -> Record:
    """Return a record of several lines, or one that ends with the file, at a place."""
    text = b"".join(pieces)
    if open_quote:
        fault = f"the quote that begins in line {place.line} is not closed"
        return place._replace(raw=text[:KEPT], fault=fault)
    if size > LONGEST:
        return place._replace(raw=text[:KEPT], fault=too_long(size))
    return place._replace(raw=text.removesuffix(b"\n").removesuffix(b"\r"))


def too_long(size: int) -> str:
    """Return the reason why a record of this size cannot be a row."""
    return f"{size:,} bytes, more than the {LONGEST:,} that one transaction may hold"


def values(raw: bytes, dialect: CsvDialect) -> list[str | None]:
    """Return the values of one record.

    Raises:
        UnicodeDecodeError: the record is not UTF-8.
    """
    text = raw.decode()
    if '"' not in text:
        return [None if each == dialect.null else each for each in text.split(dialect.delimiter)]
    found = re.findall(_value_pattern(dialect.delimiter), text + dialect.delimiter)
    return [_unquoted(each, dialect.null) for each in found]


def _value_pattern(delimiter: str) -> str:
    other = re.escape(delimiter)
    return rf'((?:[^"{other}]|"(?:[^"]|"")*")*){other}'


def _unquoted(text: str, null: str) -> str | None:
    if '"' not in text:
        return None if text == null else text
    pieces = re.findall(r'[^"]+|"(?:[^"]|"")*"', text)
    return "".join(each[1:-1].replace('""', '"') if each[0] == '"' else each for each in pieces)


def written(row: Sequence[str | None], dialect: CsvDialect) -> str:
    """Return one record with its line end."""
    return dialect.delimiter.join([_written(value, dialect) for value in row]) + "\n"


def _written(value: str | None, dialect: CsvDialect) -> str:
    if value is None:
        return dialect.null
    special = any(each in value for each in (dialect.delimiter, '"', "\n", "\r"))
    if special or value == dialect.null or value.startswith("\\.") or value != value.strip():
        return '"' + value.replace('"', '""') + '"'
    return value


def joined(raws: Iterable[bytes]) -> bytes:
    """Return the body of a COPY."""
    return b"\n".join([*raws, b""])
