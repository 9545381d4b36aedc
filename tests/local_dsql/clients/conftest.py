"""The cluster for clients: dialect 2026-09, two Regions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest

from local_dsql import LocalCluster

if TYPE_CHECKING:
    from collections.abc import Iterator

    from psycopg.rows import TupleRow

ACCOUNTS = """
CREATE TABLE accounts (
    id int PRIMARY KEY, owner text NOT NULL, balance numeric(12, 2) NOT NULL DEFAULT 0,
    opened timestamptz NOT NULL DEFAULT now(), tags jsonb
)
"""


@pytest.fixture(scope="session")
def dsql_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCluster]:
    with LocalCluster(
        tmp_path_factory.mktemp("clients"),
        regions=["us-east-1", "us-east-2"],
        dialect="2026-09",
    ) as cluster:
        yield cluster


@pytest.fixture
def other(dsql: LocalCluster) -> Iterator[psycopg.Connection[TupleRow]]:
    """A client of the other Region, for conflicts and to read committed rows; creates an empty table `accounts`."""
    with psycopg.connect(dsql.dsn("us-east-2"), autocommit=True) as connection:
        connection.execute(ACCOUNTS.encode())
        yield connection
