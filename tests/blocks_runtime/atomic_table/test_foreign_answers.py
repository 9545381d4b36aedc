"""Answers that are not DynamoDB's, tokens that it has forgotten, credentials that fail, forks and threads."""

from __future__ import annotations

import os
import socketserver
import threading
import time
import zlib
from typing import TYPE_CHECKING, Any

import pytest

from blocks_runtime import AtomicTable, Item, TableTransaction
from blocks_runtime.atomic_table import client
from blocks_runtime.atomic_table.failures import classify
from blocks_runtime.atomic_table.signature import CONTENT_TYPE
from blocks_runtime.errors import (
    CommitOutcomeUnknown,
    ConfigurationError,
    ConnectionFailed,
    DatabaseError,
    DeadlineExceeded,
    QueryFailed,
)
from tests.blocks_runtime.atomic_table.conftest import TABLE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from local_dynamodb import LocalDynamo


DYNAMODB = f"content-type: {CONTENT_TYPE}\r\n"


class Foreign(socketserver.StreamRequestHandler):
    """A server that sends the same bytes to every request."""

    def handle(self) -> None:
        self.request.recv(65536)
        self.wfile.write(self.server.answer)  # type: ignore[attr-defined]


@pytest.fixture
def foreign(dynamodb_table: AtomicTable, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Point the endpoint to a server that sends the given body and headers with status 200."""
    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Foreign)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", f"http://127.0.0.1:{server.server_address[1]}")

    def answer(body: bytes, headers: str = DYNAMODB) -> None:
        head = f"HTTP/1.1 200 OK\r\nconnection: close\r\n{headers}content-length: {len(body)}\r\n\r\n"
        server.answer = head.encode() + body  # type: ignore[attr-defined]

    yield answer
    server.shutdown()
    server.server_close()


JSON = "content-type: application/json\r\n"
PAGES = {
    "page": (b"<html>Sign in</html>", "content-type: text/html\r\n"),
    "page of this type": (b"<html>Sign in</html>", DYNAMODB),
    "empty": (b"", DYNAMODB),
    "list": (b"[]", DYNAMODB),
    "text": (b'"ok"', DYNAMODB),
    "no Unicode": (b"\xff", DYNAMODB),
    "half": (b'{"Item": {', DYNAMODB),
    "other JSON": (b'{"status": "ok"}', JSON),
    "empty JSON": (b"{}", JSON),
    "JSON without a type": (b"{}", ""),
    "item in JSON": (b'{"Item": {}}', JSON),
    "wrong checksum": (b"{}", f"{DYNAMODB}x-amz-crc32: {zlib.crc32(b'{} ')}\r\n"),
    "checksum of another kind": (b"{}", f"{DYNAMODB}x-amz-crc32: none\r\n"),
}


@pytest.mark.parametrize(("body", "headers"), PAGES.values(), ids=PAGES)
def test_a_page_of_another_server_is_neither_a_success_nor_an_absent_item(
    foreign: Callable[..., None], body: bytes, headers: str
) -> None:
    foreign(body, headers)
    with AtomicTable("locks", request_deadline=0.15) as table:
        for write in (
            lambda: table.set(Item("a", "b", 1)),
            lambda: table.set([Item("a", "b", 1), Item("a", "c", 1)]),
            lambda: table.set_atomic(Item("a", "b", 1)),
            lambda: table.delete(("a", "b")),
            lambda: table.counter("hits").add(),
        ):
            with pytest.raises(CommitOutcomeUnknown):
                write()
        for read in (
            lambda: table.get(("a", "b")),
            lambda: table.get_many([("a", "b"), ("a", "c")]),
            lambda: table.query("a"),
        ):
            with pytest.raises((ConnectionFailed, DeadlineExceeded)):
                read()


@pytest.mark.parametrize(
    "headers",
    [DYNAMODB, f"x-amz-crc32: {zlib.crc32(b'{}')}\r\n", f"{JSON}x-amz-crc32: {zlib.crc32(b'{}')}\r\n"],
    ids=["type", "checksum", "checksum of an emulator"],
)
def test_an_emulator_is_accepted_by_its_type_or_its_checksum(
    foreign: Callable[..., None], headers: str
) -> None:
    foreign(b"{}", headers)
    with AtomicTable("locks", request_deadline=0.15) as table:
        assert table.get(("a", "b")) is None
        table.set_atomic(Item("a", "b", 1))


def test_a_write_is_not_repeated_after_its_token_is_forgotten(
    dynamodb_table: AtomicTable, dynamo: LocalDynamo, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sandbox is frozen between a lost answer and the repetition, while another writer goes on."""
    now = time.time

    def frozen(seconds: float) -> None:
        del seconds
        dynamo.inject("token-forgotten", times=None)
        monkeypatch.setattr(time, "time", lambda: now() + 3600)
        with AtomicTable("locks") as other:
            other.set(Item("a", "b", "newer"))

    dynamo.inject("outcome-unknown", times=1)
    monkeypatch.setattr(client, "sleep", frozen)
    with pytest.raises(CommitOutcomeUnknown):
        dynamodb_table.set_atomic(Item("a", "b", "older"))
    item = dynamodb_table.get(("a", "b"))
    assert item is not None
    assert item.data == "newer"


def test_credentials_that_cannot_be_read_are_no_lost_answer(
    dynamodb_table: AtomicTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreadable(*_: Any, **__: Any) -> Any:
        raise PermissionError("~/.aws/credentials")

    dynamodb_table.get(("a", "b"))
    monkeypatch.setattr(client, "signed_headers", unreadable)
    with pytest.raises(PermissionError):
        dynamodb_table.set(Item("a", "b", 1))
    assert dynamodb_table.stats.unknown == 0


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        ("AccessDeniedException", "grant_read_write"),
        ("ExpiredTokenException", "check the credentials"),
        ("UnrecognizedClientException", "check the credentials"),
        ("InvalidSignatureException", "clock"),
    ],
)
def test_only_a_missing_permission_advises_a_grant(code: str, advice: str) -> None:
    error = classify(400, {"__type": code, "message": "said"}).error
    assert advice in str(error)
    assert ("grant_read_write" in str(error)) == (code == "AccessDeniedException")


