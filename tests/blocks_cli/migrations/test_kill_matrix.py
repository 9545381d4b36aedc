"""A deploy killed, or its connections broken, before and after every message between it and the cluster.

After every interruption the final state equals that of an uninterrupted deploy: schema, data, journal, roles,
privileges and mappings. See `docs/migrations.md` for the figure.
"""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.blocks_cli.migrations import figure
from tests.blocks_cli.migrations.kill_matrix import FILES, LEAST, PHASES, Interruption, Matrix
from tests.support.cloudformation_stub import response_server
from tests.support.migrator_fork_server import start_fork_server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.blocks_cli.migrations.conftest import Project
    from tests.support.cloudformation_stub import CloudFormationStub
    from tests.support.migrator_fork_server import ForkServer

DOCS = Path(__file__).parents[3] / "docs"


@pytest.fixture(scope="module")
def fork_server() -> Iterator[ForkServer]:
    with start_fork_server() as started:
        yield started


@pytest.fixture
def inbox() -> Iterator[CloudFormationStub]:
    with response_server() as started:
        yield started


@pytest.fixture
def matrix(project: Project, fork_server: ForkServer, inbox: CloudFormationStub) -> Matrix:
    return Matrix(project, fork_server, inbox)


def test_some_points(matrix: Matrix) -> None:
    messages, expected = matrix.undisturbed()
    assert messages > LEAST
    for number, at in enumerate(range(9, LEAST, LEAST // 10)):
        phase = matrix.interrupt(at, Interruption.TEAR if number % 3 == 2 else Interruption.KILL)
        assert phase is not None, f"no message {at}"
        assert matrix.state() == expected, f"interrupted at message {at}, {phase}"


@pytest.mark.slow
def test_every_point(matrix: Matrix, capsys: pytest.CaptureFixture[str]) -> None:
    """About 1,200 deploys; with BLOCKS_WRITE_DOCS set, they draw the figure of the docs."""
    messages, expected = matrix.undisturbed()
    points = {how: Counter[str]() for how in Interruption}
    faults: list[str] = []
    for at in range(1, messages + 1):
        for how, counted in points.items():
            phase, fault = _point(matrix, at, how, expected)
            if fault:
                faults.append(fault)
                with capsys.disabled():
                    print(f"\n{fault}")
            if phase:
                counted[phase] += 1
    killed, torn = (sum(counted.values()) for counted in points.values())
    with capsys.disabled():
        print(
            f"\n{killed + torn} interruptions over {len(FILES)} migrations and what surrounds them: "
            f"{killed} kills, {torn} torn connections; {len(faults)} ended differently"
        )
    assert not faults
    assert min(killed, torn) >= LEAST
    assert all(counted[phase] for counted in points.values() for phase in PHASES)
    if "BLOCKS_WRITE_DOCS" in os.environ:
        drawn = figure.draw(PHASES, points[Interruption.KILL], points[Interruption.TEAR])
        (DOCS / "kill-matrix.svg").write_text(drawn, "utf-8")


def _point(
    matrix: Matrix, at: int, how: Interruption, expected: list[object]
) -> tuple[str | None, str | None]:
    """Return the interrupted phase, and the error if there was one."""
    try:
        phase = matrix.interrupt(at, how)
    except AssertionError as error:
        return None, f"{how.value} at message {at}: {error}"
    left = matrix.state()
    wrong = [f"{got} is not {want}" for got, want in zip(left, expected, strict=True) if got != want]
    return phase, f"{how.value} at message {at}, {phase}: {'; '.join(wrong)}" if wrong else None
