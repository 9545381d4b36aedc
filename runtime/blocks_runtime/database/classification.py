"""Classification of failures: a table from SQLSTATE and text to error class, and errors without a server reply."""

from __future__ import annotations

import re

from .. import errors
from .read_only import is_read_only

TYPE_CHECKING = False  # `typing` costs more to import than the whole runtime
if TYPE_CHECKING:
    from collections.abc import Iterable

    import psycopg

    from ..errors import DatabaseError
    from .fragments import Sql

# First match wins: SQLSTATE or its first characters, a part of the text in lower case ("" for any), the class.
# libpq reports failures to connect as text without a SQLSTATE, hence the rows without one.
TABLE: tuple[tuple[str, str, type[DatabaseError]], ...] = (
    ("40001", "", errors.SerializationFailure),
    ("23505", "", errors.UniqueConstraintViolation),
    ("23503", "", errors.ForeignKeyViolation),
    ("23502", "", errors.NotNullViolation),
    ("23514", "", errors.CheckViolation),
    ("25P02", "", errors.TransactionAborted),
    ("42501", "", errors.PermissionDenied),
    ("0A000", "", errors.FeatureNotSupported),
    ("54000", "transaction row limit", errors.TransactionRowLimitExceeded),
    ("54000", "transaction size limit", errors.TransactionSizeLimitExceeded),
    ("54000", "transaction age limit", errors.TransactionAgeLimitExceeded),
    ("53300", "", errors.ConnectionLimitExceeded),
    ("53400", "", errors.ConnectionLimitExceeded),
    ("53", "", errors.LimitExceeded),
    ("54", "", errors.LimitExceeded),
    ("XX000", "server unavailable", errors.ServerUnavailable),
    ("08P01", "invalid message length", errors.LimitExceeded),
    ("08P01", "access denied", errors.AccessDenied),
    ("08P01", "bind message supplies", errors.QueryFailed),
    ("28", "", errors.AccessDenied),
    ("08", "", errors.ConnectionFailed),
    ("57P", "", errors.ConnectionFailed),
    ("", "waking up cluster", errors.ConnectionFailed),
    ("", "access denied", errors.AccessDenied),
    ("", "sni was not received", errors.ConnectionFailed),
    ("", "too many open connections", errors.ConnectionLimitExceeded),
    ("", "rate exceeded", errors.ConnectionLimitExceeded),
    ("", "connection failed", errors.ConnectionFailed),
    ("", "connection timeout", errors.ConnectionFailed),
    ("", "connection is bad", errors.ConnectionFailed),
    ("", "", errors.QueryFailed),
)

# Remedy of a failure to connect, by a part of the text: retryable (None: as the class says), and advice. The texts are
# libpq's and DSQL's (AWS user guide, "troubleshooting").
_CONNECT_ADVICE: tuple[tuple[str, bool | None, str], ...] = (
    ("signature expired", None, "tokens are signed with the clock of this machine: correct it"),
    ("signature not yet current", None, "tokens are signed with the clock of this machine: correct it"),
    ("waking up cluster", None, "it answers within seconds; try again"),
    ("sni was not received", False, "use a libpq of version 14 or later"),
    (
        "certificate verify failed",
        False,
        "use the endpoint of a cluster, or name its certificate authority in BLOCKS_…_CA",
    ),
    (
        "does not match host name",
        False,
        "connect by a host name of the cluster, public or private (`….dsql-….<region>.on.aws`)",
    ),
    (
        "connection refused",
        False,
        "check host and port of the endpoint; after db.close() the next query starts a local database that stopped",
    ),
    ("could not translate host name", False, "check the endpoint's host name, and DNS in this network"),
    ("failed to resolve host", False, "check the endpoint's host name, and DNS in this network"),
    ("no such file", False, "check the CA file that BLOCKS_…_CA names"),
    ("timeout", None, "check routes and security groups on the way to the endpoint's port"),
)