def test_a_missing_table_is_named_with_its_region(
    dynamodb_table: AtomicTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BLOCKS_LOCKS_TABLE", "nowhere")
    with AtomicTable("locks") as table, pytest.raises(DatabaseError, match="no table 'nowhere' in us-east-1"):
        table.get(("a", "b"))


def test_objects_made_before_a_fork_do_not_share_connections(dynamodb_table: AtomicTable) -> None:
    counter = dynamodb_table.counter("hits")
    counter.add(0)
    before = dynamodb_table.stats.connects
    child = os.fork()
    if not child:
        counter.add(1)
        os._exit(dynamodb_table.stats.connects != before + 1)
    assert os.waitpid(child, 0)[1] == 0
    counter.add(1)
    assert counter.value() == 2


def test_an_idle_connection_that_another_thread_takes_first_is_no_error(dynamodb_table: AtomicTable) -> None:
    class Emptied(list[Any]):
        """A list that another thread empties between the look at it and the removal."""

        def __bool__(self) -> bool:
            return True

    dynamodb_table.get(("a", "b"))
    dynamodb_table._connected().store.client._idle = Emptied()  # type: ignore[attr-defined]
    assert dynamodb_table.get(("a", "b")) is None


@pytest.mark.parametrize(
    "attributes",
    [
        {"name": {"S": "Ann"}},
        {"name": {"S": "Ann"}, "version": {"N": "1"}},
        {"data": {"S": "x"}},
        {"data": {"S": "x"}, "version": {"N": "1.5"}},
        {"data": {"S": "x"}, "version": {"S": "v1"}},
    ],
)
def test_an_item_of_another_program_is_refused_and_kept(
    dynamodb_table: AtomicTable, dynamo: LocalDynamo, attributes: dict[str, Any]
) -> None:
    """It has no version: a condition on one would fail for ever, as if others wrote all the time."""
    key = {"pk": {"S": "a"}, "sk": {"S": "b"}}
    dynamo.request("PutItem", {"TableName": TABLE, "Item": {**key, **attributes}})
    table = dynamodb_table

    def read_and_write(tx: TableTransaction) -> None:
        item = tx.get(("a", "b"))
        tx.set(Item("a", "b", item and item.data))

    for call in (
        lambda: table.get(("a", "b")),
        lambda: table.get_many([("a", "b"), ("a", "c")]),
        lambda: table.query("a"),
        lambda: table.transaction(read_and_write, retry_on_conflict=True),
    ):
        with pytest.raises(QueryFailed, match="not written by AtomicTable"):
            call()
    assert dynamo.request("GetItem", {"TableName": TABLE, "Key": key})["Item"] == {**key, **attributes}


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("AWS_SESSION_TOKEN", "token\r\nx-other: 1"),
        ("AWS_SESSION_TOKEN", "IQoJb3JpZ2lu\n"),
        ("AWS_ACCESS_KEY_ID", "k\u00e9y"),
        ("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE\n"),
    ],
)
def test_credentials_add_no_header_and_are_not_told(
    dynamodb_table: AtomicTable, monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigurationError, match="check the AWS credentials") as caught:
        dynamodb_table.set(Item("a", "b", 1))
    assert value.strip() not in str(caught.value)
