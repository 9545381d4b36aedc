"""The proxy answers any sequence of messages as PostgreSQL itself does, frame by frame.

What may differ is where in its source an error comes from, hints that are added (`hints-added`), the order in which
parameters are reported, and whatever Aurora DSQL refuses and PostgreSQL does not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from local_dsql.client.launch import SUSPEND_ALWAYS
from local_dsql.divergences import BY_ID
from local_dsql.wire import messages
from tests.local_dsql.proxy.cases_wire import CASES, SUSPENDED, TAKEN_NAMES
from tests.local_dsql.proxy.cluster import Cluster
from tests.local_dsql.proxy.differential_wire import BACKGROUNDS, DifferentialRunner, Script
from tests.local_dsql.proxy.raw_client import RawClient
from tests.local_dsql.proxy.wire_blocks import (
    COPY_DONE,
    SYNC,
    bind,
    copy_data,
    execute,
    parse,
    query,
)
from tests.local_dsql.proxy.wire_search import Counts, compare

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.local_dsql.proxy.wire_blocks import Message


@pytest.fixture(scope="module")
def runner(cluster: Cluster) -> Iterator[DifferentialRunner]:
    both = DifferentialRunner(cluster)
    yield both
    both.close()


@pytest.fixture(scope="module")
def suspending_runner() -> Iterator[DifferentialRunner]:
    """A proxy that suspends every open transaction after each of its statements."""
    cluster = Cluster(suspend_always=True)
    both = DifferentialRunner(cluster)
    yield both
    both.close()
    cluster.close()


def _cases() -> Iterator[object]:
    """Yield every case with every background; of each case one background is in the usual run, the others are slow."""
    for number, (name, steps) in enumerate(CASES.items()):
        for at, background in enumerate(BACKGROUNDS):
            usual = at == number % len(BACKGROUNDS)
            marks = () if usual else (pytest.mark.slow,)
            yield pytest.param(steps, background, id=f"{name}-{background}", marks=marks)


@pytest.mark.parametrize(("steps", "background"), list(_cases()))
def test_cases(runner: DifferentialRunner, steps: list[list[Message]], background: str) -> None:
    outcome = runner.play(Script(steps, background))
    assert not outcome.mismatch, outcome.mismatch
    assert not outcome.refused
    assert not outcome.lost or background == "parked" or SUSPEND_ALWAYS


def _suspended_cases() -> Iterator[object]:
    for name, steps in (SUSPENDED | TAKEN_NAMES).items():
        yield pytest.param(steps, id=name)
    for name, steps in CASES.items():
        if name not in TAKEN_NAMES:
            yield pytest.param(steps, id=name, marks=pytest.mark.slow)


@pytest.mark.parametrize("steps", list(_suspended_cases()))
def test_cases_with_suspensions(suspending_runner: DifferentialRunner, steps: list[list[Message]]) -> None:
    outcome = suspending_runner.play(Script(steps, as_is=True))
    assert not outcome.mismatch, outcome.mismatch
    assert not outcome.refused


def test_a_completed_portal_after_a_suspension(runner: DifferentialRunner) -> None:
    steps = [
        [query("BEGIN")],
        [query("UPDATE w SET n = n")],
        [parse("", "SELECT id FROM w"), bind("p", ""), execute("p"), SYNC],
        [execute("p"), SYNC],
    ]
    outcome = runner.play(Script(steps, "parked", as_is=True))
    assert not outcome.mismatch, outcome.mismatch


def test_a_faulty_row_within_a_copy(runner: DifferentialRunner, request: pytest.FixtureRequest) -> None:
    _differs(request, "copy-runs-at-its-end")
    outcome = runner.play(Script([[query("COPY k FROM STDIN")], [copy_data(b"no number\n")]]))
    assert not outcome.mismatch, outcome.mismatch


def _differs(request: pytest.FixtureRequest, divergence: str) -> None:
    request.applymarker(
        pytest.mark.xfail(strict=True, raises=AssertionError, reason=BY_ID[divergence].sentence)
    )


ZONE = (
    "CREATE FUNCTION zone(z text) RETURNS text LANGUAGE SQL AS $$ SELECT set_config('TimeZone', z, true) $$"
)
SET_BY_FUNCTION: dict[str, list[list[Message]]] = {
    "an unknown name": [
        [query("UPDATE w SET t = zone('Asia/Tokyo') WHERE id = 2")],
        [bind("", "missing"), SYNC],
    ],
    "a text that cannot be parsed": [[query("SELECT zone('Asia/Tokyo')")], [query("SELEC 1")]],
    "the same batch": [
        [*[parse("", "SELECT zone('Asia/Tokyo')"), bind("", ""), execute("")], parse("", "SELEC 1"), SYNC]
    ],
    "an error of PostgreSQL": [
        [query("SELECT zone('Asia/Tokyo')")],
        [query("SELECT 1 / 0")],
        [query("SELECT 1")],
    ],
}


@pytest.mark.parametrize("steps", SET_BY_FUNCTION.values(), ids=SET_BY_FUNCTION)
def test_an_error_takes_back_what_a_function_has_set(
    runner: DifferentialRunner, steps: list[list[Message]]
) -> None:
    """Nothing in the texts shows the setting; the client is told of it, and told at the error that it is gone."""
    runner.both(ZONE)
    try:
        outcome = runner.play(Script([[query("BEGIN")], *steps, [query("ROLLBACK")]]))
        assert not outcome.mismatch, outcome.mismatch
        assert outcome.steps == len(steps) + 2
    finally:
        runner.both("DROP FUNCTION zone")


LAST_WORDS: dict[str, bytes] = {
    "a Query": messages.query("UPDATE w SET n = 5; COMMIT"),
    "a pipeline": b"".join(
        message.data for message in [parse("", "COMMIT"), bind("", ""), execute(""), SYNC]
    ),
    "a COPY": messages.query("COPY k FROM STDIN") + copy_data(b"41\tone\n").data + COPY_DONE.data,
}


@pytest.mark.parametrize("words", LAST_WORDS.values(), ids=LAST_WORDS)
def test_a_client_that_is_cut_off_leaves_nothing(
    cluster: Cluster, runner: DifferentialRunner, words: bytes
) -> None:
    """Its transaction is rolled back, wherever its last message was cut, and its locks are released."""
    with cluster.connect() as other:
        for length in range(0, len(words), 7):
            with RawClient(cluster) as client:
                client.log_in(cluster)
                client.send(messages.query("BEGIN"), messages.query("UPDATE w SET n = 4"))
                assert [client.kinds(), client.kinds()] == ["CZ", "CZ"]
                client.send(words[:length])
            with other.transaction():
                other.execute("UPDATE w SET n = n + 1 WHERE id = 1")
        assert other.execute("SELECT count(*) FROM w WHERE n = 4").fetchone() == (0,)
        assert other.execute("SELECT count(*) FROM k WHERE n = 41").fetchone() == (0,)
    runner.refill()


@pytest.mark.parametrize("seed", [1])
def test_random_sequences(runner: DifferentialRunner, seed: int) -> None:
    counts = Counts()
    compare(runner, seed, sequences=20, counts=counts)
    assert not counts.failures, counts.failures[0]
    assert counts.refused < counts.sequences / 4  # most of them are played to the end


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2, 52))
def test_random_sequences_at_length(runner: DifferentialRunner, seed: int) -> None:
    counts = Counts()
    compare(runner, seed, sequences=40, counts=counts)
    assert not counts.failures, counts.failures[0]
    assert counts.refused < counts.sequences / 4


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(102, 122))
def test_random_sequences_with_suspensions(suspending_runner: DifferentialRunner, seed: int) -> None:
    counts = Counts()
    compare(suspending_runner, seed, sequences=40, counts=counts)
    assert not counts.failures, counts.failures[0]
