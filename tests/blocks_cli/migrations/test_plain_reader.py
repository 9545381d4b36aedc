"""PlainReader returns the same as the driver."""

from __future__ import annotations

import datetime as dt
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg.rows import dict_row

from blocks_cli.database.plain_reader import PlainReader
from blocks_runtime import sql
from blocks_runtime.contract import ADMIN_ROLE, Variables
from blocks_runtime.database.target import Target
from blocks_runtime.errors import ConnectionFailed, DatabaseError, FeatureNotSupported
from blocks_runtime.signing import Credentials, token
from lambda_migrator import journal, lease, tables
from local_dsql.tls.certificates import make_authority
from tests.blocks_cli.migrations.conftest import BANK

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from local_dsql import LocalCluster
    from tests.blocks_cli.migrations.conftest import Project


def login(cluster: LocalCluster, *, ca: str | None = None, secret: str | None = None) -> PlainReader | None:
    own = cluster.admin_credentials
    target = Target.of(
        Variables(cluster.endpoint(), cluster.regions[0], ADMIN_ROLE, ca or str(cluster.ca_file))
    )
    keys = Credentials(own.access_key_id, secret or own.secret_access_key, own.session_token)
    return PlainReader.connect(target, token(target.host, target.region, target.role, keys))


@pytest.fixture
def reader(project: Project) -> Iterator[PlainReader]:
    found = login(project.cluster)
    assert found is not None
    yield found
    found.close()


def test_same_rows_as_the_driver(project: Project, reader: PlainReader) -> None:
    project.write(BANK)
    assert project.blocks("up").code == 0
    with psycopg.connect(project.cluster.dsn(), autocommit=True, row_factory=dict_row) as driver:
        driver.execute("SET TimeZone = 'UTC'")
        for query in (journal.READ, lease.FIND, tables.EXISTING):
            assert reader.read(query) == driver.execute(query.text.encode()).fetchall()
    assert [entry.name for entry in journal.read(reader)] == [*BANK]


def test_no_message_waits_for_the_acknowledgement_of_the_one_before(reader: PlainReader) -> None:
    assert reader._wire.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


UNNEEDED = {
    *("psycopg", "asyncio", "logging", "multiprocessing", "concurrent.futures", "http", "email"),
    *("subprocess", "tempfile", "shutil", "zipfile", "difflib", "traceback"),
    *("local_dsql.control.codec", "local_dsql.faults", "local_dsql.engine", "local_dsql.cost"),
    *("local_dsql.access.verifier", "blocks_cli.lambda_", "dsql_dialect.parser"),
}
"""Modules that take longer to load than the database takes to answer."""


def test_status_loads_no_module_that_it_does_not_need(project: Project) -> None:
    project.write(BANK)
    assert project.blocks("up").code == 0
    program = (
        "import sys\nfrom blocks_cli.main import main\n"
        "try:\n    main(['status', '--exit-code'])\n"
        f"finally:\n    print('loaded', *sorted({UNNEEDED!r} & {{*sys.modules}}))"
    )
    asked = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert asked.stdout.splitlines()[-1] == "loaded"


def test_types_and_nulls(reader: PlainReader) -> None:
    query = sql("SELECT 1::smallint AS a, -2::bigint AS b, 'ß🙂' AS c, NULL AS d, true AS e, '' AS f")
    assert reader.read(query) == [{"a": 1, "b": -2, "c": "ß🙂", "d": None, "e": True, "f": ""}]
    assert reader.read(sql("SELECT 1 AS a WHERE false")) == []


def test_a_failed_query_raises_the_runtime_s_error_and_keeps_the_connection(reader: PlainReader) -> None:
    with pytest.raises(FeatureNotSupported) as refused:
        reader.read(sql("TRUNCATE a"))
    assert refused.value.sqlstate == "0A000"
    assert reader.read(sql("SELECT 1 AS a")) == [{"a": 1}]


def test_a_lost_connection_is_an_error(project: Project, reader: PlainReader) -> None:
    project.cluster.stop_region(project.cluster.regions[0])
    try:
        with pytest.raises(DatabaseError) as lost:
            reader.read(sql("SELECT 1 AS a"))
        assert isinstance(lost.value, ConnectionFailed)
    finally:
        project.cluster.start_region(project.cluster.regions[0])


def test_wrong_credentials_and_another_authority_fail_the_login(project: Project, tmp_path: Path) -> None:
    assert login(project.cluster, secret="not-the-secret") is None
    other = tmp_path / "ca.pem"
    other.write_bytes(make_authority("another", dt.datetime.now(dt.UTC)).certificate)
    assert login(project.cluster, ca=str(other)) is None
