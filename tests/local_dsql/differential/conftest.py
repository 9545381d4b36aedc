"""A local cluster, a plain PostgreSQL for the oracle, and the switch that suspends every open transaction."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import pytest

from local_dsql import LocalCluster
from tests.local_dsql.differential.plain_postgres import PlainPostgres

if TYPE_CHECKING:
    from collections.abc import Iterator

SWITCH = "suspend_always"
"""Keyword of `LocalCluster` that suspends every open transaction after every statement."""


@pytest.fixture(scope="session", params=[False, True], ids=["as-needed", "suspend-always"])
def suspend_always(request: pytest.FixtureRequest) -> bool:
    """Return whether every open transaction is suspended after every statement, or only one that is in the way."""
    if request.param and SWITCH not in inspect.signature(LocalCluster).parameters:
        pytest.skip(f"LocalCluster has no {SWITCH}")
    return bool(request.param)


@pytest.fixture(scope="session")
def local(suspend_always: bool, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCluster]:
    """A running cluster in the dialect 2026-09."""
    options: dict[str, Any] = {SWITCH: True} if suspend_always else {}
    with LocalCluster(tmp_path_factory.mktemp("differential"), dialect="2026-09", **options) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def plain() -> Iterator[PlainPostgres]:
    """A plain PostgreSQL, of which each oracle drops what the one before has left."""
    server = PlainPostgres()
    yield server
    server.close()
