"""One MiniStack and one local DSQL in two Regions for a module, and the table of steps at the end of the run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from local_dsql import LocalCluster
from tests.cloudformation import servers
from tests.cloudformation.app import HOME, PEER
from tests.cloudformation.local_clusters import LocalClusters, serve
from tests.cloudformation.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterator

TABLE = Table()


@pytest.fixture(scope="session")
def table() -> Table:
    """The table of steps that is printed at the end."""
    return TABLE


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if TABLE.steps:
        terminalreporter.section("CloudFormation of MiniStack")
        for line in TABLE.lines():
            terminalreporter.write_line(line)


@pytest.fixture(scope="module")
def clusters(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalClusters]:
    with LocalCluster(tmp_path_factory.mktemp("dsql"), regions=[HOME, PEER]) as cluster:
        yield LocalClusters(cluster)


@pytest.fixture(scope="module")
def ministack(
    clusters: LocalClusters, table: Table, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[servers.MiniStack]:
    if not servers.PYTHON.exists():
        pytest.skip(
            "MiniStack is not installed; run `make cloudformation`, which installs it into .venv-ministack"
        )
    folder = tmp_path_factory.mktemp("ministack")
    with serve(clusters) as url, servers.ministack(folder, url, clusters.authority) as running:
        with table.step("cdk bootstrap, two Regions") as step:
            done = running.bootstrap()
            assert done.code == 0, done.output
            step.result = "done"
        yield running
