"""One local cluster with two Regions for all isolation tests; each test creates its own tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from local_dsql import LocalCluster

if TYPE_CHECKING:
    from collections.abc import Iterator

REGIONS = ("us-east-1", "us-east-2")


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCluster]:
    """A running cluster in the dialect 2026-09."""
    with LocalCluster(tmp_path_factory.mktemp("isolation"), regions=REGIONS, dialect="2026-09") as running:
        yield running
