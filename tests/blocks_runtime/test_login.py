"""Login to the local database: refused tokens, the errors, and no token in any output."""

from __future__ import annotations

import logging
import time
import traceback
from typing import TYPE_CHECKING

import pytest

from blocks_runtime import DistributedDatabase, errors, signing, sql
from blocks_runtime.contract import ADMIN_ROLE
from local_dsql import Permission
from tests.blocks_runtime.conftest import ARN, ROLE

if TYPE_CHECKING:
    from local_dsql import LocalCluster

ANSWER = sql("SELECT {x}::text AS x, current_user::text AS role", x="a parameter")
ADMIN_ARN = "arn:aws:iam::123456789012:role/operator"


def keys_of(cluster: LocalCluster, patch: pytest.MonkeyPatch, arn: str, *actions: str) -> None:
    """Sign with the credentials of an IAM role that may do these actions."""
    keys = cluster.identity(arn, [Permission(action, cluster.arn()) for action in actions])
    patch.setenv("AWS_ACCESS_KEY_ID", keys.access_key_id)
    patch.setenv("AWS_SECRET_ACCESS_KEY", keys.secret_access_key)
    patch.setenv("AWS_SESSION_TOKEN", keys.session_token or "")


def clock_off_by(seconds: float, patch: pytest.MonkeyPatch) -> None:
    """Set the clock of the signer only."""
    right = time.gmtime
    shifted = lambda at: right((time.time() if at is None else at) + seconds)  # noqa: E731
    patch.setattr("blocks_runtime.signing.time.gmtime", shifted)


def test_a_custom_role_logs_in_with_db_connect(db: DistributedDatabase) -> None:
    assert db.query_one(ANSWER) == {"x": "a parameter", "role": ROLE}


def test_admin_needs_the_action_for_admin(
    cluster: LocalCluster, function: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BLOCKS_MAIN_ROLE", ADMIN_ROLE)
    keys_of(cluster, monkeypatch, ADMIN_ARN, "dsql:DbConnectAdmin")
    with DistributedDatabase("main") as db:
        assert db.query_one(ANSWER) == {"x": "a parameter", "role": ADMIN_ROLE}
    keys_of(cluster, monkeypatch, ARN, "dsql:DbConnect")
    with DistributedDatabase("main") as db, pytest.raises(errors.AccessDenied, match="grant_connect"):
        db.query_one(ANSWER)


@pytest.mark.parametrize(
    ("seconds", "says"),
    [(-3600, "Signature expired.*clock of this"), (3600, "Signature not yet current.*clock of this")],
)
def test_a_clock_with_an_error_of_an_hour(
    db: DistributedDatabase, monkeypatch: pytest.MonkeyPatch, seconds: float, says: str
) -> None:
    clock_off_by(seconds, monkeypatch)
    with pytest.raises(errors.AccessDenied, match=says) as denied:
        db.query_one(ANSWER)
    assert not denied.value.retryable


@pytest.mark.parametrize("seconds", [-800, 250])
def test_a_clock_with_an_error_of_minutes_works(
    db: DistributedDatabase, monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    """A token is good for 15 minutes, and services let a signer's clock run ahead by five."""
    clock_off_by(seconds, monkeypatch)
    assert db.query_one(ANSWER)


@pytest.mark.parametrize(
    ("lambda_function", "expected"), [("Shop-Orders", "Shop-Orders"), (None, "blocks-dsql")]
)
def test_a_connection_has_the_name_of_its_function(
    db: DistributedDatabase, monkeypatch: pytest.MonkeyPatch, lambda_function: str | None, expected: str
) -> None:
    """Database Insights slices the load by it."""
    monkeypatch.delenv("AWS_LAMBDA_FUNCTION_NAME", raising=False)
    if lambda_function:
        monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", lambda_function)
    assert db.query(sql("SHOW application_name")) == [{"application_name": expected}]


def test_a_connection_outlives_its_token(db: DistributedDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is looked at when a connection is opened; a new one is signed for each, so that none is ever too old."""
    made: list[str] = []
    sign = signing.token

    def remember(*args: object, **options: object) -> str:
        made.append(sign(*args, **options))  # type: ignore[arg-type]
        return made[-1]

    monkeypatch.setattr(signing, "token", remember)
    db.query(ANSWER)
    db.query(ANSWER)
    db.close()
    clock_off_by(-60, monkeypatch)
    db.query(ANSWER)
    assert len(made) == 2
    assert made[0] != made[1]


def test_tokens_and_parameters_are_not_shown(
    db: DistributedDatabase, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Everything that logs is listened to at its loudest; errors are printed with all their causes."""
    caplog.set_level(logging.DEBUG)
    made: list[str] = []
    sign = signing.token

    def remember(*args: object, **options: object) -> str:
        made.append(sign(*args, **options))  # type: ignore[arg-type]
        return made[-1]

    monkeypatch.setattr(signing, "token", remember)
    secret = "s3cret-parameter"
    told = [repr(db), repr(sql("SELECT {x}", x=secret))]
    db.transaction(lambda tx: tx.query(sql("SELECT {x}::text", x=secret)))
    for broken in (sql("SELECT {x}::int", x=secret), sql("SELEC {x}", x=secret)):
        with pytest.raises(errors.QueryFailed) as failure:
            db.query(broken)
        told += ["".join(traceback.format_exception(failure.value)), repr(failure.value)]
    db.close()
    monkeypatch.setenv("BLOCKS_MAIN_ROLE", "unknown")
    with pytest.raises(errors.AccessDenied) as denied:
        db.query(ANSWER)
    told += ["".join(traceback.format_exception(denied.value)), *map(str, caplog.records), caplog.text]
    assert denied.tb.tb_next is not None, "the frames below this one"
    frames = traceback.TracebackException(denied.type, denied.value, denied.tb.tb_next, capture_locals=True)
    told += frames.format()
    assert len(made) == 2
    for hidden in (secret, *made, *(token.rpartition("=")[2] for token in made)):
        assert all(hidden not in text for text in told)
