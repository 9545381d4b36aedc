"""A marker request that locates the end of a long response without a look at its rows.

The probe prepares an empty statement whose parameters have random numbers for types, and asks to have these types
described. PostgreSQL accepts any numbers, in a failed transaction too, and the statement is closed again. The answer
to the probe follows the current response and holds the random numbers, so only the last bytes received need be
compared.

A cancellation could hit the probe instead of the statement, and the marker would be lost. No client can cancel:
DSQL has no statement_timeout, ignores CancelRequest, and grants pg_cancel_backend to no role.
"""

from __future__ import annotations

import os
import struct

from local_dsql.wire import messages
from local_dsql.wire.message_types import BackendMessage, ObjectKind

LONG = 16 * 1024
"""Bytes of a response that are followed frame by frame; a probe costs as much as some hundred rows."""

ERROR = b"SERROR\0VERROR\0C"
"""The beginning of the body of an ErrorResponse. Text values cannot contain NUL, so no row contains it."""

_RANDOM = 16
"""Bytes, four parameters."""

_READY = messages.READY[messages.IDLE][:-1]


class Probe:
    """A probe sent while a response arrives; the remaining bytes are then passed to `feed`."""

    __slots__ = ("_held", "_mark", "request", "status")

    def __init__(self) -> None:
        random = os.urandom(_RANDOM)
        types = struct.pack("!H", _RANDOM // 4) + random
        name = f"local_dsql_{random.hex()}".encode()
        self.request = (
            messages.parse(b"", name, random)
            + messages.describe(ObjectKind.STATEMENT, name)
            + messages.close(ObjectKind.STATEMENT, name)
            + messages.SYNC
        )
        """The bytes to send."""
        self.status = b""
        """The transaction status, once the end is found."""
        described = messages.frame(BackendMessage.PARAMETER_DESCRIPTION, types) + messages.NO_DATA
        self._mark = messages.PARSE_COMPLETE + described + messages.CLOSE_COMPLETE + _READY
        self._held = b""

    def feed(self, data: bytes) -> bytes:
        """Read on; return the bytes that cannot belong to the answer to the probe: at the end, all before it."""
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
