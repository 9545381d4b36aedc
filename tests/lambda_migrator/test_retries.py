"""Transient refusals of DSQL: each is retried until the deadline, and nothing is done twice.

Texts: AWS user guide, "troubleshooting" and "quotas"; recorded 2026-09, eu-central-1.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from blocks_runtime import signing
from blocks_runtime.contract import Access, database_role
from blocks_runtime.database.session import Session, open_session
from blocks_runtime.database.target import Target
from blocks_runtime.errors import ConnectionFailed, ConnectionLimitExceeded, ServerUnavailable
from custom_resource.deadline import Deadline, OutOfTime
from lambda_migrator import admin
from lambda_migrator.admin import AdminConnection
from lambda_migrator.grants import Grant
from lambda_migrator.migrate import migrate
from local_dsql import Fault
from tests.support.ledger_rules import exactly
from tests.support.tls_error_proxy import tls_error_proxy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lambda_migrator.migrate import Outcome
    from tests.lambda_migrator.conftest import Deployment
    from tests.support.tls_error_proxy import Error, TlsErrorProxy

FILES = {
    "001_t": "CREATE TABLE t (id int PRIMARY KEY, n int NOT NULL);",
    "002_rows": "INSERT INTO t SELECT n, 0 FROM generate_series(1, 40) AS n;\nUPDATE t SET n = n + 1;",
    "003_index": "CREATE INDEX ASYNC t_n ON t (n);",
    "004_batch": "-- blocks: batch\nUPDATE t SET n = 9 WHERE id IN (SELECT id FROM t WHERE n = 1 LIMIT 15);",
    "005_column": "ALTER TABLE t ADD COLUMN extra text;",
}
GRANT = Grant(database_role("main", Access.READ_ONLY), Access.READ_ONLY, "arn:aws:iam::123456789012:role/app")
TURNED_AWAY: dict[str, Error] = {
    "too many connections": ("53300", "Unable to accept connection, too many open connections."),
    "too fast": ("53400", "Unable to accept connection, rate exceeded."),
    "waking up": ("08006", "unable to accept connection, waking up cluster, please retry later"),
}
REFUSED: tuple[Error, ...] = (
    ("40001", "change conflicts with another transaction (OC000)"),
    ("40001", "schema has been updated by another transaction (OC001)"),
    ("XX000", "server unavailable"),
)


@pytest.fixture
def guarded(deployment: Deployment) -> Iterator[TlsErrorProxy]:
    deployment.write(FILES)
    with tls_error_proxy(deployment.cluster) as made:
        yield made


def deploy(
    deployment: Deployment, guarded: TlsErrorProxy, seconds: float = 60.0, patience: float = 10.0
) -> Outcome:
    """Deploy once, through the proxy."""
    straight = deployment.target()
    target = Target(straight.host, guarded.port, straight.region, straight.role, straight.ca)
    keys = deployment.admin()._credentials
    with AdminConnection(target, keys, Deadline.after(seconds), connect_patience=patience).open() as admin:
        return migrate(admin, deployment.manifest(), database="main", holder="test", rule=exactly([GRANT]))


def check(deployment: Deployment) -> None:
    """Assert that everything was done once."""
    assert deployment.journal() == [
        ("001_t", 1, "applied", 0),
        ("002_rows", 2, "applied", 80),
        ("003_index", 1, "applied", 0),
        ("004_batch", 1, "applied", 40),
        ("005_column", 1, "applied", 0),
    ]
    assert deployment.rows("SELECT count(*), sum(n) FROM t") == [(40, 360)]
    assert deployment.rows("SELECT arn FROM sys.iam_pg_role_mappings") == [(GRANT.arn,)]
    assert deployment.rows("SELECT count(*) FROM sys.jobs WHERE job_type = 'INDEX_BUILD'") == [(1,)]


@pytest.mark.slow
@pytest.mark.parametrize("error", TURNED_AWAY.values(), ids=TURNED_AWAY)
def test_a_refused_connection_is_retried(
    deployment: Deployment, guarded: TlsErrorProxy, error: Error
) -> None:
    guarded.reject_login = lambda number: error if number <= 6 else None
    deploy(deployment, guarded)
    assert guarded.connections == 7
    check(deployment)


def test_a_host_name_that_resolves_late_is_retried(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As that of an interface endpoint which the same deploy has made."""
    deployment.write(FILES)
    there, tries = deployment.target(), 0

    def arriving(target: Target, token: str, *, until: float) -> Session:
        nonlocal tries
        tries += 1
        if tries <= 3:
            return open_session(target, token, until=until)
        return open_session(there, signing.token(there.host, there.region, there.role, keys()), until=until)

    monkeypatch.setattr(admin, "open_session", arriving)
    keys = deployment.admin()._credentials
    late = Target("late.invalid", there.port, there.region, there.role, there.ca)
    with AdminConnection(late, keys, Deadline.after(60), name_patience=30).open() as waiting:
        migrate(waiting, deployment.manifest(), database="main", holder="test", rule=exactly([GRANT]))
    assert tries == 4
    check(deployment)


