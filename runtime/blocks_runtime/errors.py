"""Every error the runtime raises, as one tree.

    DatabaseError
    ├── ConfigurationError            no database to talk to: variables, packages, credentials
    ├── ConnectionFailed              no connection, or a connection torn outside a COMMIT
    │   ├── AccessDenied              28xxx, `access denied`: the token or the role was refused
    │   └── ConnectionLimitExceeded   53300, 53400: too many connections, or too fast
    ├── QueryFailed                   the server refused a statement
    │   ├── UniqueConstraintViolation        23505
    │   ├── ForeignKeyViolation              23503
    │   ├── NotNullViolation                 23502
    │   ├── CheckViolation                   23514
    │   ├── PermissionDenied                 42501
    │   ├── FeatureNotSupported              0A000
    │   ├── LimitExceeded                    53xxx, 54xxx
    │   ├── ServerUnavailable                XX000 `server unavailable`
    │   └── DeadlineExceeded                 no answer in time; the connection was closed
    └── TransactionFailed             the transaction as a whole came to nothing
        ├── SerializationFailure             40001 (OC000, OC001)
        ├── TransactionAborted               25P02, or COMMIT answered ROLLBACK
        ├── TransactionRowLimitExceeded      54000, more than 3,000 rows
        ├── TransactionSizeLimitExceeded     54000, more than 10 MiB
        ├── TransactionAgeLimitExceeded      54000, older than 300 s
        └── CommitOutcomeUnknown             the answer to COMMIT was lost

Each carries `sqlstate` (None where the server said nothing), `retryable` (the same transaction may be run
again and may then succeed), `commit_unknown` (it may have taken effect), `attempts`, `advice` (the way out), and
`name`, the string by which Blocks for TypeScript knows it. The driver's own error is the `__cause__`. All of them
survive pickling. `str()` says what happened, the SQLSTATE and the way out, and never a value or a token.

Texts and codes: AWS user guide, "troubleshooting" and "quotas"; recorded 2026-09, eu-central-1.
"""

# Exception classes carry the names of the conditions they stand for, as in PostgreSQL and psycopg.

from __future__ import annotations

__all__ = [
    "AccessDenied",
    "CheckViolation",
    "CommitOutcomeUnknown",
    "ConfigurationError",
    "ConnectionFailed",
    "ConnectionLimitExceeded",
    "DatabaseError",
    "DeadlineExceeded",
    "DistributedDatabaseErrors",
    "FeatureNotSupported",
    "ForeignKeyViolation",
    "LimitExceeded",
    "NotNullViolation",
    "PermissionDenied",
    "QueryFailed",
    "SerializationFailure",
    "ServerUnavailable",
    "TransactionAborted",
    "TransactionAgeLimitExceeded",
    "TransactionFailed",
    "TransactionRowLimitExceeded",
    "TransactionSizeLimitExceeded",
    "UniqueConstraintViolation",
    "is_blocks_error",
]


class DistributedDatabaseErrors:
    """The names that errors carry in `name`, the same strings as in Blocks for TypeScript."""

    QueryFailed = "QueryFailedException"
    ConnectionFailed = "ConnectionFailedException"
    TransactionFailed = "TransactionFailedException"
    UniqueConstraintViolation = "UniqueConstraintViolationException"
    SerializationFailure = "SerializationFailureException"
    TransactionRowLimitExceeded = "TransactionRowLimitExceededException"


class DatabaseError(Exception):
    """Anything that went wrong between an application and its database.

    `attempts` counts how often the transaction was run. `detail`, `constraint` and `table` repeat what the
    server reported; `detail` may quote values of a row, so it is kept out of the message. `position` is the
    character of the statement that the server points at, from 1. `advice` is what to do about it, "" where only
    the application can know.
    """

    name: str = DistributedDatabaseErrors.QueryFailed
    retryable: bool = False
    commit_unknown: bool = False
    advice: str = ""

    def __init__(
        self,
        message: str,
        *,
        sqlstate: str | None = None,
        detail: str | None = None,
        constraint: str | None = None,
        table: str | None = None,
        retryable: bool | None = None,
        advice: str | None = None,
        position: int | None = None,
    ) -> None:
        super().__init__(message)
        self.sqlstate = sqlstate
        self.detail = detail
        self.constraint = constraint
        self.table = table
        self.position = position
        self.attempts = 1
        if retryable is not None:
            self.retryable = retryable
        if advice is not None:
            self.advice = advice

    def __str__(self) -> str:
        said = super().__str__()
        code = f" (SQLSTATE {self.sqlstate})" if self.sqlstate else ""
        tries = f" after {self.attempts} attempts" if self.attempts > 1 else ""
        way_out = f"; {self.advice}" if self.advice else ""
        return f"{said}{code}{tries}{way_out}"


