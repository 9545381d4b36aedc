"""The folder that keeps verified wheels and finished bundles between runs."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

VARIABLE = "BLOCKS_CACHE_DIR"


def folder() -> Path:
    """Return the cache folder: `BLOCKS_CACHE_DIR`, else `blocks-dsql` below XDG_CACHE_HOME or `~/.cache`."""
    if chosen := os.environ.get(VARIABLE):
        return Path(chosen).expanduser().resolve()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "blocks-dsql"


def sha256(path: Path) -> str:
    """Return the sha256 of a file's contents, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
