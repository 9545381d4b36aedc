"""Output of a dump: standard output, or a file that appears once it is complete.

Until then the rows are in `FILE.partial`, and `FILE.journal` has the last key and the bytes that belong together. The
next run of the same dump cuts the partial file to these bytes, and continues after that key.

A kill leaves one of these states: an empty partial file; a partial file with its journal; the complete file with the
journal of a partial file that is gone. In the first and the last one the next run begins anew.
"""

from __future__ import annotations

import contextlib
import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import click

from blocks_cli import console
from blocks_cli.bulk import compression
from blocks_cli.bulk.continued_file import ContinuedFile, Differs, FileState, Taken
from blocks_cli.errors import CommandError
from blocks_cli.written_files import replace_file

if TYPE_CHECKING:
    from pathlib import Path

    from blocks_cli.bulk.pages import Key
    from blocks_cli.json_value import Json

_BEGIN = '{"dump": '
"""Begin of each journal of a dump."""


@dataclass(frozen=True, slots=True)
class _Recorded:
    """Content of a journal; `file` is None if the journal is damaged."""

    dump: dict[str, Json]
    rows: int
    after: Key
    file: FileState | None


class DumpFile:
    """The rows of a dump.

    Args:
        path: the file; None for standard output.
        identity: what the dump is: target, table, columns, format.
        is_continued: a later run can continue it.
    """

    def __init__(self, path: Path | None, identity: dict[str, Json], *, is_continued: bool = True) -> None:
        self.path = path
        self.rows = 0
        self.after: Key | None = None
        self._identity = identity
        self._is_continued = is_continued
        self._is_compressed = path is not None and compression.is_compressed(path.name)
        self._recorded = False
        if path is not None:
            self.partial = path.with_name(f"{path.name}.partial")
            self._journal = path.with_name(f"{path.name}.journal")
            self._file = ContinuedFile(self.partial)

    def open(self, *, restart: bool) -> None:
        """Open the file, at the end of what an earlier run has written.

        Raises:
            CommandError: another process writes it, an earlier run has dumped something else, or the partial file or
                the journal is of another program.
        """
        if self.path is None:
            return
        if self.path.exists() and not self.path.is_file():
            raise CommandError(
                f"{_shown(self.path)}: is not a regular file",
                "the complete dump takes the place of the file",
                "name a file, or omit --output for standard output",
            )
        found = self._read()
        if restart:
            self._begin_anew(found)
        elif found is None or not _has_bytes(self.partial):
            self._begin()
        elif found.file is None:
            raise CommandError(
                f"{_shown(self._journal)}: damaged",
                f"it does not say which bytes of {_shown(self.partial)} are whole rows",
                "pass --restart to begin anew",
            )
        elif found.file.size:
            self._continue(found, found.file)
        else:
            self._begin_anew(found)

    def write(self, text: str) -> None:
        """Write text that belongs to no row, such as a header."""
        if self.path is None:
            click.echo(text, nl=False)
        else:
            content = text.encode()
            self._file.write(compression.compressed(content) if self._is_compressed else content)

    def add(self, texts: str, rows: int, after: Key) -> None:
        """Write rows, and record that they are there."""
        self.write(texts)
        self.rows += rows
        self.after = after
        if self.path is not None and self._is_continued:
            self._record()

    def finish(self) -> None:
        """Move the complete file to its place."""
        if self.path is not None:
            self._file.sync()
            self.partial.replace(self.path)
            self._journal.unlink(missing_ok=True)
            self._file.close()

    def close(self) -> None:
        """Close the file; if no later run can continue it, remove it."""
        if self.path is None or not self._file.is_open:
            return
        if not self._recorded:
            self.partial.unlink(missing_ok=True)
            self._journal.unlink(missing_ok=True)
        self._file.close()

    def _begin(self) -> None:
        try:
            self._file.begin()
        except Taken:
            raise CommandError(
                f"{_shown(self.partial)}: is there already",
                "there is no journal beside it, so no dump has written it",
                "pass another --output, or --restart, which keeps the file under another name",
            ) from None
        self._record()

    def _begin_anew(self, found: _Recorded | None) -> None:
        """Begin anew; only a file that a dump has written, by its journal, is emptied."""
        try:
            self._file.restart(None if found is None else found.file)
        except Taken:
            kept = _free(self.partial)
            self.partial.rename(kept)
            console.print_message(f"kept     {_shown(self.partial)} is now {_shown(kept)}", "yellow")
            self._file.restart(None)
        self._record()

    def _continue(self, found: _Recorded, state: FileState) -> None:
        for name, value in self._identity.items():
            if found.dump.get(name) != value:
                raise CommandError(
                    f"{_shown(self._journal)}: of another dump",
                    f"{name} was {json.dumps(found.dump.get(name))}, and is {json.dumps(value)}",
                    "pass --restart to begin anew",
                )
        try:
            self._file.resume(state)
        except Differs as error:
            raise CommandError(
                f"{_shown(self.partial)}: is not as the interrupted run has left it",
                str(error),
                "pass --restart to begin anew",
            ) from None
        self.rows, self.after = found.rows, found.after
        self._recorded = True

    def _record(self) -> None:
        state = self._file.state
        self._recorded = self._is_continued and state.size > 0
        after = [*(self.after or ())]
        line = {"dump": self._identity, "rows": self.rows, "after": after, "file": asdict(state)}
        replace_file(self._journal, json.dumps(line))

    def _read(self) -> _Recorded | None:
        """Return what the journal says; None if there is none.

        Raises:
            CommandError: the file is not the journal of a dump.
        """
        try:
            content = self._journal.read_bytes()
        except FileNotFoundError:
            return None
        with contextlib.suppress(ValueError, KeyError, TypeError):
            found = json.loads(content)
            return _Recorded(
                dict(found["dump"]), int(found["rows"]), tuple(found["after"]), FileState(**found["file"])
            )
        # A crash of the system may leave it empty or cut.
        if content.strip() not in (b"", b"{}") and not content.startswith(_BEGIN.encode()):
            raise CommandError(
                f"{_shown(self._journal)}: not the journal of a dump",
                "another program has written it, and a dump would overwrite it",
                "pass another --output",
            )
        return _Recorded({}, 0, (), None)


def _has_bytes(path: Path) -> bool:
    with contextlib.suppress(FileNotFoundError):
        return path.stat().st_size > 0
    return False


def _free(path: Path) -> Path:
    """Return a name beside `path` that no file has."""
    number = 1
    while (free := path.with_name(f"{path.name}.{number}")).exists():
        number += 1
    return free


def _shown(path: Path) -> str:
    return console.display_path(path.resolve())
