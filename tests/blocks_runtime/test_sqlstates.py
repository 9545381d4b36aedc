"""Every known SQLSTATE and error text of Aurora DSQL, and its classification."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import psycopg
import pytest

from blocks_runtime import errors
from blocks_runtime.database.classification import _without_quotes, classify, translate
from dsql_dialect import RULES
from local_dsql.conformance.cases import Refusal
from local_dsql.conformance.facts_reader import cases

if TYPE_CHECKING:
    from blocks_runtime.errors import DatabaseError


class Known(NamedTuple):
    """A SQLSTATE (None at connect, where libpq has none), a text, the class, and whether it may be run again."""

    sqlstate: str | None
    text: str
    kind: type[DatabaseError]
    retryable: bool = False


# Texts as recorded of a cluster in September 2026, or listed in the AWS user guide ("quotas", "troubleshooting").
KNOWN = [
    Known("08P01", "FATAL: invalid message length", errors.LimitExceeded),
    Known("08006", "connection failure", errors.ConnectionFailed, True),
    Known("08001", "could not connect", errors.ConnectionFailed, True),
    Known("0A000", "unsupported statement: Truncate", errors.FeatureNotSupported),
    Known("0A000", "ddl and dml are not supported in the same transaction", errors.FeatureNotSupported),
    Known("22021", "invalid byte sequence for encoding", errors.QueryFailed),
    Known("22023", "NUMERIC precision 1001 must be between 1 and 1000", errors.QueryFailed),
    Known("22P02", "Unable to convert text to UUID", errors.QueryFailed),
    Known("23502", "null value in column violates not-null constraint", errors.NotNullViolation),
    Known("23503", "violates foreign key constraint", errors.ForeignKeyViolation),
    Known("23505", "duplicate key value violates unique constraint", errors.UniqueConstraintViolation),
    Known("23514", "violates check constraint", errors.CheckViolation),
    Known("25P02", "current transaction is aborted, commands ignored until …", errors.TransactionAborted),
    Known("2D000", "invalid transaction termination", errors.QueryFailed),
    Known("28000", "unable to accept connection, access denied", errors.AccessDenied),
    Known("08P01", "unable to accept connection, access denied", errors.AccessDenied),
    Known("28P01", "password authentication failed", errors.AccessDenied),
    Known("40001", "change conflicts with another transaction (OC000)", errors.SerializationFailure, True),
    Known(
        "40001", "schema has been updated by another transaction (OC001)", errors.SerializationFailure, True
    ),
    Known("40001", "mutation conflicts with another transaction", errors.SerializationFailure, True),
    Known("42501", "permission denied for table t", errors.PermissionDenied),
    Known("42601", 'syntax error at or near "."', errors.QueryFailed),
    Known("42704", 'type "serial" does not exist', errors.QueryFailed),
    Known("42710", 'role "x" already exists', errors.QueryFailed),
    Known("42804", "attribute 1 of type record has wrong type", errors.QueryFailed),
    Known("42809", "sys.wait_for_job(text) is a procedure", errors.QueryFailed),
    Known("42883", "function x() does not exist", errors.QueryFailed),
    Known("42P01", 'relation "t" does not exist', errors.QueryFailed),
    Known("42P17", "functions in index expression must be marked IMMUTABLE", errors.QueryFailed),
    Known("53100", "Current cluster size exceeds cluster size limit.", errors.LimitExceeded),
    Known("53200", "query requires too much temp space, out of memory.", errors.LimitExceeded),
    Known(
        "53300",
        "Unable to accept connection, too many open connections.",
        errors.ConnectionLimitExceeded,
        True,
    ),
    Known("53400", "Unable to accept connection, rate exceeded.", errors.ConnectionLimitExceeded, True),
    Known("54000", "transaction row limit exceeded", errors.TransactionRowLimitExceeded),
    Known("54000", "transaction size limit 10mb exceeded", errors.TransactionSizeLimitExceeded),
    Known("54000", "transaction age limit of 300s exceeded", errors.TransactionAgeLimitExceeded),
    Known("54000", "query requires more than allowed temp space of 131072 KB", errors.LimitExceeded),
    Known("54000", "maximum row size exceeded", errors.LimitExceeded),
    Known("54000", "more than 10 schemas not allowed", errors.LimitExceeded),
    Known("54000", "creating more than 1000 tables not allowed", errors.LimitExceeded),
    Known("54000", "key size too large", errors.LimitExceeded),
    Known("54011", "more than 8 column keys in an index are not supported", errors.LimitExceeded),
    Known("55000", 'index "x" is not valid', errors.QueryFailed),
    Known("57014", "canceling statement due to user request", errors.QueryFailed),
    Known("57P01", "terminating connection due to administrator command", errors.ConnectionFailed, True),
    Known("57P03", "the database system is starting up", errors.ConnectionFailed, True),
    Known("XX000", "server unavailable", errors.ServerUnavailable, True),
    Known("XX000", "internal error", errors.QueryFailed),
    Known(None, "something else", errors.QueryFailed),
]

# What libpq and DSQL say when no connection comes about: the class, whether waiting helps, a part of the way out.
REFUSED = {
    "FATAL: unable to accept connection, access denied": (errors.AccessDenied, False, "grant_connect"),
    "FATAL: unable to accept connection, access denied HINT: Signature expired: 20260101T000000Z is now earlier": (
        errors.AccessDenied,
        False,
        "clock",
    ),
    "access denied HINT: Signature not yet current: 20260101T000000Z": (errors.AccessDenied, False, "clock"),
    "FATAL: unable to accept connection, waking up cluster, please retry later": (
        errors.ConnectionFailed,
        True,
        "try again",
    ),
    "FATAL: unable to accept connection, sni was not received": (errors.ConnectionFailed, False, "libpq"),
    "FATAL: Unable to accept connection, too many open connections.": (
        errors.ConnectionLimitExceeded,
        True,
        "fewer",
    ),
    "FATAL: Unable to accept connection, rate exceeded.": (errors.ConnectionLimitExceeded, True, "slowly"),
    "connection failed: server closed the connection unexpectedly": (errors.ConnectionFailed, True, ""),
    "connection failed: SSL error: certificate verify failed": (errors.ConnectionFailed, False, "authority"),
    'connection failed: server certificate for "x" does not match host name "y"': (
        errors.ConnectionFailed,
        False,
        "a host name of the cluster",
    ),
    "connection failed: Connection refused": (errors.ConnectionFailed, False, "host and port"),
    "[Errno -2] could not translate host name": (errors.ConnectionFailed, False, "DNS"),
    "failed to resolve host 'x'": (errors.ConnectionFailed, False, "DNS"),
    "connection timeout expired": (errors.ConnectionFailed, True, "security groups"),
}


@pytest.mark.parametrize("known", KNOWN, ids=[f"{known.sqlstate} {known.text[:40]}" for known in KNOWN])
def test_classification_of_server_errors(known: Known) -> None:
    kind = classify(known.sqlstate, known.text)
    assert (kind, kind.retryable) == (known.kind, known.retryable)
    assert not kind.commit_unknown  # no answer of the server leaves that open: only a lost one does


@pytest.mark.parametrize("text", REFUSED)
def test_advice_for_failed_connections(text: str) -> None:
    kind, retryable, way_out = REFUSED[text]
    error = translate(psycopg.OperationalError(text), lost=True)
    assert (type(error), error.retryable) == (kind, retryable)
    assert way_out in error.advice
    assert str(error).startswith(text)


def test_every_known_sqlstate_is_in_the_table() -> None:
    recorded = {
        answer.sqlstate
        for case in cases()
        for step in case.steps
        for answer in step.answers
        if isinstance(answer, Refusal)
    }
    by_rules = {rule.sqlstate for rule in RULES.values()}
    assert (recorded | by_rules) - {known.sqlstate for known in KNOWN} == set()


def test_only_a_lost_reply_leaves_a_commit_unknown() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    unknown = [kind for kind in kinds if issubclass(kind, errors.DatabaseError) and kind.commit_unknown]
    assert unknown == [errors.CommitOutcomeUnknown]
    assert not errors.CommitOutcomeUnknown.retryable


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ('invalid input syntax for type integer: "s3cret"', 'invalid input syntax for type integer: "…"'),
        (
            'value "99999999999" is out of range for type integer',
            'value "…" is out of range for type integer',
        ),
        ('invalid input syntax for type uuid: "a"b"c"', 'invalid input syntax for type uuid: "…"'),
        ('one " alone', 'one "…" alone'),
        ("division by zero", "division by zero"),
    ],
)
def test_values_quoted_by_the_server_are_removed(said: str, shown: str) -> None:
    assert _without_quotes(said) == shown
