"""The folder of files that can be made again: downloaded wheels, built bundles, an empty data directory."""

from __future__ import annotations

import os
from pathlib import Path

VARIABLE = "BLOCKS_CACHE_DIR"


def cache_folder() -> Path:
    """Return the cache folder: `BLOCKS_CACHE_DIR`, else `blocks-dsql` below XDG_CACHE_HOME or `~/.cache`.

    Raises:
        RuntimeError: there is no home directory.
    """
    if chosen := os.environ.get(VARIABLE):
        return Path(chosen).expanduser().resolve()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "blocks-dsql"
