"""Two migrators at once: who waits, what is said of the other one, and what a holder may still do that was frozen.

Frozen for longer than its lease holds, and thawed when another one is done: so it goes for a suspended machine, or
a process that waits for memory. What it still believes to hold, it must not write with.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from blocks_cli.exit_codes import ExitCode
from tests.blocks_cli.migrations.kill_matrix import LEAST, Matrix
from tests.blocks_cli.migrations.migrators import nursery
from tests.support.cloudformation_stub import response_server
from tests.support.relay import Direction

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.blocks_cli.migrations.conftest import Project
    from tests.blocks_cli.migrations.migrators import Nursery

TERM = 0.7
"""Seconds; no message of the deploys takes that long, but for those that are frozen."""

ANSWERS = LEAST // 2


@pytest.fixture(scope="module")
def first() -> Iterator[Nursery]:
    with nursery() as started:
        yield started


@pytest.fixture(scope="module")
def second() -> Iterator[Nursery]:
    with nursery() as started:
        yield started


@pytest.fixture
def matrix(project: Project, first: Nursery) -> Iterator[Matrix]:
    with response_server() as inbox:
        yield Matrix(project, first, inbox)


def test_a_command_says_which_deploy_is_at_work(project: Project, matrix: Matrix) -> None:
    with matrix.stopped(100, Direction.ANSWER) as (wire, deploy):
        refused = project.blocks("up", "--dialect", "2026-09", "--wait", "0")
        assert refused.code == ExitCode.MIGRATION_FAILED
        assert re.search(
            r"the lease is held by deploy deploy-\d+ \[0/[0-9a-f]{8}\] since 20\d\d-", refused.err
        )
        assert "wait for it and migrate again" in refused.err
        wire.go_on()
        matrix.finish(deploy)
    done = project.blocks("up", "--dialect", "2026-09", "--wait", "0")
    assert (done.code, done.err.splitlines()[-1].partition(";")[0]) == (ExitCode.OK, "applied no migrations")


def freeze(matrix: Matrix, other: Nursery, at: int) -> str:
    """Freeze a deploy before it hears answer `at`, let another one do the work, thaw it, and return its answer."""
    matrix.empty()
    with matrix.stopped(at, Direction.ANSWER, TERM) as (wire, frozen):
        assert wire.reached.is_set(), f"no answer {at}"
        frozen.freeze()
        wire.go_on()
        matrix.finish(matrix.start(nursery=other))
        frozen.thaw()
        assert frozen.wait() == 0
    (answer,) = matrix.answers()
    assert (
        answer["Status"] == "SUCCESS"
        or "another migrator has taken the lease of this one" in answer["Reason"]
    )
    return answer["Status"]


def test_a_thawed_holder_changes_nothing(matrix: Matrix, second: Nursery) -> None:
    _, expected = matrix.undisturbed()
    for at in range(20, ANSWERS, 36):
        assert freeze(matrix, second, at) == "FAILED", f"frozen at answer {at}"
        assert matrix.state() == expected, f"frozen at answer {at}"


@pytest.mark.slow
def test_frozen_at_every_answer(matrix: Matrix, second: Nursery, capsys: pytest.CaptureFixture[str]) -> None:
    """One that was frozen after its last write has nothing to lose, and may say so."""
    messages, expected = matrix.undisturbed()
    ends = []
    for at in range(10, min(messages // 2, ANSWERS + 20)):
        ends.append(freeze(matrix, second, at))
        assert matrix.state() == expected, f"frozen at answer {at}"
    with capsys.disabled():
        print(f"\n{len(ends)} times frozen, {ends.count('FAILED')} times another deploy had taken over")
    assert ends.count("FAILED") > ANSWERS // 2
