"""moto behind one lock, over HTTP, with connections that break: a second implementation of DynamoDB.

Requests are carried out one after the other. Some connections break before their request is carried out, some after it,
and some in the middle of the answer. moto does not know the client's tokens of transactions, so the server remembers
them: DynamoDB answers a successful transaction that is repeated with its token in the same way, without a second write.
"""

from __future__ import annotations

import json
import random
import socket
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import boto3
import requests
from moto import mock_aws

if TYPE_CHECKING:
    from collections.abc import Iterator

AMAZON = "https://dynamodb.us-east-1.amazonaws.com/"


class UnreliableMoto(ThreadingHTTPServer):
    """The server; `broken` is the part of the connections that break."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, seed: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.random = random.Random(seed)
        self.lock = threading.Lock()
        self.broken = 0.0
        self.successes: dict[str, requests.Response] = {}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignore connections that clients broke."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: UnreliableMoto

    def log_message(self, format: str, *args: object) -> None:
        """Write no log."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        headers = {name: self.headers[name] for name in ("x-amz-target", "authorization", "content-type")}
        with self.server.lock:
            drawn = self.server.random.random()
            fault = int(drawn / self.server.broken * 3) if drawn < self.server.broken else None
            if fault == 0:  # before
                return self._break()
            answer = self._answer(body, headers)
        if fault == 1:  # after
            return self._break()
        content = answer.content
        head = (
            f"HTTP/1.1 {answer.status_code} X\r\ncontent-type: application/x-amz-json-1.0\r\n"
            f"content-length: {len(content)}\r\n\r\n"
        )
        sent = head.encode() + content
        self.wfile.write(sent[: len(sent) // 2] if fault == 2 else sent)
        if fault == 2:
            return self._break()
        return None

    def _answer(self, body: bytes, headers: dict[str, str]) -> requests.Response:
        """Carry out a request, but a transaction whose token has succeeded only once."""
        token = str(json.loads(body).get("ClientRequestToken", ""))
        if token in self.server.successes:
            return self.server.successes[token]
        answer = requests.post(AMAZON, data=body, headers=headers, timeout=30)
        if token and answer.status_code == 200:
            self.server.successes[token] = answer
        return answer

    def _break(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)


@contextmanager
def unreliable_moto(table: str, seed: int) -> Iterator[UnreliableMoto]:
    """Serve moto with an empty table."""
    with mock_aws():
        boto3.client("dynamodb", region_name="us-east-1").create_table(
            TableName=table,
            KeySchema=[
                {"AttributeName": "pk", "KeyType": "HASH"},
                {"AttributeName": "sk", "KeyType": "RANGE"},
            ],
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")],
            BillingMode="PAY_PER_REQUEST",
        )
        with UnreliableMoto(seed) as server:
            thread = threading.Thread(target=server.serve_forever, daemon=True)
            thread.start()
            try:
                yield server
            finally:
                server.shutdown()
                thread.join()
