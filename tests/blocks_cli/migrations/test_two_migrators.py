"""Two concurrent migrators: the wait, the message about the other one, and a frozen lease holder.

The holder is frozen until its lease has expired and another migrator has finished, as with a suspended machine. When it
continues, it must not write.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from blocks_cli.exit_codes import ExitCode
from tests.blocks_cli.migrations.kill_matrix import LEAST, Matrix
from tests.support.cloudformation_stub import response_server
from tests.support.migrator_fork_server import start_fork_server
from tests.support.relay import Direction

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.blocks_cli.migrations.conftest import Project
    from tests.support.migrator_fork_server import ForkServer

TERM = 0.7
"""Seconds; longer than any message of a deploy that is not frozen."""

ANSWERS = LEAST // 2


@pytest.fixture(scope="module")
def first() -> Iterator[ForkServer]:
    with start_fork_server() as started:
        yield started


@pytest.fixture(scope="module")
def second() -> Iterator[ForkServer]:
    with start_fork_server() as started:
        yield started


@pytest.fixture
def matrix(project: Project, first: ForkServer) -> Iterator[Matrix]:
    with response_server() as inbox:
        yield Matrix(project, first, inbox)


def test_a_command_names_the_running_deploy(project: Project, matrix: Matrix) -> None:
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


def freeze(matrix: Matrix, other: ForkServer, at: int) -> str:
    """Freeze a deploy before response `at`, run another one, continue the first, and return its response."""
    matrix.empty()
    with matrix.stopped(at, Direction.ANSWER, TERM) as (wire, frozen):
        assert wire.reached.is_set(), f"no answer {at}"
        frozen.freeze()
        wire.go_on()
        matrix.finish(matrix.start(fork_server=other))
        frozen.thaw()
        assert frozen.wait() == 0
    (answer,) = matrix.answers()
    assert (
        answer["Status"] == "SUCCESS"
        or "another migrator has taken the lease of this one" in answer["Reason"]
    )
    return answer["Status"]


def test_a_holder_changes_nothing_after_its_lease_expired(matrix: Matrix, second: ForkServer) -> None:
    _, expected = matrix.undisturbed()
    for at in range(20, ANSWERS, 36):
        assert freeze(matrix, second, at) == "FAILED", f"frozen at answer {at}"
        assert matrix.state() == expected, f"frozen at answer {at}"


@pytest.mark.slow
def test_frozen_at_every_answer(
    matrix: Matrix, second: ForkServer, capsys: pytest.CaptureFixture[str]
) -> None:
    """A deploy that was frozen after its last write may report success."""
    messages, expected = matrix.undisturbed()
    ends = []
    for at in range(10, min(messages // 2, ANSWERS + 20)):
        ends.append(freeze(matrix, second, at))
        assert matrix.state() == expected, f"frozen at answer {at}"
    with capsys.disabled():
        print(f"\n{len(ends)} times frozen, {ends.count('FAILED')} times another deploy had taken over")
    assert ends.count("FAILED") > ANSWERS // 2
