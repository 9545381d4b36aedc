"""The cluster that the suite asks, and the score at the end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from local_dsql import LocalCluster
from local_dsql.conformance.facts import cases
from local_dsql.conformance.known import KNOWN
from local_dsql.conformance.options import DEFAULT_DIALECT
from local_dsql.conformance.runner import Runner
from local_dsql.conformance.score import Judge, Score

if TYPE_CHECKING:
    from collections.abc import Iterator

    from _pytest.terminal import TerminalReporter


@pytest.fixture(scope="session")
def given_dsn(pytestconfig: pytest.Config) -> str | None:
    """The cluster named on the command line, None for a local one."""
    dsn: str | None = pytestconfig.getoption("--dsn", default=None)
    return dsn


@pytest.fixture(scope="session")
def runner(
    given_dsn: str | None, pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Runner]:
    """A runner on the cluster."""
    if given_dsn is not None:
        yield from _runner(given_dsn)
        return
    dialect = pytestconfig.getoption("--dialect", default=DEFAULT_DIALECT)
    with LocalCluster(tmp_path_factory.mktemp("conformance"), dialect=dialect) as cluster:
        yield from _runner(cluster.dsn())


def _runner(dsn: str) -> Iterator[Runner]:
    runner = Runner(dsn, cases())
    try:
        yield runner
    finally:
        runner.close()


@pytest.fixture(scope="session")
def judge(given_dsn: str | None) -> Judge:
    """Known divergences excuse the local cluster and no other."""
    return Judge(KNOWN if given_dsn is None else {})


def pytest_terminal_summary(terminalreporter: TerminalReporter) -> None:
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
