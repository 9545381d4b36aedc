"""The reject file: records that are no rows, each with its place and the reason."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from blocks_cli.written_files import naming

if TYPE_CHECKING:
    from pathlib import Path

    from blocks_cli.bulk.records import Record


@dataclass(frozen=True, slots=True)
class Reject:
    """A record that was not loaded; `sqlstate` is empty if the server has not seen it."""

    file: str
    record: Record
    reason: str
    sqlstate: str = ""

    def as_line(self) -> bytes:
        """Return the JSON line of the reject file. Bytes that are not UTF-8 are written as escapes."""
        raw = self.record.raw
        value = {
            "file": self.file,
            "line": self.record.line,
            "sqlstate": self.sqlstate or None,
            "reason": self.reason,
            "record": raw.decode(errors="backslashreplace"),
        }
        return json.dumps(value, ensure_ascii=False).encode() + b"\n"


class RejectFile:
    """Writes rejects; the file is created with the first one.

    Args:
        path: the file.
        size: bytes that an earlier run of the same load has written; what follows is of chunks that are done again.
    """

    def __init__(self, path: Path, size: int) -> None:
        self.path = path
        self.size = size
        self._file: BinaryIO | None = None
        if size and path.exists():
            with path.open("r+b") as file:
                file.truncate(size)

    def write(self, rejects: list[Reject]) -> None:
        """Append rejects."""
        if not rejects:
            return
        if self._file is None:
            self._file = self.path.open("ab" if self.size else "wb")
        with naming(self.path):
            for each in rejects:
                self.size += self._file.write(each.as_line())
            self._file.flush()

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            with naming(self.path):
                self._file.close()
