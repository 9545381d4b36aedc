"""One `AtomicTable` on each of its stores: the local DynamoDB, and a table of the local Aurora DSQL."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from blocks_runtime import AsyncAtomicTable, AsyncDistributedDatabase, AtomicTable, DistributedDatabase
from blocks_runtime.atomic_table.rows import schema
from blocks_runtime.contract import TableVariables
from tests.support import queries

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from local_dsql import LocalCluster
    from local_dynamodb import LocalDynamo

    Scene = Callable[[AsyncAtomicTable], Awaitable[None]]

STORES = ("dynamodb", "dsql")
TABLE = "items_of_table"


@pytest.fixture
def dynamodb_table(dynamo: LocalDynamo, monkeypatch: pytest.MonkeyPatch) -> Iterator[AtomicTable]:
    """A table in the local DynamoDB, as a function with `grant_read_write` has it."""
    dynamo.create_table(TABLE)
    variables = dynamo.environment() | TableVariables(TABLE, "us-east-1").environment("locks")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with AtomicTable("locks") as table:
        yield table


@pytest.fixture(scope="session")
def table_in_cluster(cluster: LocalCluster) -> LocalCluster:
    """The cluster with the table of items, and the rights on it."""
    queries.run(cluster.dsn(), schema(TABLE), f"GRANT SELECT, INSERT, UPDATE, DELETE ON {TABLE} TO app")
    return cluster


@pytest.fixture
def dsql_table(table_in_cluster: LocalCluster, function: None) -> Iterator[AtomicTable]:
    """A table of the local Aurora DSQL."""
    queries.run(table_in_cluster.dsn(), f"DELETE FROM {TABLE}")
    with DistributedDatabase("main") as database, AtomicTable(TABLE, database=database) as table:
        yield table


@pytest.fixture(params=STORES)
def table(request: pytest.FixtureRequest) -> AtomicTable:
    """The table on each store."""
    made: AtomicTable = request.getfixturevalue(f"{request.param}_table")
    return made


async def play(scene: Scene, store: str) -> None:
    if store == "dynamodb":
        async with AsyncAtomicTable("locks") as table:
            await scene(table)
    else:
        async with AsyncDistributedDatabase("main") as database:
            await scene(AsyncAtomicTable(TABLE, database=database))


@pytest.fixture(params=STORES)
def run(request: pytest.FixtureRequest) -> Callable[[Scene], None]:
    """Return a function that runs a scene with a table on one of the stores."""
    request.getfixturevalue(f"{request.param}_table")
    return lambda scene: asyncio.run(play(scene, request.param))
