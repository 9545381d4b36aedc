"""Cache folder of verified wheels and built bundles."""

from __future__ import annotations

import contextlib
import hashlib
from typing import TYPE_CHECKING

from blocks.bundling.errors import BundlingError
from blocks_settings.cache_folder import VARIABLE, cache_folder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextlib.contextmanager
def in_use() -> Iterator[None]:
    """Return a context in which an OSError becomes a BundlingError that names the cache folder.

    Raises:
        BundlingError: the folder cannot be created, read or written, or the disk is full.
    """
    try:
        yield
    except OSError as error:
        raise BundlingError(
            f"the cache folder {cache_folder()} cannot be used",
            str(error),
            f"set {VARIABLE} to a folder that can be written, with room for some 100 MB",
        ) from error


def sha256(path: Path) -> str:
    """Return the sha256 of a file's contents, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
