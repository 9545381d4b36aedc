"""Cache folder of verified wheels and built bundles."""

from __future__ import annotations

import contextlib
import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from blocks.bundling.errors import BundlingError

if TYPE_CHECKING:
    from collections.abc import Iterator

VARIABLE = "BLOCKS_CACHE_DIR"


def folder() -> Path:
    """Return the cache folder: `BLOCKS_CACHE_DIR`, else `blocks-dsql` below XDG_CACHE_HOME or `~/.cache`."""
    if chosen := os.environ.get(VARIABLE):
        return Path(chosen).expanduser().resolve()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "blocks-dsql"


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
            f"the cache folder {folder()} cannot be used",
            str(error),
            f"set {VARIABLE} to a folder that can be written, with room for some 100 MB",
        ) from error


def sha256(path: Path) -> str:
    """Return the sha256 of a file's contents, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