def test_refused_for_longer_than_the_patience(deployment: Deployment, guarded: TlsErrorProxy) -> None:
    guarded.reject_login = lambda number: TURNED_AWAY["too fast"]
    began = time.monotonic()
    with pytest.raises(ConnectionLimitExceeded, match="rate exceeded") as caught:
        deploy(deployment, guarded, patience=0.5)
    assert caught.value.attempts == guarded.connections > 1
    assert time.monotonic() - began < 10.0


@pytest.mark.slow
@pytest.mark.parametrize("first", range(1, 12))
def test_refused_requests_are_retried(deployment: Deployment, guarded: TlsErrorProxy, first: int) -> None:
    """Every eleventh request, from each of the first eleven on: so each request of a deploy is refused in a case."""
    guarded.reject_request = lambda number, request: (
        REFUSED[number // 11 % 3] if number % 11 == first % 11 else None
    )
    deploy(deployment, guarded)
    assert guarded.requests > 70
    check(deployment)


def test_refused_repeatedly(
    deployment: Deployment, guarded: TlsErrorProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admin, "MAX_RETRIES", 4)
    guarded.reject_request = lambda number, request: REFUSED[2]
    with pytest.raises(ServerUnavailable, match="server unavailable"):
        deploy(deployment, guarded)
    assert guarded.requests == 5


def test_a_statement_without_any_reply(
    deployment: Deployment, guarded: TlsErrorProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its outcome is looked up each time, and stays unknown at the end."""
    monkeypatch.setattr(admin, "MAX_RETRIES", 4)
    guarded.reject_request = lambda number, request: REFUSED[2] if b"ALTER TABLE" in request else None
    with pytest.raises(ConnectionFailed, match="a DDL statement was sent 5 times, and no reply arrived"):
        deploy(deployment, guarded)
    assert deployment.journal()[4] == ("005_column", 0, "started", 0)
    guarded.reject_request = lambda number, request: None
    deploy(deployment, guarded)
    check(deployment)


def test_refused_until_the_deadline(deployment: Deployment, guarded: TlsErrorProxy) -> None:
    guarded.reject_request = lambda number, request: REFUSED[2] if number > 20 else None
    began = time.monotonic()
    with pytest.raises(OutOfTime):
        deploy(deployment, guarded, seconds=1.5)
    assert time.monotonic() - began < 10.0
    guarded.reject_request = lambda number, request: None
    deploy(deployment, guarded)
    check(deployment)


@pytest.mark.parametrize("fault", [Fault.LOST, Fault.UNKNOWN, Fault.OC000, Fault.OC001])
def test_a_failed_commit_is_looked_up_before_a_retry(deployment: Deployment, fault: Fault) -> None:
    """The rows are changed once, whether the request or the reply was lost: the journal shows it."""
    deployment.write(FILES)
    deployment.cluster.inject(fault, table="t", times=None, every=2)
    deployment.migrate([GRANT])
    check(deployment)
