"""One migrator at a time: taking, renewing and losing the lease."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from blocks_runtime import sql
from custom_resource.deadline import OutOfTime
from lambda_migrator import lease
from lambda_migrator.errors import MigrationFailedError
from lambda_migrator.lease import acquire, holder_of

if TYPE_CHECKING:
    from blocks_runtime.database.session import Session
    from tests.lambda_migrator.conftest import Deployment


@pytest.fixture
def prepared(deployment: Deployment) -> Deployment:
    """Leave the migrator's tables behind, and a free lease."""
    deployment.write({"001_t": "CREATE TABLE t (id int PRIMARY KEY);"})
    deployment.migrate()
    return deployment


def expire(deployment: Deployment) -> None:
    deployment.run("UPDATE _migrations_lock SET expires_at = now() - interval '1 second'")


def test_the_holder_and_since_when(prepared: Deployment) -> None:
    with prepared.admin().open() as admin:
        assert holder_of(admin) is None
        held = acquire(admin, "deploy 7")
        assert str(holder_of(admin)).startswith("deploy 7 since 20")
        held.release(admin)
        assert holder_of(admin) is None


def test_the_same_run_continues_at_once(prepared: Deployment) -> None:
    with prepared.admin().open() as admin:
        first = acquire(admin, "deploy 7")
        assert acquire(admin, "deploy 7").token == first.token + 1


def test_a_running_holder_is_waited_for_and_a_dead_one_is_not(prepared: Deployment) -> None:
    with prepared.admin().open() as admin, prepared.admin(seconds=1.0).open() as other:
        acquire(admin, "first")
        with pytest.raises(OutOfTime):
            acquire(other, "second")
    expire(prepared)
    with prepared.admin().open() as other:
        assert acquire(other, "second").token > 1


def test_two_first_migrators_insert_the_row_at_once(
    prepared: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second one found no row, and its INSERT is refused with SQLSTATE 23505."""
    find, take, attempts = lease.FIND, lease._take, 0

    def too_early(*arguments: Any) -> object:
        nonlocal attempts
        attempts += 1
        monkeypatch.setattr(lease, "FIND", sql(f"{find.text} AND false" if attempts == 1 else find.text))
        return take(*arguments)

    monkeypatch.setattr(lease, "_take", too_early)
    with prepared.admin().open() as admin:
        assert acquire(admin, "second").token > 1
    assert attempts == 2


def test_a_migrator_without_the_lease_cannot_write(prepared: Deployment) -> None:
    with prepared.admin().open() as one, prepared.admin().open() as two:
        lost = acquire(one, "one")
        expire(prepared)
        acquire(two, "two")
        with pytest.raises(MigrationFailedError, match="another migrator has taken the lease"):
            one.write(lost.fence)
        with pytest.raises(MigrationFailedError, match="another migrator has taken the lease"):
            lost.release(one)


def test_a_lease_taken_during_a_transaction(prepared: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lease changed hands after the fence: DSQL refuses the COMMIT, and the rerun meets the fence."""
    with prepared.admin().open() as one, prepared.admin().open() as two:
        lost = acquire(one, "one")
        expire(prepared)
        runs = 0

        def work(session: Session) -> None:
            nonlocal runs
            runs += 1
            lost.fence(session)
            session.run(sql("INSERT INTO t VALUES (1)"))
            if runs == 1:
                acquire(two, "two")

        with pytest.raises(MigrationFailedError, match="another migrator has taken the lease"):
            one.write(work)
    assert runs == 2
    assert prepared.rows("SELECT count(*) FROM t") == [(0,)]


def test_a_lease_is_renewed_before_it_expires(prepared: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    with prepared.admin().open() as admin:
        held = acquire(admin, "one")
        before = prepared.rows("SELECT expires_at FROM _migrations_lock")
        held.renew_if_due(admin)
        assert prepared.rows("SELECT expires_at FROM _migrations_lock") == before
        monkeypatch.setattr(lease, "TERM", 0.0)
        held.renew_if_due(admin)
        assert prepared.rows("SELECT expires_at FROM _migrations_lock") != before
