"""Files of the write-ahead log: whole pages by position. Each page is checked to have the expected position."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from local_dsql.write_ahead_log.errors import LogGap, LogNotWritten
from local_dsql.write_ahead_log.layout import (
    LONG_PAGE_HEADER,
    PAGE_HEADER,
    PAGE_MAGIC,
    PAGE_SIZE,
    SHORT_PAGE_HEADER,
)
from local_dsql.write_ahead_log.lsn import format_lsn

if TYPE_CHECKING:
    from pathlib import Path

_NAMES = 0x1_0000_0000
"""Bytes of log for each value of the middle part of a file's name."""


class Segments:
    """The log files of one timeline; the file that was read last stays open."""

    def __init__(self, folder: Path, *, timeline: int, size: int) -> None:
        self._folder = folder
        self._timeline = timeline
        self.size = size
        self._open: tuple[int, int] | None = None
        """Position of the first byte of the open file, and its descriptor."""

    def close(self) -> None:
        """Close the open file; another read opens it again."""
        if self._open is not None:
            os.close(self._open[1])
            self._open = None

    def header_size(self, page: int) -> int:
        """Return the length of the header of the page at a position."""
        return SHORT_PAGE_HEADER if page % self.size else LONG_PAGE_HEADER

    def pages(self, start: int, end: int) -> bytes:
        """Return the pages of one file from the beginning of a page up to `end`, at least one.

        From the first page on that has other bytes, pages are left out: there is no log in the rest of a file after
        `pg_switch_wal()`.

        Raises:
            LogGap: the file is gone, or the first page has later log.
            LogNotWritten: the first page has earlier log or none: PostgreSQL has not written that far yet.
        """
        first = start - start % self.size
        length = -((start - end) // PAGE_SIZE) * PAGE_SIZE
        data = os.pread(self._descriptor(first), length, start - first)
        for offset in range(0, len(data), PAGE_SIZE):
            magic, _, timeline, position = PAGE_HEADER.unpack_from(data, offset)
            if position != start + offset or magic != PAGE_MAGIC or timeline != self._timeline:
                if offset:
                    return data[:offset]
                self.close()
                raise (_gone if position > start else _not_written)(start)
        if not data:
            raise _not_written(start)
        return data

    def payload(self, start: int, length: int) -> bytes:
        """Return bytes of records from a position on, without headers of pages and ends of files."""
        parts = []
        while length:
            page = start - start % PAGE_SIZE
            begin = max(start - page, self.header_size(page))
            part = self.pages(page, page + 1)[begin : begin + length]
            parts.append(part)
            length -= len(part)
            start = page + PAGE_SIZE
        return b"".join(parts)

    def after(self, start: int, length: int) -> int:
        """Return the position after `length` bytes of records that begin at `start`."""
        page = start - start % PAGE_SIZE
        begin = max(start - page, self.header_size(page))
        while length > (room := PAGE_SIZE - begin):
            length -= room
            page += PAGE_SIZE
            begin = self.header_size(page)
        return page + begin + length

    def _descriptor(self, first: int) -> int:
        if self._open is not None and self._open[0] == first:
            return self._open[1]
        self.close()
        number, names = first // self.size, _NAMES // self.size
        name = f"{self._timeline:08X}{number // names:08X}{number % names:08X}"
        try:
            descriptor = os.open(self._folder / name, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            raise _gone(first) from None
        self._open = first, descriptor
        return descriptor


def _gone(position: int) -> LogGap:
    return LogGap(
        f"the write-ahead log at {format_lsn(position)} is gone before it was read",
        "PostgreSQL removes or reuses its files at a CHECKPOINT unless a replication slot holds them",
        "roll the open transactions back and read on from the current position",
    )


def _not_written(position: int) -> LogNotWritten:
    return LogNotWritten(
        f"the write-ahead log at {format_lsn(position)} is not written yet",
        "the file holds other bytes there",
        "read no further than a position that PostgreSQL has flushed",
    )