class ConfigurationError(DatabaseError):
    """The process does not say where its database is, or cannot sign for it."""

    name = DistributedDatabaseErrors.ConnectionFailed


class ConnectionFailed(DatabaseError):
    """There is no connection: it could not be opened, or it tore outside a COMMIT."""

    name = DistributedDatabaseErrors.ConnectionFailed
    retryable = True


class AccessDenied(ConnectionFailed):
    """The cluster refused the token, or the database role is not granted to the signer's IAM role."""

    advice = "grant it with `db.grant_connect(fn)` and deploy, and sign with the credentials of that role"
    retryable = False


class ConnectionLimitExceeded(ConnectionFailed):
    """The cluster has too many connections, or they are opened too fast."""

    advice = "open fewer connections, or more slowly; the quotas can be raised"


class QueryFailed(DatabaseError):
    """The server refused one statement."""


class UniqueConstraintViolation(QueryFailed):
    """A row with this unique key is there already."""

    name = DistributedDatabaseErrors.UniqueConstraintViolation


class ForeignKeyViolation(QueryFailed):
    """A row refers to one that is not there."""


class NotNullViolation(QueryFailed):
    """A column that must have a value has none."""


class CheckViolation(QueryFailed):
    """A row does not satisfy a CHECK constraint."""


class PermissionDenied(QueryFailed):
    """The database role may not do this."""

    advice = (
        "tables and privileges are made by migrations; `grant_connect(access=…)` says what a function may do"
    )


class FeatureNotSupported(QueryFailed):
    """Aurora DSQL does not have this feature of PostgreSQL."""

    advice = "see what DSQL supports, or let `blocks lint` name the alternative"


class LimitExceeded(QueryFailed):
    """A statement crossed one of the cluster's limits."""

    advice = "see the quotas of Aurora DSQL; some can be raised"


class ServerUnavailable(QueryFailed):
    """The server could not take the statement now; AWS says to run the whole transaction again."""

    advice = "run the whole transaction again, or pass retry_on_conflict=True"
    retryable = True


class DeadlineExceeded(QueryFailed):
    """The caller's deadline passed before the server answered; a transaction is rolled back by that."""

    advice = "give it more time (`deadline`), or less to do at once"
    sent = True
    """False if the server cannot have got the statement."""


class TransactionFailed(DatabaseError):
    """The transaction as a whole came to nothing."""

    name = DistributedDatabaseErrors.TransactionFailed


class SerializationFailure(TransactionFailed):
    """Another transaction committed a conflicting change first; nothing of this one was kept."""

    advice = "run the whole transaction again, or pass retry_on_conflict=True"
    name = DistributedDatabaseErrors.SerializationFailure
    retryable = True


class TransactionAborted(TransactionFailed):
    """A statement had failed earlier in the transaction, so nothing of it could be committed."""

    advice = "look at the error before this one; do not swallow errors inside a transaction"


class TransactionRowLimitExceeded(TransactionFailed):
    """The transaction changed more than 3,000 rows."""

    advice = "change at most 3,000 rows a transaction, in several transactions"
    name = DistributedDatabaseErrors.TransactionRowLimitExceeded


class TransactionSizeLimitExceeded(TransactionFailed):
    """The transaction changed more than 10 MiB."""

    advice = "change at most 10 MiB a transaction, in several transactions"


class TransactionAgeLimitExceeded(TransactionFailed):
    """The transaction was open for more than 300 seconds."""

    advice = "do slow work before or after the transaction"


class CommitOutcomeUnknown(TransactionFailed):
    """The answer to COMMIT was lost with the connection: the changes may or may not be there.

    Read the data to find out before running the transaction again.
    """

    advice = "read the data to find out before running it again"
    commit_unknown = True


def is_blocks_error(error: BaseException, name: str) -> bool:
    """Say whether `error` is the one that goes by `name`, one of `DistributedDatabaseErrors`."""
    return isinstance(error, DatabaseError) and error.name == name