# Remedy of a refused statement, by its SQLSTATE; other SQLSTATEs have the advice of their class.
_MISSING = "correct the name, or apply the migration that creates it (`blocks status` shows them)"
_ADVICE = {
    "42P01": _MISSING,
    "42703": _MISSING,
    "42883": "correct the name or the types of the arguments; DSQL has fewer functions than PostgreSQL",
    "42P18": "cast the value to a type, as in {name}::text",
}
_INVALID_VALUES = frozenset({"22P02", "22007", "22008"})
"""SQLSTATEs of a text that is no value of its type: a number, a UUID, a date. Without a position in the statement,
the text is a parameter, so it comes from the caller."""
_INVALID_VALUE_STATUS = 400

_NOT_ADAPTED = "cannot adapt type"
_COPY = "COPY cannot be used with this method"
"""The beginning of psycopg's text for a COPY in `execute`."""

_QUOTED = re.compile(r'"([^"]*)"')
_TELLING = 3
"""Characters of a parameter that is recognized in a longer name; a shorter one is in many names by chance."""
_EXCERPT = re.compile(r"^LINE \d+: .*\n *\^$", re.MULTILINE)
"""The line of the statement that libpq quotes, and its caret."""

# The same by SQLSTATE and a part of the text, where the SQLSTATE alone is ambiguous.
_ADVICE_BY_TEXT = (
    ("08P01", "bind message supplies", "write values in place of $1, $2, …"),
    (
        "42601",
        "multiple commands",
        "run each statement by a call of its own, in a transaction() if they belong together",
    ),
    ("42804", "of type json", "wrap a JSON value: psycopg.types.json.Json(…)"),
    ("42846", "to json", "wrap a JSON value: psycopg.types.json.Json(…)"),
    (
        "22P02",
        "for type json",
        "a string is read as JSON text; wrap a plain string: psycopg.types.json.Json(…)",
    ),
    (
        "42883",
        "operator does not exist",
        "cast the value, as in {name}::text, or pass one of the column's type",
    ),
)


def classify(sqlstate: str | None, text: str) -> type[DatabaseError]:
    """Return the class for a SQLSTATE (None or "" where there is none) and the server's text."""
    code, message = sqlstate or "", text.lower()
    return next(kind for prefix, part, kind in TABLE if code.startswith(prefix) and part in message)


def translate(error: psycopg.Error, values: Iterable[object] = (), *, lost: bool = False) -> DatabaseError:
    """Return the runtime's error for one of psycopg's; raise it `from` the original.

    Args:
        error: error of psycopg.
        values: parameters of the statement, which the text must not show.
        lost: the connection was lost, whatever the server's last message was.
    """
    diagnosis = error.diag
    code = error.sqlstate or ""
    message = diagnosis.message_primary or " ".join(str(error).split())
    kind = classify(error.sqlstate, message)
    if lost and not issubclass(kind, (errors.ConnectionFailed, errors.LimitExceeded)):
        kind = errors.ConnectionFailed
    hint = diagnosis.message_hint
    shown = _EXCERPT.search(str(error))
    if code.startswith("22"):
        message = _without_quotes(message)
    elif not diagnosis.statement_position:  # else the text quotes the statement, not a parameter
        message = _without_parameters(message, values)
    retryable, advice = None, _advice(code, message)
    if issubclass(kind, errors.ConnectionFailed):
        retryable, advice = _connect_advice(message)
    elif message.startswith(_NOT_ADAPTED):
        message = message.partition(" using placeholder")[0]
        advice = "pass a str, number, datetime, UUID, bytes, a list of these, or a dict for a json column"
    elif message.startswith(_COPY):
        message = "COPY as a statement"
        advice = "use load() to insert rows, and query() or stream() to read them"
    elif hint and issubclass(kind, (errors.FeatureNotSupported, errors.LimitExceeded)):
        hint, advice = None, hint  # the server's hint names the alternative
    elif issubclass(kind, errors.TransactionFailed):
        hint = None  # the advice of the class names what the runtime offers
    elif hint and not (advice or kind.advice):
        hint, advice = None, hint
    failure = kind(
        message,
        sqlstate=error.sqlstate,
        detail=diagnosis.message_detail,
        constraint=diagnosis.constraint_name,
        table=diagnosis.table_name,
        retryable=retryable,
        advice=advice,
        position=int(diagnosis.statement_position) if diagnosis.statement_position else None,
        excerpt=shown[0] if shown and diagnosis.statement_position else None,
        hint=hint,
    )
    if code in _INVALID_VALUES and failure.position is None:
        failure.status = _INVALID_VALUE_STATUS
    return failure


