"""Which class of error an answer of the server is: a table, read by one pure function."""

from __future__ import annotations

from . import errors

TYPE_CHECKING = False  # `typing` costs more to import than the whole runtime
if TYPE_CHECKING:
    import psycopg

    from .errors import DatabaseError

# First match wins: SQLSTATE or its first two characters, a part of the text in lower case ("" for any), the
# class. Failures to connect reach us through libpq as text alone, hence the rows without a SQLSTATE.
_TABLE: tuple[tuple[str, str, type[DatabaseError]], ...] = (
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
    ("28", "", errors.AccessDenied),
    ("08", "", errors.ConnectionFailed),
    ("57P", "", errors.ConnectionFailed),
    ("", "access denied", errors.AccessDenied),
    ("", "too many open connections", errors.ConnectionLimitExceeded),
    ("", "rate exceeded", errors.ConnectionLimitExceeded),
    ("", "connection failed", errors.ConnectionFailed),
    ("", "connection timeout", errors.ConnectionFailed),
    ("", "connection is bad", errors.ConnectionFailed),
    ("", "", errors.QueryFailed),
)

# A failure to connect that waiting does not mend.
_HOPELESS = (
    "certificate verify failed",
    "does not match host name",
    "connection refused",
    "could not translate host name",
    "failed to resolve host",
    "no such file",
)


def classify(sqlstate: str | None, text: str) -> type[DatabaseError]:
    """Return the class for a SQLSTATE (None or "" where there is none) and the server's text."""
    code, said = sqlstate or "", text.lower()
    return next(kind for prefix, part, kind in _TABLE if code.startswith(prefix) and part in said)


def translate(error: psycopg.Error, *, lost: bool = False) -> DatabaseError:
    """Return our error for one of psycopg's; raise it `from` the original.

    `lost` says that the connection tore, whatever the last words on it were.
    """
    diagnosis = error.diag
    said = diagnosis.message_primary or str(error)
    kind = classify(error.sqlstate, said)
    if lost and not issubclass(kind, errors.ConnectionFailed):
        kind = errors.ConnectionFailed
    hint = f"; {diagnosis.message_hint}" if diagnosis.message_hint else ""
    return kind(
        f"{said}{hint}",
        sqlstate=error.sqlstate,
        detail=diagnosis.message_detail,
        constraint=diagnosis.constraint_name,
        table=diagnosis.table_name,
        retryable=False if any(part in said.lower() for part in _HOPELESS) else None,
    )
