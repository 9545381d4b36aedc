"""A cluster in the dialect 2026-09 with a plain role, a table of each role and a file that no client may read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from local_dsql import LocalCluster
from tests.local_dsql.differential.wire_session import WireSession
from tests.local_dsql.privileges.session_of_role import ARN, PLAIN, conninfo

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="package")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCluster]:
    """A running cluster."""
    with LocalCluster(tmp_path_factory.mktemp("privileges"), dialect="2026-09") as cluster:
        yield cluster


@pytest.fixture(scope="package")
def november(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCluster]:
    """A running cluster in the dialect 2026-11."""
    with LocalCluster(tmp_path_factory.mktemp("november"), dialect="2026-11") as cluster:
        yield cluster


@pytest.fixture
def prepared(local: LocalCluster) -> LocalCluster:
    """The cluster with an empty database, the role `app`, and the table `mine` that both roles may write."""
    return prepare(local)


@pytest.fixture
def prepared_november(november: LocalCluster) -> LocalCluster:
    """The same in the dialect 2026-11."""
    return prepare(november)


def prepare(local: LocalCluster) -> LocalCluster:
    """Empty the database, and make the role and the tables."""
    local.reset()
    admin = WireSession(local.dsn())
    for sql in (
        f"CREATE ROLE {PLAIN} WITH LOGIN",
        f"AWS IAM GRANT {PLAIN} TO '{ARN}'",
        "CREATE TABLE mine (id int PRIMARY KEY, n int)",
        "INSERT INTO mine VALUES (1, 0), (2, 0)",
        f"GRANT ALL ON mine TO {PLAIN}",
        "CREATE TABLE spy (who text, session text, super text, replication text, place text)",
        f"GRANT ALL ON spy TO {PLAIN}",
    ):
        answer = admin.ask(sql)
        assert not answer.failed, f"{sql}: {answer}"
    admin.close()
    assert conninfo(local, PLAIN)
    return local
