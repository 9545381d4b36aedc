"""A cluster for the tests that do it no harm, and a folder for those that start and stop one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from local_dsql import LocalCluster
from tests.support.processes import processes_of, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def shared_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCluster]:
    """Two Regions, in a folder whose path has a space."""
    folder = tmp_path_factory.mktemp("shared cluster")
    with LocalCluster(folder, regions=["us-east-1", "us-east-2"]) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def stopped_cluster(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cluster that was started once: that is quicker than to make one for each test."""
    folder = tmp_path_factory.mktemp("own cluster")
    with LocalCluster(folder):
        return folder


@pytest.fixture
def folder(stopped_cluster: Path) -> Iterator[Path]:
    """A cluster that is not running, with whatever data; a process left running in it fails the test."""
    yield stopped_cluster
    wait_until(lambda: not processes_of(stopped_cluster), timeout=5)
