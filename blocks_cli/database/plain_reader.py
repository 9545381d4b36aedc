"""Minimal PostgreSQL client on the standard library, for queries that return a few rows.

Loading the driver takes longer than the rest of `blocks status`. Two queries without parameters to a local database
need only verified TLS, the token as password, the simple query protocol, and values as text.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
from datetime import datetime
from typing import TYPE_CHECKING

from blocks_runtime.contract import DATABASE
from blocks_runtime.database.classification import classify
from blocks_runtime.errors import ConnectionFailed, DatabaseError
from local_dsql.tls import ALPN
from local_dsql.wire import messages
from local_dsql.wire.frames import BODY, FrameReader
from local_dsql.wire.message_types import BackendMessage, FrontendMessage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from blocks_runtime import Sql
    from blocks_runtime.database.results import Row
    from blocks_runtime.database.target import Target
    from local_dsql.wire.frames import Frame

_TIMEOUT = 10.0

_AS_TEXT: Callable[[str], object] = str
_BY_TYPE: dict[int, Callable[[str], object]] = {
    16: lambda text: text == "t",  # boolean
    20: int,
    21: int,
    23: int,
    1184: datetime.fromisoformat,  # timestamptz
}
"""Converters from text by type OID; other types stay text."""


class PlainReader:
    """A connection for queries without parameters."""

    def __init__(self, wire: ssl.SSLSocket) -> None:
        self._wire = wire
        self._frames = FrameReader()

    @classmethod
    def connect(cls, target: Target, token: str) -> PlainReader | None:
        """Log in; return None if that fails for any reason: the driver reports errors better."""
        try:
            context = ssl.create_default_context(cafile=target.ca)
            context.set_alpn_protocols([ALPN])  # TLS from the first byte, without an SSLRequest
            plain = socket.create_connection((target.host, target.port), _TIMEOUT)
            # Else the startup message waits until the end of the TLS handshake is acknowledged, which takes 40 ms.
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with plain:  # wrap_socket detaches it
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
            DatabaseError: the query failed.
            ConnectionFailed: the connection was lost.
        """
        assert not statement.values, "only the driver binds values"
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
        """Send Terminate if the connection is open, and close it."""
        with self._wire, contextlib.suppress(OSError):
            self._wire.sendall(messages.frame(FrontendMessage.TERMINATE))

    def _login(self, role: str, token: str) -> bool:
        """Return whether the server accepted the login."""
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
        """Send a request and yield the frames of the response; raise an error at its end, not before."""
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
    """Yield name and type OID of each column of a RowDescription."""
    position = BODY + 2
    for _ in range(int.from_bytes(raw[BODY:position])):
        end = raw.index(0, position)
        yield raw[position:end].decode(), int.from_bytes(raw[end + 7 : end + 11])
        position = end + 19


def _error(fields: Mapping[str, str]) -> DatabaseError:
    sqlstate, text = fields.get("C"), fields.get("M", "")
    return classify(sqlstate, text)(text, sqlstate=sqlstate)
