"""Files to load: their format, their columns, and their records from any position."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from blocks_cli.bulk import compression, csv_format, json_format, parquet_format
from blocks_cli.bulk.csv_format import BYTE_ORDER_MARK, COMMA, CsvDialect
from blocks_cli.errors import CommandError
from blocks_runtime.shared.regular_files import check_regular

if TYPE_CHECKING:
    from collections.abc import Iterator

    from blocks_cli.bulk.records import Record

STANDARD_INPUT = "-"
FORMATS = ("csv", "jsonl", "parquet")
SUFFIXES = {
    ".csv": "csv",
    ".tsv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".parquet": "parquet",
}
_OTHER_ENCODINGS = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}
_PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class Options:
    """Options on the format of all files; `columns` are those of a file without names, or a choice for JSON."""

    format: str | None = None
    columns: tuple[str, ...] | None = None
    header: bool | None = None
    dialect: CsvDialect = COMMA
    has_delimiter: bool = False
    """True if the delimiter was given, so that the suffix does not decide."""

    @property
    def has_header(self) -> bool:
        """True if the first record of a CSV file has the names of its columns: by default unless they are given."""
        return self.columns is None if self.header is None else self.header


class Source:
    """One file, or standard input.

    Args:
        name: path of the file, or `-`.
        options: options on the format.
    """

    def __init__(self, name: str, options: Options) -> None:
        self.name = name
        self.format = options.format or format_of(name)
        dialect = options.dialect
        if compression.plain_name(name).lower().endswith(".tsv") and not options.has_delimiter:
            dialect = replace(dialect, delimiter="\t")
        self.dialect = dialect
        self._options = options
        self._start, self._line = 0, 1
        self._many = True
        self._stream: BinaryIO | None = None
        self.columns: tuple[str, ...] = ()

    @property
    def is_input(self) -> bool:
        """True for standard input, which can be read once."""
        return self.name == STANDARD_INPUT

    @property
    def size(self) -> int | None:
        """Size in the unit of `Record.end`; None for standard input and compressed files."""
        if self.is_input or compression.is_compressed(self.name):
            return None
        return (
            parquet_format.size(Path(self.name))
            if self.format == "parquet"
            else Path(self.name).stat().st_size
        )

    def read_columns(self) -> tuple[str, ...]:
        """Read the names of the columns, and the position of the first record.

        Raises:
            CommandError: there are none, or the file is not UTF-8.
        """
        if not self.is_input:
            self._check()
        if self.format == "parquet":
            self.columns = parquet_format.columns(Path(self.name))
            return self.columns
        stream = self._open()
        self._skip_mark(stream)
        if self.format == "jsonl":
            self.columns = self._options.columns or self._first_names(stream)
        elif self._options.has_header:
            self.columns = self._header(stream)
        else:
            self.columns = self._options.columns or ()
            self._refuse_header(stream)
        self._many = len(self.columns) > 1
        return self.columns

    def _check(self) -> None:
        """Refuse what is not a regular file: its positions could not be read again."""
        try:
            check_regular(Path(self.name))
        except OSError as error:
            raise _unreadable(self.name, error) from None

    def check_whole(self) -> None:
        """Read a compressed file to its end, so that no row of a damaged one is loaded.

        Raises:
            CommandError: it is damaged.
        """
        if not self.is_input and compression.is_compressed(self.name):
            compression.check(Path(self.name))

    def records(self, start: int = 0, end: int = 0, line: int = 0) -> Iterator[Record]:
        """Yield the records from number `start` on; the record before it ended at `end`, before the line `line`."""
        if self.format == "parquet":
            return parquet_format.records(Path(self.name), start)
        offset, line = (end, line) if start else (self._start, self._line)
        stream = self._open()
        _move(stream, offset, self.is_input)
        if self.format == "jsonl":
            return json_format.records(stream, offset, line, frozenset(self.columns))
        return csv_format.records(stream, offset, line, many_columns=self._many)

    def close(self) -> None:
        """Close the file."""
        if self._stream is not None and not self.is_input:
            self._stream.close()

    def _open(self) -> BinaryIO:
        if self._stream is None:
            self._stream = (
                cast("BinaryIO", _Peekable(sys.stdin.buffer)) if self.is_input else _opened(self.name)
            )
        return self._stream

    def _skip_mark(self, stream: BinaryIO) -> None:
        begin = _peek(stream, 3)
        for mark, encoding in _OTHER_ENCODINGS.items():
            if begin.startswith(mark):
                raise CommandError(
                    f"{self.name}: not UTF-8",
                    f"it begins with the byte order mark of {encoding}",
                    f"convert it: iconv -f {encoding} -t UTF-8",
                )
        if begin == BYTE_ORDER_MARK:
            stream.read(3)
            self._start = 3

    def _header(self, stream: BinaryIO) -> tuple[str, ...]:
        first = next(csv_format.records(stream, self._start, 1), None)
        if first is None or first.fault:
            raise CommandError(
                f"{self.name}: no header",
                first.fault if first else "the file is empty",
                "write the names of the columns into the first line, or pass --columns",
            )
        try:
            names = csv_format.values(first.raw, self.dialect)
        except UnicodeDecodeError:
            raise CommandError(
                f"{self.name}: not UTF-8", "its first line has other bytes", "convert it with iconv"
            ) from None
        self._start, self._line = first.end, first.line + 1
        return self._options.columns or tuple(name or "" for name in names)

    def _refuse_header(self, stream: BinaryIO) -> None:
        if self.is_input:
            return
        at = stream.tell()
        first = next(csv_format.records(stream, self._start, 1), None)
        stream.seek(at)
        if first and first.raw.lower() == self.dialect.delimiter.join(self.columns).lower().encode():
            raise CommandError(
                f"{self.name}: the first line has the names of the columns",
                "with --columns every line is a row",
                "pass --header as well, or omit --columns",
            )

    def _first_names(self, stream: BinaryIO) -> tuple[str, ...]:
        first = _peek_line(stream)
        try:
            return json_format.names(first)
        except ValueError as error:
            raise CommandError(
                f"{self.name}:1: not a JSON object",
                str(error) if first else "the file is empty",
                "write one object a line, or pass --format for another format",
            ) from None


class _Peekable:
    """Standard input whose first bytes can be read twice."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._ahead = b""

    def peek(self, size: int, *, line: bool = False) -> bytes:
        """Return the next bytes, or the next line, without consuming them."""
        while len(self._ahead) < size and not (line and b"\n" in self._ahead):
            if not (more := self._stream.read1(_PIECE)):  # type: ignore[attr-defined]
                break
            self._ahead += more
        return self._ahead.partition(b"\n")[0] if line else self._ahead[:size]

    def read(self, size: int) -> bytes:
        """Return the next bytes."""
        found, self._ahead = self._ahead[:size], self._ahead[size:]
        return found + (self._stream.read(size - len(found)) if len(found) < size else b"")

    def readline(self, limit: int) -> bytes:
        """Return the rest of the line, `limit` bytes at most."""
        if not self._ahead:
            return self._stream.readline(limit)
        line, end, _ = self._ahead[:limit].partition(b"\n")
        found = line + end
        self._ahead = self._ahead[len(found) :]
        if end or len(found) == limit:
            return found
        return found + self._stream.readline(limit - len(found))


