"""Memory of a sandbox, as far as the system tells."""

from __future__ import annotations

import resource
from pathlib import Path

_PAGE = resource.getpagesize()


def children_bytes(pid: int) -> int:
    """Return the bytes of memory that the children of a process occupy, as `resident_bytes` of each."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()
    except OSError:
        return 0
    return sum(map(resident_bytes, map(int, children)))


def resident_bytes(pid: int) -> int:
    """Return the bytes of memory that a process and its children occupy, without pages of files; 0 if it has ended.

    Linux only (proc(5), `statm` and `children`).
    """
    try:
        resident, shared = Path(f"/proc/{pid}/statm").read_text("ascii").split()[1:3]
    except OSError:
        return 0
    return (int(resident) - int(shared)) * _PAGE + children_bytes(pid)
