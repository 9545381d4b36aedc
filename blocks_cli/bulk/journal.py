"""Journal of a load: the ranges of records that are committed, one JSON line each.

A load that was killed leaves it behind; the next run of the same command continues from it. A line that was being
written at that moment is incomplete, and ignored.
"""

from __future__ import annotations

import contextlib
import json
import os
import uuid
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from blocks_cli import console
from blocks_cli.bulk.continued_file import FileState, open_locked, write_all
from blocks_cli.bulk.ranges import Ranges
from blocks_cli.errors import CommandError
from blocks_cli.written_files import naming

if TYPE_CHECKING:
    from io import FileIO
    from pathlib import Path
    from typing import Any

    from blocks_cli.json_value import Json

_BEGIN = b'{"load": '
"""Begin of each journal of a load."""


@dataclass(frozen=True, slots=True)
class RejectState:
    """The reject file of a load, and its bytes."""

    path: str
    file: FileState


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
    rejects: RejectState | None
    """The reject file afterwards."""


class Journal:
    """The journal of one load, locked by its process.

    Args:
        path: file of the journal; None for a load that is not resumable.
        identity: target, table, columns and files, which make the load. A journal of another one is refused.

    Attributes:
        rejects: the reject file, if there is one.
        head: target, table, columns and files of the load that earlier runs have begun; None if there is none.
        is_resumed: an earlier run has begun this load.
    """

    def __init__(self, path: Path | None, identity: dict[str, Json]) -> None:
        self.path = path
        self.load = str(uuid.uuid4())
        self.entries: list[Entry] = []
        self.is_resumed = False
        self.rejects: RejectState | None = None
        self.head: dict[str, Json] | None = None
        self._identity = identity
        self._whole = 0
        self._fault: str | None = None
        self._file: FileIO | None = None

    def open(self) -> None:
        """Lock the journal, and read what earlier runs have done.

        Raises:
            CommandError: another process runs this load, or the file is not the journal of a load.
        """
        if self.path is None:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._file = file = open_locked(self.path, os.O_CREAT, "another process runs the same load")
        file.seek(0)
        content = file.readall()
        whole, newline, _ = content.rpartition(b"\n")
        self._whole = len(whole) + len(newline)
        if not newline:
            if not _BEGIN.startswith(content[: len(_BEGIN)]):
                raise self._foreign(self.path)
            return
        first, *rest = whole.splitlines()
        with contextlib.suppress(ValueError):
            found = json.loads(first)
            if isinstance(found, dict) and isinstance(found.get("load"), str):
                self.head, self.load = found, found["load"]
        if self.head is None:
            raise self._foreign(self.path)
        self._read_entries(rest)

    def _read_entries(self, lines: list[bytes]) -> None:
        for number, line in enumerate(lines, 2):
            try:
                found = json.loads(line)
                self.rejects = _rejects(found["rejects"])
                if len(found) > 1:
                    self.entries.append(Entry(**{**found, "rejects": self.rejects}))
            except (ValueError, KeyError, TypeError) as error:
                self._fault = f"line {number}: {error}"
                return

    def _foreign(self, path: Path) -> CommandError:
        return CommandError(
            f"{console.display_path(path.resolve())}: not the journal of a load",
            "another program has written it, and a load would overwrite it",
            "pass another --journal, or remove the file",
        )

    def begin(self) -> None:
        """Begin a load, and forget what earlier runs have done."""
        self.load, self.entries, self.rejects, self.is_resumed = str(uuid.uuid4()), [], None, False
        if self._file is not None:
            self._file.truncate(0)
            self._write({"load": self.load, **self._identity})

    def resume(self) -> None:
        """Continue the load of earlier runs, or begin it."""
        if self.head is None or self._file is None:
            self.begin()
            return
        self._file.truncate(self._whole)
        self.is_resumed = True

    @property
    def difference(self) -> tuple[str, str] | None:
        """Fault and reason why this load is not that of earlier runs; None if it is, or if there were none."""
        if self.path is None or self.head is None:
            return None
        shown = console.display_path(self.path)
        for name, value in self._identity.items():
            if self.head.get(name) != value:
                was = json.dumps(self.head.get(name))
                return f"{shown}: of another load", f"{name} was {was}, and is {json.dumps(value)}"
        return None if self._fault is None else (f"{shown}: damaged", self._fault)

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

    def begin_rejects(self, state: RejectState) -> None:
        """Record that the reject file was created, before the first reject is written."""
        self.rejects = state
        self._write({"rejects": asdict(state)})

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
                write_all(self._file, json.dumps(line).encode() + b"\n")


def _rejects(found: dict[str, Any] | None) -> RejectState | None:
    """Return the reject file that a line names.

    Raises:
        KeyError, TypeError: it names none.
    """
    return None if found is None else RejectState(found["path"], FileState(**found["file"]))