def _peek(stream: BinaryIO, size: int) -> bytes:
    if isinstance(stream, _Peekable):
        return stream.peek(size)
    found = stream.read(size)
    stream.seek(-len(found), 1)
    return found


def _peek_line(stream: BinaryIO) -> bytes:
    if isinstance(stream, _Peekable):
        return stream.peek(_PIECE * 10, line=True).strip()
    at = stream.tell()
    line = b""
    while not line and (read := stream.readline(_PIECE * 10)):
        line = read.strip()
    stream.seek(at)
    return line


def _move(stream: BinaryIO, offset: int, once: bool) -> None:
    """Move a file to an offset; standard input is there, as its first records were not read."""
    if not once:
        stream.seek(offset)


def _opened(name: str) -> BinaryIO:
    try:
        if compression.is_compressed(name):
            return cast("BinaryIO", compression.Decompressed(Path(name)))
        return Path(name).open("rb", buffering=_PIECE)
    except OSError as error:
        raise _unreadable(name, error) from None


def _unreadable(name: str, error: OSError) -> CommandError:
    return CommandError(
        f"{name}: cannot be read", error.strerror or str(error), "name a file, or - for standard input"
    )


def format_of(name: str) -> str:
    """Return the format of a file by its suffix.

    Raises:
        CommandError: the suffix is unknown.
    """
    if name == STANDARD_INPUT:
        return "csv"
    found = SUFFIXES.get(Path(compression.plain_name(name)).suffix.lower())
    if found is None or (found == "parquet" and compression.is_compressed(name)):
        raise CommandError(
            f"{name}: unknown format",
            f"the suffixes {', '.join(SUFFIXES)} are known, and {compression.SUFFIX} after those of CSV and JSON lines",
            f"pass --format {'|'.join(FORMATS)}",
        )
    return found
