"""Crashes before and after every call, and connections cut in every call: the next run reaches the same end."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from custom_resource.cloudformation import Request
from custom_resource.deadline import Deadline
from lambda_peering import handler
from lambda_peering.control_plane import Clusters
from tests.support.control_plane_recorder import ControlPlaneRecorder, Killed, control_plane_recorder, event

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from lambda_peering.control_plane import Client

# The calls of an unharmed run, see the files of `test_sequences.py`.
CALLS = {"Create": 7, "Delete": 5}
POINTS = [
    pytest.param(kind, number, moment, id=f"{kind}, {moment} call {number}")
    for kind, calls in CALLS.items()
    for number in range(calls)
    for moment in ("before", "after")
]
every_point = pytest.mark.parametrize(("kind", "number", "moment"), POINTS)


@dataclass
class Mortal:
    """A client whose process dies at one of its calls."""

    client: Client
    number: int
    moment: str
    counter: Iterator[int] = field(default_factory=itertools.count)

    def get_cluster(self, **request: object) -> Mapping[str, object]:
        return self._call(lambda: self.client.get_cluster(**request))

    def update_cluster(self, **request: object) -> Mapping[str, object]:
        return self._call(lambda: self.client.update_cluster(**request))

    def delete_cluster(self, **request: object) -> Mapping[str, object]:
        return self._call(lambda: self.client.delete_cluster(**request))

    def _call(self, call: Callable[[], Mapping[str, object]]) -> Mapping[str, object]:
        number = next(self.counter)
        if (number, self.moment) == (self.number, "before"):
            raise Killed
        answer = call()
        if (number, self.moment) == (self.number, "after"):
            raise Killed
        return answer


def prepare(recorder: ControlPlaneRecorder, kind: str) -> None:
    """Peer the clusters first where the story is about deleting them."""
    if kind == "Delete":
        recorder.run(event(recorder))
    recorder.calls.clear()


def check(recorder: ControlPlaneRecorder, kind: str) -> None:
    statuses = {name: recorder.status(arn) for name, arn in recorder.arns.items()}
    if kind == "Delete":
        assert statuses == {"primary": "ACTIVE", "peer": "PENDING_DELETE"}
    else:
        assert statuses == {"primary": "ACTIVE", "peer": "ACTIVE"}
    changes = [call for call in recorder.calls if "GetCluster" not in call]
    assert len(changes) == 1, changes


@pytest.mark.parametrize("again", ["the same request", "another deploy"])
@every_point
def test_a_killed_run_is_continued_by_the_next(kind: str, number: int, moment: str, again: str) -> None:
    with control_plane_recorder() as recorder:
        prepare(recorder, kind)
        counter = itertools.count()
        mortal = Clusters(lambda region: Mortal(recorder.clients(region), number, moment, counter))
        request = Request.of(event(recorder, kind), "peering")
        with pytest.raises(Killed):
            handler.run(request, Deadline.after(30), mortal)
        second = (
            event(recorder, kind)
            if again == "the same request" or kind == "Delete"
            else event(recorder, "Update")
        )
        recorder.run(second | {"RequestId": "request-Create" if again == "the same request" else "another"})
        check(recorder, kind)


@every_point
def test_a_lost_connection_is_retried(kind: str, number: int, moment: str) -> None:
    """The server closes the connection before it does anything, or after it did everything."""

    def cut(at: int, _: str) -> None:
        if at == number:
            raise ConnectionAbortedError

    with control_plane_recorder() as recorder:
        prepare(recorder, kind)
        setattr(recorder, moment, cut)
        recorder.run(event(recorder, kind))
        recorder.calls = [call for call in recorder.calls if not call.endswith("no answer")]
        check(recorder, kind)
