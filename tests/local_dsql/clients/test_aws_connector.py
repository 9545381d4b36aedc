"""AWS's connector for psycopg, unmodified, with the host name that the cluster would have on AWS."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import aurora_dsql_psycopg as connector
import psycopg
import pytest

from local_dsql import Permission
from tests.support.aws_environment import environment, host

if TYPE_CHECKING:
    from psycopg.rows import TupleRow

    from local_dsql import Credentials, LocalCluster

    Connection = psycopg.Connection[TupleRow]

ROLE = "arn:aws:iam::000000000000:role/app"


def become(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize("region", ["us-east-1", "us-east-2"])
@pytest.mark.parametrize("tls", ["postgres", "direct"])
def test_connection(
    dsql_cluster: LocalCluster, monkeypatch: pytest.MonkeyPatch, region: str, tls: str
) -> None:
    become(monkeypatch, environment(dsql_cluster, region))
    with connector.connect(host(dsql_cluster, region), sslnegotiation=tls) as connection:
        row = connection.execute("SELECT current_user, %s::int", (7,)).fetchone()
        assert row == ("admin", 7)
        assert connection.pgconn.ssl_in_use
        assert connection.info.host == host(dsql_cluster, region)


def test_identifier_is_enough(dsql_cluster: LocalCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    become(monkeypatch, environment(dsql_cluster))
    with connector.connect(dsql_cluster.identifier, region="us-east-1") as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def app_credentials(cluster: LocalCluster, other: Connection) -> Credentials:
    other.execute("CREATE ROLE app WITH LOGIN")
    other.execute(f"AWS IAM GRANT app TO '{ROLE}'".encode())
    other.execute("GRANT SELECT ON accounts TO app")
    return cluster.identity(ROLE, [Permission("dsql:DbConnect", cluster.arn())])


def test_role_of_an_application(
    dsql: LocalCluster, other: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    become(monkeypatch, environment(dsql, credentials=app_credentials(dsql, other)))
    with connector.connect(host(dsql), user="app") as connection:
        assert connection.execute("SELECT count(*) FROM accounts").fetchone() == (0,)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("DELETE FROM accounts")
    with pytest.raises(psycopg.OperationalError, match="access denied"):
        connector.connect(host(dsql), user="admin")


def test_pool_whose_transactions_compete(
    dsql: LocalCluster, other: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    other.execute("INSERT INTO accounts VALUES (1, 'one')")
    become(monkeypatch, environment(dsql))

    def add(connection: Connection) -> None:
        row = connection.execute("SELECT balance FROM accounts WHERE id = 1").fetchone()
        assert row is not None
        connection.execute("UPDATE accounts SET balance = %s WHERE id = 1", (row[0] + 1,))

    retry = connector.OCCRetryConfig(max_retries=100)
    with connector.create_pool(
        kwargs={"host": host(dsql)}, min_size=3, max_size=3, open=False, retry=retry
    ) as pool:
        with ThreadPoolExecutor(3) as threads:
            list(threads.map(lambda _: pool.run_transaction(add), range(12)))
    assert other.execute("SELECT balance FROM accounts").fetchone() == (12,)


def test_it_retries_an_injected_conflict(
    dsql: LocalCluster, other: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    become(monkeypatch, environment(dsql))
    dsql.inject("OC001", table="accounts", region="us-east-1")

    async def main() -> int:
        attempts = 0

        async def insert(connection: psycopg.AsyncConnection[TupleRow]) -> None:
            nonlocal attempts
            attempts += 1
            await connection.execute("INSERT INTO accounts VALUES (1, 'one')")

        async with connector.create_async_pool(
            kwargs={"host": host(dsql)}, min_size=1, open=False, retry=True
        ) as pool:
            await pool.run_transaction(insert)
        return attempts

    assert asyncio.run(main()) == 2
    assert [(each.code, each.injected) for each in dsql.conflicts()] == [("OC001", True)]
