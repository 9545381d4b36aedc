"""Atomic writes of small files: a reader sees the old content or the new."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def write_private(file: Path, text: str) -> None:
    """Replace the content of a file that only its owner may read."""
    write_atomically(file, text.encode(), mode=0o600)


def write_atomically(file: Path, content: bytes, *, mode: int) -> None:
    """Replace the content of a file atomically; the new file has the permission bits `mode` from its creation on.

    Raises:
        OSError: the folder is not writable or the disk is full; the old content is kept.
    """
    temporary = file.with_name(f".{file.name}.{os.getpid()}")
    temporary.unlink(missing_ok=True)
    try:
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as stream:
            stream.write(content)
        temporary.replace(file)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
