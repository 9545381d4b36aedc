"""The reject file: records that are no rows, each with its place and the reason.

Each load has one of its own: the default is the first name that no file has, and a named file must not be there.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from blocks_cli import console
from blocks_cli.bulk.continued_file import ContinuedFile, Differs, Taken
from blocks_cli.bulk.journal import RejectState
from blocks_cli.errors import CommandError

if TYPE_CHECKING:
    from blocks_cli.bulk.journal import Journal
    from blocks_cli.bulk.records import Record

_SUFFIX = ".rejects.jsonl"


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
        table: name of the table, for the default.
        given: the file; None for the default.
        journal: says what earlier runs of the same load have written.
    """

    def __init__(self, table: str, given: Path | None, journal: Journal) -> None:
        self._table = table
        self._given = given
        self._journal = journal
        self._file: ContinuedFile | None = None
        self.path = given or Path(f"{table}{_SUFFIX}")

    @property
    def state(self) -> RejectState | None:
        """The file and its bytes; None before the first reject."""
        if self._file is None:
            return None
        return RejectState(str(self._file.path.resolve()), self._file.state)

    def open(self) -> None:
        """Open the file of earlier runs, or check that a named file is not there.

        Raises:
            CommandError: it has not the rejects of earlier runs, or it is another file.
        """
        if self._journal.rejects is not None:
            self._continue(self._journal.rejects)
        elif self._given is not None and self._given.is_file() and self._given.stat().st_size:
            raise self._is_there()

    def write(self, rejects: list[Reject]) -> None:
        """Append rejects.

        Raises:
            CommandError: another process has created the file.
        """
        if not rejects:
            return
        if self._file is None:
            self._file = self._created()
            self.path = self._file.path
            self._journal.begin_rejects(RejectState(str(self.path.resolve()), self._file.state))
        self._file.write(b"".join(each.as_line() for each in rejects))

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()

    def _continue(self, former: RejectState) -> None:
        path = Path(former.path)
        shown = console.display_path(path)
        if self._given is not None and self._given.resolve() != path:
            raise CommandError(
                f"--rejects {self._given}: another file than that of the interrupted run",
                f"the rejects so far are in {shown}",
                "omit --rejects to continue",
            )
        self.path = Path(shown)
        file = ContinuedFile(self.path)
        try:
            file.resume(former.file)
        except Differs as error:
            raise CommandError(
                f"{shown}: is not as the interrupted run has left it",
                f"it has the rejects so far; {error}",
                "put the file back to continue, or pass --restart to begin anew",
            ) from None
        self._file = file

    def _created(self) -> ContinuedFile:
        """Return a new file."""
        if self._given is not None:
            file = ContinuedFile(self._given)
            try:
                file.begin()
            except Taken:
                raise self._is_there() from None
            return file
        number = 1
        while True:
            file = ContinuedFile(Path(f"{self._table}{'' if number == 1 else f'.{number}'}{_SUFFIX}"))
            try:
                file.begin()
            except (Taken, CommandError):  # of another load, which may be running
                number += 1
            else:
                return file

    def _is_there(self) -> CommandError:
        return CommandError(
            f"--rejects {self._given}: is there already",
            "its bytes are not of this load, and would be overwritten",
            "pass another name, or omit --rejects",
        )
