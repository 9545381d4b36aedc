"""Journal of a load: the ranges of records that are committed, one JSON line each.

A load that was killed leaves it behind; the next run of the same command continues from it. A line that was being
written at that moment is incomplete, and ignored.
"""

from __future__ import annotations

import fcntl
import json
import uuid
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, BinaryIO

from blocks_cli import console
from blocks_cli.bulk.ranges import Ranges
from blocks_cli.errors import CommandError
from blocks_cli.written_files import naming

if TYPE_CHECKING:
    from pathlib import Path

    from blocks_cli.json_value import Json


@dataclass(frozen=True, slots=True)
class Entry:
    """Records `first` to `last` of a file, from `begin` to `end` and before the line `line`, are done."""

    file: int
    first: int
    last: int
    line: int
    begin: int
    end: int
    inserted: int
    existing: int
    rejected: int
    rejects: int
    """Size of the reject file afterwards."""


class Journal:
    """The journal of one load, locked by its process.

    Args:
        path: file of the journal; None for a load that is not resumable.
        identity: target, table, columns and files, which make the load. A journal of another one is refused.

    Attributes:
        is_resumed: an earlier run has begun this load.
    """

    def __init__(self, path: Path | None, identity: dict[str, Json]) -> None:
        self.path = path
        self.load = str(uuid.uuid4())
        self.entries: list[Entry] = []
        self.is_resumed = False
        self._identity = identity
        self._file: BinaryIO | None = None

    def open(self, *, restart: bool) -> None:
        """Read what earlier runs have done; with `restart` forget it.

        Raises:
            CommandError: another process runs this load, or the journal is of another load.
        """
        if self.path is None:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self.path.open("a+b")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CommandError(
                f"{console.display_path(self.path)}: in use",
                "another process runs the same load",
                "wait for its end",
            ) from None
        if restart:
            self._file.truncate(0)
        self._read()

    def _read(self) -> None:
        assert self._file is not None
        self._file.seek(0)
        content = self._file.read()
        whole, newline, _ = content.rpartition(b"\n")
        self._file.truncate(len(whole) + len(newline))
        lines = whole.splitlines() if newline else []
        if not lines:
            self._write({"load": self.load, **self._identity})
            return
        head, *rest = map(json.loads, lines)
        self._check(head)
        self.load, self.is_resumed = head["load"], True
        self.entries = [Entry(**each) for each in rest]

    def _check(self, head: dict[str, Json]) -> None:
        assert self.path is not None
        for name, value in self._identity.items():
            if head.get(name) != value:
                raise CommandError(
                    f"{console.display_path(self.path)}: of another load",
                    f"{name} was {json.dumps(head.get(name))}, and is {json.dumps(value)}",
                    "pass --restart to begin anew; rows that are loaded stay in the table",
                )

    def done(self, file: int) -> Ranges:
        """Return the records of a file that are done."""
        return Ranges((each.first, each.last) for each in self.entries if each.file == file)

    def last(self, file: int, number: int) -> Entry | None:
        """Return the entry that ends with a record."""
        return next((each for each in self.entries if (each.file, each.last) == (file, number)), None)

    def add(self, entry: Entry) -> None:
        """Record that a range of records is done."""
        self.entries.append(entry)
        self._write(dict(asdict(entry)))

    def finish(self) -> None:
        """Remove the journal of a load that is complete."""
        if self.path is not None:
            self.path.unlink(missing_ok=True)

    def close(self) -> None:
        """Close the file, and with it release the lock."""
        if self._file is not None:
            self._file.close()

    def _write(self, line: dict[str, Json]) -> None:
        if self._file is not None and self.path is not None:
            with naming(self.path):
                self._file.write(json.dumps(line).encode() + b"\n")
                self._file.flush()
