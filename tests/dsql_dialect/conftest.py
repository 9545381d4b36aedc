"""A plain PostgreSQL 16 for comparisons, shared by the tests of this folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest

from local_dsql.postgres import DataDirectory, Postgres, choose_account, find_binaries

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def postgresql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[psycopg.Connection]:
    folder = tmp_path_factory.mktemp("pg")
    account, binaries, data = choose_account(), find_binaries(), DataDirectory(folder / "data")
    data.create(binaries, account)
    sockets = folder / "run"
    sockets.mkdir(mode=0o700)
    account.own(sockets)
    server = Postgres.start(binaries, data, sockets=sockets, log=folder / "log", account=account)
    try:
        server.wait_until_ready()
        with psycopg.connect(
            host=str(sockets), user="postgres", dbname="postgres", autocommit=True
        ) as connection:
            connection.execute("CREATE TABLE a (v int); CREATE TABLE b (id int); CREATE ROLE app")
            yield connection
    finally:
        server.stop()
