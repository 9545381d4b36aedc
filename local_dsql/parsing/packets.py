"""Packets between the proxy and the processes that parse for it."""

from __future__ import annotations

import io
import pickle
import struct
from typing import TYPE_CHECKING, Any

from dsql_dialect.rule import Rule
from dsql_dialect.rules import RULES

if TYPE_CHECKING:
    from asyncio.subprocess import Process

LENGTH = struct.Struct("!Q")


class _Pickler(pickle.Pickler):
    def reducer_override(self, obj: object) -> Any:
        """Name a rule by its id: it has functions, and is the same object in all of a process."""
        return (rule_named, (obj.id,)) if isinstance(obj, Rule) else NotImplemented


def rule_named(name: str) -> Rule:
    """Return the rule of an id."""
    return RULES[name]


def packet(content: object) -> bytes:
    """Return an object pickled, behind its length."""
    buffer = io.BytesIO()
    _Pickler(buffer, pickle.HIGHEST_PROTOCOL).dump(content)
    data = buffer.getvalue()
    return LENGTH.pack(len(data)) + data


async def exchange(process: Process, content: object) -> Any:
    """Send an object to a process, and return the object with which it answers."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(packet(content))
    await process.stdin.drain()
    (length,) = LENGTH.unpack(await process.stdout.readexactly(LENGTH.size))
    return pickle.loads(await process.stdout.readexactly(length))  # noqa: S301 - of a process of our own
