"""Files that are compressed with gzip: their names, reading, and writing in members that each end at a known size."""

from __future__ import annotations

import gzip
import zlib
from pathlib import PurePath
from typing import TYPE_CHECKING

from blocks_cli.errors import CommandError

if TYPE_CHECKING:
    from pathlib import Path

SUFFIX = ".gz"
_PIECE = 1 << 20


def is_compressed(name: str) -> bool:
    """Return whether a file is compressed, by its suffix."""
    return PurePath(name).suffix.lower() == SUFFIX


def plain_name(name: str) -> str:
    """Return the name without the suffix of the compression."""
    return name[: -len(SUFFIX)] if is_compressed(name) else name


def compressed(content: bytes) -> bytes:
    """Return content as one member. A file of several members is read as one content."""
    return gzip.compress(content, compresslevel=6, mtime=0)


def check(path: Path) -> None:
    """Read a compressed file to its end.

    Raises:
        CommandError: it is damaged.
    """
    with Decompressed(path) as file:
        while file.read(_PIECE):
            pass


class Decompressed(gzip.GzipFile):
    """The content of a compressed file. Positions are those of the content.

    Reading raises CommandError if the file is damaged.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        super().__init__(path, "rb")

    def read(self, size: int | None = -1) -> bytes:
        try:
            return super().read(size)
        except (OSError, EOFError, zlib.error) as error:
            raise self._damaged(error) from None

    def readline(self, size: int | None = -1) -> bytes:
        try:
            return super().readline(size)
        except (OSError, EOFError, zlib.error) as error:
            raise self._damaged(error) from None

    def _damaged(self, error: Exception) -> CommandError:
        return CommandError(
            f"{self._path}: cannot be decompressed",
            str(error),
            f"check it with `gzip --test {self._path}`, and copy it again",
        )
