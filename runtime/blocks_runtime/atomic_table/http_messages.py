"""HTTP/1.1 messages: the text of a POST request, and a reader of its response. Nothing here waits.

DynamoDB needs no more of HTTP than one POST at a time on a connection that is kept open. The standard library's client
imports a hundred modules for the rest.
"""

from __future__ import annotations

from ..errors import ConfigurationError

TYPE_CHECKING = False  # `typing` costs more to import than the whole runtime
if TYPE_CHECKING:
    from collections.abc import Mapping

_LARGEST_HEAD = 64 * 1024


class NotHttp(Exception):
    """The server's answer is not a response of HTTP/1.1."""


def post(path: str, headers: Mapping[str, str], body: bytes) -> bytes:
    """Return the bytes of a POST request; the headers must include `host`.

    Raises:
        ConfigurationError: a value would end its header, or is no ASCII: credentials with a line break, for instance.
    """
    for name, value in headers.items():
        if not (value.isascii() and value.isprintable()):
            raise ConfigurationError(
                f"the header {name} of the request would have a line break or a character that is not ASCII; "
                "check the AWS credentials and the endpoint in the environment"
            )
    lines = [f"POST {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, f"content-length: {len(body)}", "", ""]).encode() + body


class ResponseReader:
    """Collects the bytes of one response."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        """Headers of the response, their names in lower case."""
        self.body = b""
        self._buffer = bytearray()
        self._has_head = False
        self._length: int | None = None
        self._chunks: list[bytes] = []

    @property
    def started(self) -> bool:
        """True once a byte of the response has arrived."""
        return self._has_head or bool(self._buffer)

    @property
    def keeps_connection(self) -> bool:
        """True if the connection can be used for another request."""
        return self.headers.get("connection", "").lower() != "close"

    def feed(self, data: bytes) -> bool:
        """Add bytes, and return whether the response is complete.

        Raises:
            NotHttp: the bytes are no response, or it has neither a length nor chunks.
        """
        self._buffer += data
        if not self._has_head and not self._read_head():
            return False
        if self._length is None:
            return self._read_chunks()
        if len(self._buffer) < self._length:
            return False
        self.body = bytes(self._buffer[: self._length])
        return True

    def _read_head(self) -> bool:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            if len(self._buffer) > _LARGEST_HEAD:
                raise NotHttp("a head of more than 64 KiB")
            return False
        first, *lines = self._buffer[:end].decode("latin-1").split("\r\n")
        version, _, rest = first.partition(" ")
        if not version.startswith("HTTP/1.") or not rest[:3].isdecimal():
            raise NotHttp(f"it begins with {first[:40]!r}")
        self.status = int(rest[:3])
        for line in lines:
            name, _, value = line.partition(":")
            self.headers[name.strip().lower()] = value.strip()
        del self._buffer[: end + 4]
        if self.status == 100:  # Continue: the response itself follows
            self.headers.clear()
            return self._read_head()
        self._has_head = True
        if "chunked" not in self.headers.get("transfer-encoding", "").lower():
            length = self.headers.get("content-length", "")
            if not length.isdecimal():
                raise NotHttp("it has no content-length")
            self._length = int(length)
        return True

    def _read_chunks(self) -> bool:
        while (end := self._buffer.find(b"\r\n")) >= 0:
            digits = bytes(self._buffer[:end]).partition(b";")[0].strip()
            try:
                length = int(digits, 16)
            except ValueError:
                raise NotHttp("the length of a chunk is not a number") from None
            after = end + 2 + length + 2
            if len(self._buffer) < after:
                return False
            self._chunks.append(bytes(self._buffer[end + 2 : after - 2]))
            del self._buffer[:after]
            if length == 0:
                self.body = b"".join(self._chunks)
                return True
        return False
