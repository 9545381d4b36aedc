"""DynamoDB's JSON protocol over HTTP on loopback, and the commands of `LocalDynamo` beside it."""

from __future__ import annotations

import json
import re
import socket
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from blocks_runtime.atomic_table.signature import CONTENT_TYPE
from local_dynamodb.engine.errors import ApiError, ServerError
from local_dynamodb.faults import Fault, Injection
from local_dynamodb.service import Dropped, Service

if TYPE_CHECKING:
    from collections.abc import Callable

COMMANDS = "/_local/"
"""Beginning of the paths of commands."""

COMMAND_HEADER = "x-local-dynamodb"
"""Header that a command must have. A page in a browser cannot send it without permission, which is never given."""

_HOSTS = ("127.0.0.1", "localhost")
"""Host names that are served: a page under another name that resolves to this machine is refused."""

_CREDENTIAL = re.compile(r"Credential=(?P<key>[^/=]*)/\d{8}/(?P<region>[a-z0-9-]+)/")


class Server(ThreadingHTTPServer):
    """The HTTP server of one service; a thread for each connection."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, service: Service, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.service = service

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self.server_address[1])

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignore connections that their clients broke."""
        del request, client_address


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def setup(self) -> None:
        super().setup()
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def do_GET(self) -> None:
        """Answer a health check, as DynamoDB's endpoint does."""
        self._answer(200, {"healthy": True})

    def do_POST(self) -> None:
        """Answer a request, or a command."""
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        is_command = self.path.startswith(COMMANDS)
        foreign = self.headers.get("host", "").partition(":")[0] not in _HOSTS
        if foreign or (is_command and COMMAND_HEADER not in self.headers):
            self._answer(403, ApiError("Forbidden", "Not a request of this machine's programs").body)
            return
        try:
            parameters = json.loads(body.decode() or "{}", parse_constant=_no_json)
        except (ValueError, RecursionError):
            self._answer(400, ApiError("SerializationException", "The body is not JSON").body)
            return
        try:
            if is_command:
                self._answer(200, _command(self.server.service, self.path.removeprefix(COMMANDS), parameters))
            else:
                self._answer(200, self._call(parameters))
        except ApiError as error:
            self._answer(error.status, error.body)
        except Dropped:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
        except (KeyError, TypeError, AttributeError, ValueError, RecursionError) as error:
            fault = ApiError("SerializationException", f"The request is not valid: {error!r}")
            self._answer(400, fault.body)

    def log_message(self, format: str, *args: object) -> None:
        """Write no log."""

    def _call(self, parameters: dict[str, Any]) -> dict[str, Any]:
        operation = self.headers.get("x-amz-target", "").rpartition(".")[2]
        found = _CREDENTIAL.search(self.headers.get("authorization", ""))
        if found is None:
            raise ApiError("MissingAuthenticationTokenException", "Request is missing Authentication Token")
        return self.server.service.call(operation, found["region"], parameters, found["key"])

    def _answer(self, status: int, answer: dict[str, Any]) -> None:
        body = json.dumps(answer, separators=(",", ":")).encode()
        head = (
            f"HTTP/1.1 {status} {'OK' if status == 200 else 'Error'}\r\n"
            f"content-type: {CONTENT_TYPE}\r\ncontent-length: {len(body)}\r\nx-amz-crc32: {zlib.crc32(body)}\r\n\r\n"
        )
        self.wfile.write(head.encode() + body)


def _no_json(constant: str) -> None:
    """Refuse NaN and Infinity, which Python reads and JSON does not have."""
    raise ValueError(f"{constant} is not JSON")


def _command(service: Service, name: str, parameters: dict[str, Any]) -> dict[str, Any]:
    """Carry out a command.

    Raises:
        ServerError: there is no such command, or its parameters are not valid.
    """
    commands: dict[str, Callable[..., Any]] = {
        "ping": lambda: "pong",
        "reset": service.reset,
        "inject": lambda fault, **further: service.injector.add(Injection(fault=Fault(fault), **further)),
        "remove": service.injector.remove,
        "clear": service.injector.clear,
        "armed": lambda: {str(number): each.fault.value for number, each in service.injector.armed().items()},
        "delete_expired": service.delete_expired,
        "tables": service.table_names,
        "replicate": lambda table, regions: service.replicate(table, tuple(regions)),
        "delay": service.replication.set_delay,
        "settle": service.replication.settle,
        "identity": service.put_identity,
        "stop_region": service.stop_region,
        "start_region": service.replication.start_region,
    }
    if name not in commands:
        raise ServerError("UnknownCommand", f"there is no command {name!r}")
    try:
        return {"result": commands[name](**parameters)}
    except (TypeError, ValueError, KeyError, StopIteration) as error:
        raise ServerError("CommandFailed", str(error) or "there is no such table") from error
