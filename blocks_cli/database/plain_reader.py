"""Reading a few rows with the standard library alone.

The driver takes longer to load than everything else that `blocks status` does. A local database answers two
queries without parameters just as well over a socket: verified TLS, the token as password, the protocol's
simple query, values as text.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
from datetime import datetime
from typing import TYPE_CHECKING

from blocks_runtime.classification import classify
from blocks_runtime.contract import DATABASE
from blocks_runtime.errors import ConnectionFailed, DatabaseError
from local_dsql.wire import messages
from local_dsql.wire.frames import BODY, FrameReader
from local_dsql.wire.message_types import BackendMessage, FrontendMessage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from blocks_runtime import Sql
    from blocks_runtime.rows import Row
    from blocks_runtime.target import Target
    from local_dsql.wire.frames import Frame

_TIMEOUT = 10.0
_ALPN = (
    "postgresql"  # with it TLS begins at once, without asking first (PostgreSQL 17, "SSL session encryption")
)

_AS_TEXT: Callable[[str], object] = str
_BY_TYPE: dict[int, Callable[[str], object]] = {
    16: lambda text: text == "t",  # boolean
    20: int,
    21: int,
    23: int,
    1184: datetime.fromisoformat,  # timestamptz
}
"""How a type's text is read, by OID; all others stay text."""


class PlainReader:
    """A connection that reads."""

    def __init__(self, wire: ssl.SSLSocket) -> None:
        self._wire = wire
        self._frames = FrameReader()

    @classmethod
    def connect(cls, target: Target, token: str) -> PlainReader | None:
        """Log in; None where that fails for whatever reason, which the driver's way tells better."""
        try:
            context = ssl.create_default_context(cafile=target.ca)
            context.set_alpn_protocols([_ALPN])
            plain = socket.create_connection((target.host, target.port), _TIMEOUT)
            with plain:  # detached once TLS stands
                reader = cls(context.wrap_socket(plain, server_hostname=target.host))
        except OSError:
            return None
        if reader._login(target.role, token):
            return reader
        reader.close()
        return None

    def read(self, statement: Sql) -> list[Row]:
        """Return the rows of a query without parameters.

        Raises:
            DatabaseError: it was refused.
            ConnectionFailed: the connection was lost.
        """
        assert not statement.values, "values are bound by the driver"
        columns: list[tuple[str, Callable[[str], object]]] = []
        rows: list[Row] = []
        for kind, raw in self._ask(messages.query(statement.text)):
            if kind == BackendMessage.ROW_DESCRIPTION:
                columns = [(name, _BY_TYPE.get(oid, _AS_TEXT)) for name, oid in _columns(raw)]
            elif kind == BackendMessage.DATA_ROW:
                values = messages.read_row(raw)
                rows.append(
                    {
                        name: None if value is None else convert(value)
                        for (name, convert), value in zip(columns, values, strict=True)
                    }
                )
        return rows

    def close(self) -> None:
        """Say goodbye, if there is still somebody to say it to."""
        with self._wire, contextlib.suppress(OSError):
            self._wire.sendall(messages.frame(FrontendMessage.TERMINATE))

    def _login(self, role: str, token: str) -> bool:
        """Return whether the server let us in."""
        try:
            for kind, raw in self._ask(
                messages.startup({"user": role, "database": DATABASE, "TimeZone": "UTC"})
            ):
                if kind == BackendMessage.AUTHENTICATION and raw == messages.PASSWORD_REQUEST:
                    self._wire.sendall(messages.frame(FrontendMessage.PASSWORD, messages.cstring(token)))
        except DatabaseError:
            return False
        return True

    def _ask(self, request: bytes) -> Iterator[Frame]:
        """Send a request and yield the frames of its answer, to its end also where it is an error."""
        failure: DatabaseError = ConnectionFailed("the server closed the connection")
        refused = False
        try:
            self._wire.sendall(request)
            while data := self._wire.recv(65_536):
                for kind, raw in self._frames.feed(data):
                    if kind == BackendMessage.ERROR_RESPONSE:
                        failure, refused = _error(messages.read_fields(raw)), True
                    elif kind != BackendMessage.READY_FOR_QUERY:
                        yield kind, raw
                    elif refused:
                        raise failure
                    else:
                        return
        except OSError as error:
            raise ConnectionFailed(str(error)) from error
        raise failure


def _columns(raw: bytes) -> Iterator[tuple[str, int]]:
    """Yield name and type of each column of a RowDescription."""
    position = BODY + 2
    for _ in range(int.from_bytes(raw[BODY:position])):
        end = raw.index(0, position)
        yield raw[position:end].decode(), int.from_bytes(raw[end + 7 : end + 11])
        position = end + 19


def _error(fields: Mapping[str, str]) -> DatabaseError:
    sqlstate, text = fields.get("C"), fields.get("M", "")
    return classify(sqlstate, text)(text, sqlstate=sqlstate)
