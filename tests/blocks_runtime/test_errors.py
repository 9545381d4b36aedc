"""The error tree: classified by SQLSTATE, picklable, drawn as it is."""

from __future__ import annotations

import inspect
import pickle

import psycopg
import pytest

from blocks_runtime import errors
from blocks_runtime.classification import classify, translate
from blocks_runtime.errors import DatabaseError, DistributedDatabaseErrors, is_blocks_error

CLASSES = [each for _, each in inspect.getmembers(errors, inspect.isclass) if issubclass(each, DatabaseError)]

# SQLSTATE, DSQL's text, class. Texts as recorded 2026-09 or listed in the AWS user guide.
KNOWN: list[tuple[str | None, str, type[DatabaseError]]] = [
    ("40001", "change conflicts with another transaction (OC000)", errors.SerializationFailure),
    ("40001", "schema has been updated by another transaction (OC001)", errors.SerializationFailure),
    ("23505", "duplicate key value violates unique constraint", errors.UniqueConstraintViolation),
    ("23503", "violates foreign key constraint", errors.ForeignKeyViolation),
    ("23502", "null value in column", errors.NotNullViolation),
    ("23514", "violates check constraint", errors.CheckViolation),
    ("25P02", "current transaction is aborted", errors.TransactionAborted),
    ("42501", "permission denied for table t", errors.PermissionDenied),
    ("42601", "syntax error", errors.QueryFailed),
    ("0A000", "unsupported statement: Truncate", errors.FeatureNotSupported),
    ("54000", "transaction row limit exceeded", errors.TransactionRowLimitExceeded),
    ("54000", "transaction size limit 10mb exceeded", errors.TransactionSizeLimitExceeded),
    ("54000", "transaction age limit of 300s exceeded", errors.TransactionAgeLimitExceeded),
    ("54000", "maximum row size exceeded", errors.LimitExceeded),
    ("53200", "query requires too much temp space, out of memory.", errors.LimitExceeded),
    ("53300", "Unable to accept connection, too many open connections.", errors.ConnectionLimitExceeded),
    ("53400", "Unable to accept connection, rate exceeded.", errors.ConnectionLimitExceeded),
    ("XX000", "server unavailable", errors.ServerUnavailable),
    ("XX000", "internal error", errors.QueryFailed),
    ("28000", "role is not permitted to log in", errors.AccessDenied),
    ("08006", "connection failure", errors.ConnectionFailed),
    ("57P01", "terminating connection", errors.ConnectionFailed),
    ("57014", "canceling statement", errors.QueryFailed),
    (None, "FATAL:  unable to accept connection, access denied", errors.AccessDenied),
    (None, "FATAL:  Unable to accept connection, rate exceeded.", errors.ConnectionLimitExceeded),
    (None, "something else", errors.QueryFailed),
]


RETRYABLE = {"SerializationFailure", "ServerUnavailable", "ConnectionFailed", "ConnectionLimitExceeded"}


@pytest.mark.parametrize(("sqlstate", "text", "kind"), KNOWN)
def test_classification(sqlstate: str | None, text: str, kind: type[DatabaseError]) -> None:
    assert classify(sqlstate, text) is kind


def test_what_may_be_run_again() -> None:
    assert {kind.__name__ for kind in CLASSES if kind.retryable} == RETRYABLE
    assert [kind for kind in CLASSES if kind.commit_unknown] == [errors.CommitOutcomeUnknown]


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (errors.SerializationFailure, DistributedDatabaseErrors.SerializationFailure),
        (errors.UniqueConstraintViolation, DistributedDatabaseErrors.UniqueConstraintViolation),
        (errors.TransactionRowLimitExceeded, DistributedDatabaseErrors.TransactionRowLimitExceeded),
        (errors.AccessDenied, DistributedDatabaseErrors.ConnectionFailed),
        (errors.CommitOutcomeUnknown, DistributedDatabaseErrors.TransactionFailed),
        (errors.CheckViolation, DistributedDatabaseErrors.QueryFailed),
    ],
)
def test_names_of_blocks_for_typescript(kind: type[DatabaseError], name: str) -> None:
    assert is_blocks_error(kind("x"), name)
    assert not is_blocks_error(ValueError("x"), name)
    assert name.endswith("Exception")


@pytest.mark.parametrize(
    ("text", "retryable"),
    [
        (
            "connection failed: FATAL: unable to accept connection, waking up cluster, please retry later",
            True,
        ),
        ("connection failed: server closed the connection unexpectedly", True),
        ("connection failed: SSL error: certificate verify failed", False),
        ('connection failed: server certificate for "x" does not match host name "y"', False),
        ("connection failed: Connection refused", False),
        ("[Errno -2] could not translate host name", False),
    ],
)
def test_waiting_helps_with_some_failures_to_connect(text: str, retryable: bool) -> None:
    assert translate(psycopg.OperationalError(text), lost=True).retryable is retryable


def test_torn_connection_wins_over_its_last_words() -> None:
    assert type(translate(psycopg.OperationalError("half a message"), lost=True)) is errors.ConnectionFailed


@pytest.mark.parametrize("kind", CLASSES)
def test_picklable(kind: type[DatabaseError]) -> None:
    error = kind("what", sqlstate="40001", detail="d", constraint="c", table="t", retryable=True)
    error.attempts = 4
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is kind
    assert vars(again) == vars(error)
    assert str(again) == "what (SQLSTATE 40001) after 4 attempts"


def test_the_drawing_is_the_tree() -> None:
    """Indentation in the module's docstring says who descends from whom; compare with the classes."""
    drawn: list[tuple[str, str]] = []
    above: list[tuple[int, str]] = []
    for line in (errors.__doc__ or "").splitlines():
        name = line.strip(" │├└─").split(" ")[0]
        if not hasattr(errors, name) or not line.startswith("    "):
            continue
        depth = line.index(name)
        above = [each for each in above if each[0] < depth]
        drawn.append((name, above[-1][1] if above else "Exception"))
        above.append((depth, name))
    assert sorted(drawn) == sorted((each.__name__, each.__mro__[1].__name__) for each in CLASSES)
