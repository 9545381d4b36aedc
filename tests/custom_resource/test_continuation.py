"""One request over several invocations: its budget, and a failed continuation."""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING, Any

import pytest

from custom_resource import continuation
from custom_resource.cloudformation import PATIENCE, Request
from custom_resource.continuation import BUDGET, STARTED_AT, Work
from custom_resource.deadline import Deadline, OutOfTime
from tests.support.cloudformation_stub import EVENT, CloudFormationStub, response_server
from tests.support.lambda_invocation import Context

if TYPE_CHECKING:
    from collections.abc import Callable


def work(run: Callable[[Request, Deadline], bytes]) -> Work:
    return Work("the work", "half of it is done", run, lambda error: (str(error), True))


def answer(
    stub: CloudFormationStub, run: Callable[[Request, Deadline], bytes], seconds: float, **more: Any
) -> None:
    event = EVENT | {"ResponseURL": stub.url} | more
    continuation.respond(work(run), Request.of(event), event, Context(seconds))


@pytest.fixture(autouse=True)
def _account(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")


def test_the_budget_starts_with_the_first_invocation(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def slow(request: Request, deadline: Deadline) -> bytes:
        del request
        while True:
            deadline.sleep(1)

    with response_server() as stub, response_server(202) as calls:
        monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", calls.url.partition("/answer")[0])
        began = time.time()
        answer(stub, slow, seconds=0.6)
        ended = time.time()
    assert began <= calls.bodies[0][STARTED_AT] < ended - 0.3
    assert stub.bodies == []


@pytest.mark.parametrize(("timeout", "minutes"), [("1800", 27.5), ("3600", 55), (None, 55)])
def test_the_budget_is_shorter_for_a_shorter_service_timeout(timeout: str | None, minutes: float) -> None:
    event: dict[str, object] = {STARTED_AT: time.time(), "ResourceProperties": {"ServiceTimeout": timeout}}
    assert continuation._budget_left(event) == pytest.approx(minutes * 60, abs=5)


def test_no_invocation_exceeds_the_budget() -> None:
    """CloudFormation would have given up meanwhile, without a word on why."""
    seen: list[float] = []

    def impatient(request: Request, deadline: Deadline) -> bytes:
        del request
        seen.append(deadline.remaining)
        raise OutOfTime("a table was being filled")

    with response_server() as stub:
        answer(stub, impatient, seconds=900, **{STARTED_AT: time.time() - BUDGET + 0.5})
    assert seen[0] <= 0.5
    assert stub.bodies[0]["Status"] == "FAILED"
    assert stub.bodies[0]["Reason"].splitlines() == [
        "the work did not end within 55 minutes",
        "a table was being filled",
        "deploy again to continue",
    ]


def test_a_function_that_cannot_invoke_itself_reports_it_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a VPC without a way to Lambda: the packets go nowhere."""

    def impatient(request: Request, deadline: Deadline) -> bytes:
        raise OutOfTime

    monkeypatch.setattr(continuation, "CALL_TIMEOUT", 0.1)
    with response_server() as stub, socket.create_server(("127.0.0.1", 0)) as mute:
        monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", f"http://127.0.0.1:{mute.getsockname()[1]}")
        answer(stub, impatient, seconds=60)
    reason = stub.bodies[0]["Reason"]
    assert reason.startswith(
        f"out of time, and invoking {Context.invoked_function_arn} again failed: Read timeout"
    )
    assert "reach Lambda from its network" in reason


@pytest.mark.parametrize("ends", ["the budget", "no continuation"])
def test_what_was_kept_is_released_after_the_answer(monkeypatch: pytest.MonkeyPatch, ends: str) -> None:
    """CloudFormation has the answer first: to release may take as long as the invocation has."""
    released: list[tuple[bool, float]] = []

    def impatient(request: Request, deadline: Deadline) -> bytes:
        late = OutOfTime()
        late.give_up = lambda deadline: released.append((bool(stub.bodies), deadline.remaining))
        raise late

    began = time.time() - (BUDGET if ends == "the budget" else 0)
    with response_server() as stub, response_server(403) as calls:
        monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", calls.url.partition("/answer")[0])
        answer(stub, impatient, seconds=60, **{STARTED_AT: began})
        assert stub.bodies[0]["Status"] == "FAILED"
    ((answered, left),) = released
    assert answered
    assert 40 < left < 60 - continuation.SPARE


def test_what_is_kept_for_another_invocation_is_not_released(monkeypatch: pytest.MonkeyPatch) -> None:
    released: list[Deadline] = []

    def impatient(request: Request, deadline: Deadline) -> bytes:
        late = OutOfTime()
        late.give_up = released.append
        raise late

    with response_server() as stub, response_server(202) as calls:
        monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", calls.url.partition("/answer")[0])
        answer(stub, impatient, seconds=60)
    assert (stub.bodies, len(calls.bodies), released) == ([], 1, [])


def test_delivery_ends_before_the_invocation() -> None:
    began = time.monotonic()
    with socket.create_server(("127.0.0.1", 0)) as mute:
        url = f"http://127.0.0.1:{mute.getsockname()[1]}/answer"
        with pytest.raises(OSError, match="the response could not be delivered"):
            answer(
                CloudFormationStub(url=url),
                lambda request, _: request.succeeded({}),
                seconds=continuation.SPARE + 0.3,
            )
    assert time.monotonic() - began < PATIENCE / 2
