"""A request of our own that marks where an answer ends, however many rows it has, without a look at any of them.

It prepares an empty statement whose parameters have random numbers for types, and asks to have these types described.
PostgreSQL takes them as they are, in a failed transaction too, and nothing is left of it. What it answers comes after
what it is saying now, and holds the random numbers: only the last bytes of what arrives need to be looked at.

A cancellation may strike the probe instead of the statement, and then there is no mark. Nobody can cancel here: DSQL
has no statement_timeout, does nothing on CancelRequest, and gives pg_cancel_backend to no client.
"""

from __future__ import annotations

import os
import struct

from local_dsql.wire import messages

LONG = 16 * 1024
"""Bytes of an answer that are followed frame by frame; a probe costs as much as some hundred rows."""

ERROR = b"SERROR\0VERROR\0C"
"""How the body of an ErrorResponse begins. No text holds it."""

_RANDOM = 16
"""Bytes, four parameters."""

_READY = messages.READY[messages.IDLE][:-1]


class Probe:
    """Sent to PostgreSQL in the midst of an answer, whose remaining bytes are then fed to it."""

    __slots__ = ("_held", "_mark", "request", "status")

    def __init__(self) -> None:
        random = os.urandom(_RANDOM)
        types = struct.pack("!H", _RANDOM // 4) + random
        name = messages.cstring(f"local_dsql_{random.hex()}")
        self.request = (
            messages.frame(b"P", name + b"\0" + types)
            + messages.frame(b"D", b"S" + name)
            + messages.frame(b"C", b"S" + name)
            + messages.SYNC
        )
        """What is to be sent."""
        self.status = b""
        """The transaction status, once the end is found."""
        described = messages.frame(b"t", types) + messages.NO_DATA
        self._mark = messages.PARSE_COMPLETE + described + messages.CLOSE_COMPLETE + _READY
        self._held = b""

    def feed(self, data: bytes) -> bytes:
        """Read on; return what is surely not of the answer to the probe: at the end, all that came before it."""
        data = self._held + data
        mark = self._mark
        if data.endswith(mark, 0, len(data) - 1):
            self.status = data[-1:]
            self._held = b""
            return data[: -len(mark) - 1]
        at = data.find(mark[:1], max(0, len(data) - len(mark)))
        while at >= 0 and not mark.startswith(data[at:]):
            at = data.find(mark[:1], at + 1)
        at = len(data) if at < 0 else at
        self._held = data[at:]
        return data[:at]
