"""One cluster for all tests of the front; each test makes tables of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.local_dsql.front.cluster import Cluster

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A running cluster in the dialect 2026-09."""
    running = Cluster()
    yield running
    running.close()
