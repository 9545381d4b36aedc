"""Responses to CloudFormation, delivered to an HTTP server on loopback."""

from __future__ import annotations

import json
import socket

import pytest

from blocks_runtime.shared.retry import Backoff
from custom_resource import cloudformation
from custom_resource.cloudformation import LIMIT, PATIENCE, Request, send
from tests.support.cloudformation_stub import EVENT, response_server


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cloudformation, "_BACKOFF", Backoff(base=0.001, cap=0.001))


def test_the_response_is_sent_as_the_url_was_signed() -> None:
    with response_server() as stub:
        send(stub.url, Request.of(EVENT).succeeded({"Newest": "001_x", "Applied": "001_x"}))
    assert stub.paths == ["/answer?X-Amz-Signature=a%2Fb"]
    assert "Content-Type" not in stub.headers[0]
    assert stub.bodies == [
        {
            "Status": "SUCCESS",
            "Reason": "",
            "PhysicalResourceId": "main/migrations",
            "StackId": EVENT["StackId"],
            "RequestId": "request-1",
            "LogicalResourceId": "Migrations",
            "Data": {"Newest": "001_x", "Applied": "001_x"},
        }
    ]


def test_the_physical_id_never_changes() -> None:
    first = Request.of(EVENT).physical_id
    updated = EVENT | {"RequestType": "Update", "PhysicalResourceId": "as-it-was", "ResourceProperties": {}}
    assert first == Request.of(EVENT | {"RequestId": "another"}).physical_id
    assert Request.of(updated).physical_id == "as-it-was"


def test_delivery_is_retried() -> None:
    with response_server(503, 500) as stub:
        send(stub.url, Request.of(EVENT).failed("no"))
    assert len(stub.paths) == 3
    assert stub.bodies[0]["Status"] == "FAILED"


class SleepingClock:
    """A clock that sleeping alone moves on: however slow the machine is, an attempt takes no time."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class Every:
    """A backoff of the same seconds after each attempt."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def wait(self, attempt: int) -> float:
        del attempt
        return self.seconds


def test_a_failed_delivery_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cloudformation, "time", SleepingClock())
    monkeypatch.setattr(cloudformation, "_BACKOFF", Every(PATIENCE / 4 + 0.1))
    with response_server(*[403] * 100) as stub, pytest.raises(OSError, match="in 4 attempts: HTTP 403"):
        send(stub.url, b"{}")
    assert len(stub.paths) == 4


def test_a_url_that_never_responds_is_given_up_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cloudformation, "PATIENCE", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as mute:
        with pytest.raises(OSError, match="could not be delivered to CloudFormation in"):
            send(f"http://127.0.0.1:{mute.getsockname()[1]}/answer", b"{}")


@pytest.mark.parametrize(
    "url", ["http://example.com/x", "http://10.0.0.1/x", "ftp://localhost/x", "file:///etc/x"]
)
def test_only_https_or_loopback(url: str) -> None:
    with pytest.raises(ValueError, match="neither HTTPS nor loopback"):
        send(url, b"{}")


@pytest.mark.parametrize("reason", ["x" * 10_000, "ü" * 10_000, '"\\' * 5_000, "\n" * 9_000, "🦆" * 4_000])
def test_a_long_reason_is_truncated(reason: str) -> None:
    answer = Request.of(EVENT).failed(reason)
    assert LIMIT - 200 < len(answer) <= LIMIT
    told = json.loads(answer)["Reason"]
    head, cut, tail = told.partition("… (the rest is in the function's log)")
    assert cut
    assert reason.startswith(head)
    assert reason.endswith(tail)


def test_the_servers_message_is_truncated_and_not_the_lines_around_it() -> None:
    place, remedy = "003_x.sql:3:3: DSQL refused the statement", "correct the file and migrate again"
    answer = Request.of(EVENT).failed(f"{place}\nSQLSTATE 42601: {'ä' * 9000}\n{remedy}\nlog stream: abc")
    assert LIMIT - 2 <= len(answer) <= LIMIT
    first, why, *rest = json.loads(answer)["Reason"].splitlines()
    assert (first, rest) == (place, [remedy, "log stream: abc"])
    assert why.startswith("SQLSTATE 42601: ää")
    assert why.endswith("ä… (the rest is in the function's log)")


def test_long_data_is_dropped() -> None:
    answer = Request.of(EVENT).succeeded({"Applied": "001_name, " * 1000, "Newest": "999_last"})
    assert len(answer) <= LIMIT
    assert json.loads(answer)["Data"]["Newest"] == "999_last"


@pytest.mark.parametrize(
    ("query", "seconds"),
    [
        ("X-Amz-Date=20261129T160000Z&X-Amz-Expires=7200", 1_795_968_000),
        ("X-Amz-Signature=a%2Fb", 0),
        ("X-Amz-Date=yesterday", 0),
        ("", 0),
    ],
)
def test_the_date_at_which_the_url_was_signed(query: str, seconds: int) -> None:
    assert Request.of(EVENT | {"ResponseURL": f"https://bucket.example/answer?{query}"}).signed_at == seconds


def test_ids_and_properties_of_an_update() -> None:
    assert (Request.of(EVENT).event_id, Request.of(EVENT).old_properties) == (None, {})
    update = Request.of(EVENT | {"PhysicalResourceId": "as-it-was", "OldResourceProperties": {"A": "b"}})
    assert (update.event_id, update.old_properties) == ("as-it-was", {"A": "b"})
    assert json.loads(update.answered_as("new").succeeded({}))["PhysicalResourceId"] == "new"
