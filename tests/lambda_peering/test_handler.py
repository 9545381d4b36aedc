"""The function as CloudFormation invokes it: a response on every path, and continuation in another invocation."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from custom_resource import continuation
from lambda_peering import control_plane, handler
from tests.support.cloudformation_stub import response_server
from tests.support.control_plane_recorder import ControlPlaneRecorder, control_plane_recorder, event
from tests.support.lambda_invocation import Context

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Iterator[ControlPlaneRecorder]:
    with control_plane_recorder() as recorder:
        monkeypatch.setattr(control_plane, "_client", recorder.clients)
        yield recorder


def test_create_update_delete_send_responses(recorder: ControlPlaneRecorder) -> None:
    with response_server() as stub:
        for kind in ("Create", "Update", "Delete"):
            handler.handler(event(recorder, kind) | {"ResponseURL": stub.url}, Context())
    assert [answer["Status"] for answer in stub.bodies] == ["SUCCESS"] * 3
    assert {answer["PhysicalResourceId"] for answer in stub.bodies} == {"main/peering"}


def test_an_error_is_reported_in_three_lines_and_the_log_stream(recorder: ControlPlaneRecorder) -> None:
    recorder.plane.clusters.clear()
    with response_server() as stub:
        handler.handler(event(recorder) | {"ResponseURL": stub.url}, Context())
    lines = stub.bodies[0]["Reason"].splitlines()
    assert stub.bodies[0]["Status"] == "FAILED"
    assert lines[0] == f"the cluster {recorder.arns['primary']} cannot be peered"
    assert lines[1] == "there is no such cluster"
    assert "deploy all stacks again" in lines[2]
    assert lines[3].startswith("log stream: ")


def test_an_unexpected_error_sends_a_response(
    recorder: ControlPlaneRecorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(region: str) -> None:
        raise RuntimeError(f"no client for {region}")

    monkeypatch.setattr(control_plane, "_client", broken)
    with response_server() as stub:
        handler.handler(event(recorder) | {"ResponseURL": stub.url}, Context())
    assert "RuntimeError: no client for us-east-1" in stub.bodies[0]["Reason"]


def test_it_continues_in_another_invocation(
    recorder: ControlPlaneRecorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first one ends while the clusters are set up; the second finds them ready."""
    passed: list[dict[str, object]] = []

    def invoke(function: str, event: Mapping[str, object]) -> None:
        assert function == Context.invoked_function_arn
        passed.append(dict(event))

    monkeypatch.setattr(continuation, "_invoke", invoke)
    recorder.plane._calls_per_state = 10**6
    with response_server() as stub:
        handler.handler(event(recorder) | {"ResponseURL": stub.url}, Context(seconds=0.9))
        assert stub.bodies == []
        for cluster in recorder.plane.clusters.values():
            cluster.set_states(cluster.ahead[-1])
        handler.handler(passed[0], Context())
    assert [answer["Status"] for answer in stub.bodies] == ["SUCCESS"]
    assert len(passed) == 1


def test_the_budget_of_a_request(recorder: ControlPlaneRecorder) -> None:
    recorder.plane._calls_per_state = 10**6
    late = {continuation.STARTED_AT: time.time() - 3600}
    with response_server() as stub:
        handler.handler(event(recorder) | {"ResponseURL": stub.url} | late, Context(seconds=0.9))
    reason = stub.bodies[0]["Reason"]
    assert reason.startswith("the peering did not end within 55 minutes\n")
    assert "deploy again to continue" in reason
