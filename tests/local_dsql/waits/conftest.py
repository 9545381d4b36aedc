"""A cluster of its own for the tests of waiting: they open many connections and fill memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from local_dsql import LocalCluster

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="package")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCluster]:
    """A running cluster in the dialect 2026-09."""
    with LocalCluster(tmp_path_factory.mktemp("waits"), dialect="2026-09") as cluster:
        yield cluster


@pytest.fixture
def local(running: LocalCluster) -> LocalCluster:
    """The cluster with an empty database."""
    running.reset()
    running.delay_jobs(0)
    return running
