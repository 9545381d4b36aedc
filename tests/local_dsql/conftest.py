"""A shared running cluster, and a folder for tests that start and stop a cluster."""

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
    """A cluster with two Regions, in a folder whose path has a space."""
    folder = tmp_path_factory.mktemp("shared cluster")
    with LocalCluster(folder, regions=["us-east-1", "us-east-2"]) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def stopped_cluster(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a cluster that was started once, which saves the time to create one per test."""
    folder = tmp_path_factory.mktemp("own cluster")
    with LocalCluster(folder):
        return folder


@pytest.fixture
def folder(stopped_cluster: Path) -> Iterator[Path]:
    """A stopped cluster with arbitrary data; a process that a test leaves running fails the test."""
    yield stopped_cluster
    wait_until(lambda: not processes_of(stopped_cluster), timeout=5)
