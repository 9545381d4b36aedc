"""A cluster that is shared by the tests that do it no harm."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from local_dsql import LocalCluster

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def shared_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCluster]:
    """Two Regions, in a folder whose path has a space."""
    folder = tmp_path_factory.mktemp("shared cluster")
    with LocalCluster(folder, regions=["us-east-1", "us-east-2"]) as cluster:
        yield cluster