def unknown_commit(error: DatabaseError) -> errors.CommitOutcomeUnknown:
    """Return the error for a COMMIT whose reply was lost with `error`."""
    return errors.CommitOutcomeUnknown(
        f"the connection was lost before COMMIT was answered ({error.args[0]}); the changes may or may "
        "not be there",
        sqlstate=error.sqlstate,
    )


def autocommit_failure(error: DatabaseError, statement: Sql) -> DatabaseError:
    """Return the error of an autocommit statement: a lost reply is an unknown outcome unless it only reads."""
    torn = isinstance(error, errors.ConnectionFailed) or (
        isinstance(error, errors.DeadlineExceeded) and error.sent
    )
    if is_read_only(statement) or not (torn or isinstance(error, errors.ServerUnavailable)):
        return error
    if isinstance(error, errors.ServerUnavailable):
        error.retryable = False
        return error
    return unknown_statement(error)


def unknown_statement(error: DatabaseError) -> errors.CommitOutcomeUnknown:
    """Return the error for an autocommit statement whose reply was lost with `error`."""
    unknown = errors.CommitOutcomeUnknown(
        f"the connection was lost before the statement was answered ({error.args[0]}); it may or may not "
        "have taken effect",
        sqlstate=error.sqlstate,
    )
    unknown.statement = error.statement
    return unknown


def manual_transaction_control(command: str) -> DatabaseError:
    """Return the error for a BEGIN, COMMIT or ROLLBACK that the application sent as a statement."""
    if command == "BEGIN":
        return errors.QueryFailed(
            "BEGIN as a statement: the next one may use another connection, and would not belong to it",
            advice="pass a function to transaction(), or use transaction() in a with statement",
        )
    return errors.TransactionAborted(
        f"{command} as a statement ended the transaction"
        + (", and what came before it is committed" if command == "COMMIT" else ""),
        advice="return from the function to commit, raise an exception to roll back",
    )


def _advice(code: str, message: str) -> str | None:
    by_text = (advice for state, part, advice in _ADVICE_BY_TEXT if state == code and part in message)
    return next(by_text, _ADVICE.get(code))


def _connect_advice(message: str) -> tuple[bool | None, str | None]:
    known = (row[1:] for row in _CONNECT_ADVICE if row[0] in message.lower())
    return next(known, (None, None))


def _without_parameters(message: str, values: Iterable[object]) -> str:
    """Return a text without each quoted part that is, or contains, a parameter.

    Names that a function looks up are such parameters: `{name}::regclass`, `current_setting({name})`.
    """
    texts = [str(value) for value in values if isinstance(value, (str, int))]

    def hidden(quoted: re.Match[str]) -> str:
        found = quoted[1]
        is_parameter = any(text == found or (len(text) >= _TELLING and text in found) for text in texts)
        return '"…"' if is_parameter else quoted[0]

    return _QUOTED.sub(hidden, message) if texts else message


def _without_quotes(message: str) -> str:
    """Return the text of a data exception without the value that it quotes, which may be a secret."""
    before, quote, rest = message.partition('"')
    return f'{before}"…"{rest.rpartition(quote)[2]}' if quote else message
