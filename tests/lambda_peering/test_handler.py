"""The function as CloudFormation calls it: an answer on every path, and another invocation when time is up."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from custom_resource import continuation
from lambda_peering import clusters, handler
from tests.lambda_migrator.inbox import response_server
from tests.lambda_migrator.invocation import Context
from tests.lambda_peering.laboratory import Laboratory, event, laboratory

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


@pytest.fixture
def lab(monkeypatch: pytest.MonkeyPatch) -> Iterator[Laboratory]:
    with laboratory() as lab:
        monkeypatch.setattr(clusters, "_client", lab.clients)
        yield lab


def test_create_update_delete_are_answered(lab: Laboratory) -> None:
    with response_server() as inbox:
        for kind in ("Create", "Update", "Delete"):
            handler.handler(event(lab, kind) | {"ResponseURL": inbox.url}, Context())
    assert [answer["Status"] for answer in inbox.bodies] == ["SUCCESS"] * 3
    assert {answer["PhysicalResourceId"] for answer in inbox.bodies} == {"main/peering"}


def test_a_problem_is_answered_in_three_lines_and_the_log_stream(lab: Laboratory) -> None:
    lab.plane.clusters.clear()
    with response_server() as inbox:
        handler.handler(event(lab) | {"ResponseURL": inbox.url}, Context())
    lines = inbox.bodies[0]["Reason"].splitlines()
    assert inbox.bodies[0]["Status"] == "FAILED"
    assert lines[0] == f"the cluster {lab.arns['primary']} cannot be peered"
    assert lines[1] == "there is no such cluster"
    assert "deploy all stacks again" in lines[2]
    assert lines[3].startswith("log stream: ")


def test_what_nobody_foresaw_is_answered_too(lab: Laboratory, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(region: str) -> None:
        raise RuntimeError(f"no client for {region}")

    monkeypatch.setattr(clusters, "_client", broken)
    with response_server() as inbox:
        handler.handler(event(lab) | {"ResponseURL": inbox.url}, Context())
    assert "RuntimeError: no client for us-east-1" in inbox.bodies[0]["Reason"]


def test_it_goes_on_in_another_invocation(lab: Laboratory, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first one ends while the clusters are set up; the second finds them ready."""
    passed: list[dict[str, object]] = []

    def invoke(function: str, event: Mapping[str, object]) -> None:
        assert function == Context.invoked_function_arn
        passed.append(dict(event))

    monkeypatch.setattr(continuation, "_invoke", invoke)
    lab.plane._calls_per_state = 10**6
    with response_server() as inbox:
        handler.handler(event(lab) | {"ResponseURL": inbox.url}, Context(seconds=0.9))
        assert inbox.bodies == []
        for cluster in lab.plane.clusters.values():
            cluster.set_states(cluster.ahead[-1])
        handler.handler(passed[0], Context())
    assert [answer["Status"] for answer in inbox.bodies] == ["SUCCESS"]
    assert len(passed) == 1


def test_an_hour_is_the_end(lab: Laboratory) -> None:
    lab.plane._calls_per_state = 10**6
    late = {continuation.STARTED_AT: time.time() - 3600}
    with response_server() as inbox:
        handler.handler(event(lab) | {"ResponseURL": inbox.url} | late, Context(seconds=0.9))
    reason = inbox.bodies[0]["Reason"]
    assert reason.startswith("the peering did not end within 55 minutes\n")
    assert "deploy again to go on from there" in reason
