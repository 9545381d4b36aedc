"""Directory entries that are no regular files."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_NOT = "not a regular file"
KINDS = {
    "pipe": f"it is a pipe, {_NOT}",
    "socket": f"it is a socket, {_NOT}",
    "device": f"it is a device, {_NOT}",
    "folder": f"it is a folder, {_NOT}",
    "dangling link": "No such file or directory",
    "circle of links": "Too many levels of symbolic links",
}
"""Kinds, with the reason for which one is not read."""


def make(path: Path, kind: str) -> Path:
    """Create an entry of a kind: a pipe that is never written, a device that never ends."""
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "socket":
        here = os.open(path.parent, os.O_RDONLY)  # a socket's path may have 107 bytes
        with socket.socket(socket.AF_UNIX) as bound:
            bound.bind(f"/proc/self/fd/{here}/{path.name}")
        os.close(here)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "folder":
        path.mkdir()
    elif kind == "dangling link":
        path.symlink_to("nowhere")
    else:
        path.symlink_to(path.name)
    return path
