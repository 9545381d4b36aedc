"""Fixtures of the suite, and the score at the end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from local_dsql import LocalCluster
from local_dsql.conformance.facts_reader import cases
from local_dsql.conformance.known import KNOWN_DIVERGENCES
from local_dsql.conformance.options import DEFAULT_DIALECT
from local_dsql.conformance.runner import Runner
from local_dsql.conformance.score import DivergenceCheck, Score
from local_dsql.conformance.session import ClusterUnderTest, ConformanceError

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def target(
    pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ClusterUnderTest]:
    """The cluster of `--dsn`, or a local one."""
    dsn = pytestconfig.getoption("--dsn", default=None)
    if dsn is not None:
        yield ClusterUnderTest.at(dsn)
        return
    dialect = pytestconfig.getoption("--dialect", default=DEFAULT_DIALECT)
    with LocalCluster(tmp_path_factory.mktemp("conformance"), dialect=dialect) as cluster:
        yield ClusterUnderTest(cluster.dsn(), local=True)


@pytest.fixture(scope="session")
def runner(target: ClusterUnderTest) -> Iterator[Runner]:
    """A runner for the cluster."""
    try:
        runner = Runner(target, cases())
    except ConformanceError as error:
        pytest.exit(str(error), returncode=pytest.ExitCode.USAGE_ERROR)
    yield runner
    runner.close()


@pytest.fixture(scope="session")
def check(target: ClusterUnderTest) -> DivergenceCheck:
    """The check of differences; known divergences apply to a local cluster only."""
    return DivergenceCheck(KNOWN_DIVERGENCES if target.local else {})


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the score."""
    reports = (
        report
        for outcome in ("passed", "failed", "xfailed")
        for report in terminalreporter.getreports(outcome)
        if isinstance(report, pytest.TestReport) and report.when == "call"
    )
    score = Score.of(reports)
    if score.cases:
        terminalreporter.section("conformance")
        for line in score.lines():
            terminalreporter.line(line)
