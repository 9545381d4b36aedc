"""Writing small files so that a reader sees the old text or the new, never half of it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def write_private(file: Path, text: str) -> None:
    """Replace the file's content; only its owner may read it."""
    write_atomically(file, text.encode(), mode=0o600)


def write_atomically(file: Path, content: bytes, *, mode: int) -> None:
    """Replace the file's content at once, with the given permission bits from the first moment on.

    Raises:
        OSError: the folder is not writable or the disk is full; the old content is still there.
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
