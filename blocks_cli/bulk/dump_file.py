"""Output of a dump: standard output, or a file that appears once it is complete.

Until then the rows are in `FILE.partial`, and `FILE.journal` has the last key and the size that belong together. The
next run of the same dump cuts the partial file to that size, and continues after that key.
"""

from __future__ import annotations

import fcntl
import json
import os
from typing import TYPE_CHECKING, BinaryIO

import click

from blocks_cli import console
from blocks_cli.bulk import compression
from blocks_cli.errors import CommandError
from blocks_cli.written_files import naming, replace_file

if TYPE_CHECKING:
    from pathlib import Path

    from blocks_cli.bulk.pages import Key
    from blocks_cli.json_value import Json


class DumpFile:
    """The rows of a dump.

    Args:
        path: the file; None for standard output.
        identity: what the dump is: target, table, columns, format.
    """

    def __init__(self, path: Path | None, identity: dict[str, Json]) -> None:
        self.path = path
        self.rows = 0
        self.after: Key | None = None
        self._identity = identity
        self._file: BinaryIO | None = None
        self._is_compressed = path is not None and compression.is_compressed(path.name)
        if path is not None:
            self.partial = path.with_name(f"{path.name}.partial")
            self._journal = path.with_name(f"{path.name}.journal")

    def open(self, *, restart: bool) -> None:
        """Open the file, at the end of what an earlier run has written.

        Raises:
            CommandError: another process writes it, or an earlier run has dumped something else.
        """
        if self.path is None:
            return
        if self.path.exists() and not self.path.is_file():
            raise CommandError(
                f"{console.display_path(self.path.resolve())}: is not a regular file",
                "the complete dump takes the place of the file",
                "name a file, or omit --output for standard output",
            )
        self._file = file = self.partial.open("ab")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            shown = console.display_path(self.partial.resolve())
            raise CommandError(f"{shown}: in use", "another process writes it", "wait for its end") from None
        size = 0 if restart else self._read()
        file.truncate(size)

    def _read(self) -> int:
        if not self._journal.exists():
            return 0
        found = json.loads(self._journal.read_text("utf-8"))
        for name, value in self._identity.items():
            if found["dump"].get(name) != value:
                raise CommandError(
                    f"{console.display_path(self._journal.resolve())}: of another dump",
                    f"{name} was {json.dumps(found['dump'].get(name))}, and is {json.dumps(value)}",
                    "pass --restart to begin anew",
                )
        self.rows, self.after = found["rows"], tuple(found["after"])
        return int(found["bytes"])

    def write(self, text: str) -> None:
        """Write text that belongs to no row, such as a header."""
        if self._file is None:
            click.echo(text, nl=False)
        else:
            content = text.encode()
            with naming(self.partial):
                self._file.write(compression.compressed(content) if self._is_compressed else content)

    def add(self, texts: str, rows: int, after: Key) -> None:
        """Write rows, and record that they are there."""
        self.write(texts)
        self.rows += rows
        self.after = after
        if self._file is not None and after:
            with naming(self.partial):
                self._file.flush()
            state = {"dump": self._identity, "rows": self.rows, "after": [*after], "bytes": self._file.tell()}
            replace_file(self._journal, json.dumps(state))

    def finish(self) -> None:
        """Move the complete file to its place."""
        if self._file is not None and self.path is not None:
            with naming(self.partial):
                self._file.flush()
                os.fsync(self._file.fileno())
            self.partial.replace(self.path)
            self._journal.unlink(missing_ok=True)

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            with naming(self.partial):
                self._file.close()
