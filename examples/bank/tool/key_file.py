"""The file of account keys: written once, before any worker starts, and read at any place.

A CSV file for `blocks load`, whose lines all have the same length. One process writes it, under another name until it
is complete. Workers only read it: the transactions that they commit are in the journal of the load. So no two writers
can mix their lines, however many workers there are, and after a kill the file has the same keys as before.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import TYPE_CHECKING, overload

from examples.bank.tool.errors import ToolError

if TYPE_CHECKING:
    from pathlib import Path

HEADER = b"id,balance\n"
BALANCE = b"10000"
KEY = 36
"""Characters of a UUID."""
LINE = KEY + 1 + len(BALANCE) + 1


def write(path: Path, number: int) -> None:
    """Write a file with new keys."""
    partial = path.with_name(f"{path.name}.partial")
    with partial.open("wb") as file:
        file.write(HEADER)
        for _ in range(number):
            file.write(b"%s,%s\n" % (str(uuid.uuid4()).encode(), BALANCE))
    partial.replace(path)


class Keys(Sequence[str]):
    """The keys of a file, read one by one.

    Raises:
        ToolError: it is no complete file of keys.
    """

    def __init__(self, path: Path) -> None:
        try:
            content = path.read_bytes()
        except OSError as error:
            raise ToolError(f"{path}: {error.strerror}; `bank load` writes it") from None
        self._lines = content.removeprefix(HEADER)
        if not content.startswith(HEADER) or len(self._lines) % LINE:
            raise ToolError(f"{path} is no complete file of keys; delete it, and run `bank load` again")
        self._length = len(self._lines) // LINE

    def __len__(self) -> int:
        return self._length

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        if isinstance(index, slice):
            return [self[each] for each in range(*index.indices(self._length))]
        if not 0 <= index < self._length:
            raise IndexError(index)
        start = index * LINE
        return self._lines[start : start + KEY].decode()
