"""Every error the runtime raises, as one tree.

    DatabaseError
    ├── ConfigurationError            no database to connect to: variables, packages, credentials
    ├── ConnectionFailed              no connection, or a connection lost outside a COMMIT
    │   ├── AccessDenied              28xxx, `access denied`: the token or the role was refused
    │   └── ConnectionLimitExceeded   53300, 53400: too many connections, or too fast
    ├── QueryFailed                   the server refused a statement
    │   ├── UniqueConstraintViolation        23505
    │   ├── ForeignKeyViolation              23503
    │   ├── NotNullViolation                 23502
    │   ├── CheckViolation                   23514
    │   ├── PermissionDenied                 42501
    │   ├── FeatureNotSupported              0A000
    │   ├── NoResultFound                    `query_exactly_one`: there is no row
    │   ├── MultipleResultsFound             `query_exactly_one`: there are more rows than one
    │   ├── LimitExceeded                    53xxx, 54xxx
    │   │   └── TableLimitExceeded           AtomicTable: a limit of DynamoDB, before the call where it can be known
    │   ├── ServerUnavailable                XX000 `server unavailable`
    │   │   └── Throttled                    AtomicTable: more requests than the table or one key takes now
    │   ├── LeaseHeld                        AtomicTable: another process has the lease
    │   ├── LeaseLost                        AtomicTable: the lease has expired, or another process has taken it over
    │   ├── MessageLost                      AtomicTable: the visibility timeout of a message has passed
    │   ├── OnceMismatch                     AtomicTable: the same `once` with another payload
    │   └── DeadlineExceeded                 no answer in time; the connection was closed
    └── TransactionFailed             nothing of the transaction was committed
        ├── SerializationFailure             40001 (OC000, OC001)
        │   └── RaceCondition                AtomicTable: an item or lock was changed since it was read
        ├── TransactionAborted               25P02, COMMIT answered ROLLBACK, or lost or ended before it
        ├── TransactionRowLimitExceeded      54000, more than `contract.ROWS_PER_TRANSACTION`
        ├── TransactionSizeLimitExceeded     54000, more than `contract.BYTES_PER_TRANSACTION`
        ├── TransactionAgeLimitExceeded      54000, older than `contract.TRANSACTION_SECONDS`
        └── CommitOutcomeUnknown             the reply to COMMIT, or to a write of AtomicTable, was lost

Each has `sqlstate` (None without a server error), `retryable` (running the same transaction again may succeed),
`status` (the HTTP status that a handler may answer with: 409 for a conflict, 503 for a database that cannot answer now,
404 for a row that does not exist, 400 for a parameter that is no value of its type, else 500),
`commit_unknown` (it may have taken effect), `attempts`, `advice` (the remedy), and `name`, its name in Blocks for
TypeScript. The driver's error is the `__cause__`. All can be pickled. `str()` contains the failure, the SQLSTATE, the
remedy, the statement with `$1` in place of values, and the command that explains the class, and never a value or a
token.

Texts and codes: AWS user guide, "troubleshooting" and "quotas"; recorded 2026-09, eu-central-1.
"""

from __future__ import annotations

from .contract import explain_command
from .limits import BYTES_PER_TRANSACTION, ROWS_PER_TRANSACTION

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
    "LeaseHeld",
    "LeaseLost",
    "LimitExceeded",
    "MessageLost",
    "MultipleResultsFound",
    "NoResultFound",
    "NotNullViolation",
    "OnceMismatch",
    "PermissionDenied",
    "QueryFailed",
    "RaceCondition",
    "SerializationFailure",
    "ServerUnavailable",
    "TableLimitExceeded",
    "Throttled",
    "TransactionAborted",
    "TransactionAgeLimitExceeded",
    "TransactionFailed",
    "TransactionRowLimitExceeded",
    "TransactionSizeLimitExceeded",
    "UniqueConstraintViolation",
    "is_blocks_error",
]


class DistributedDatabaseErrors:
    """Values of `name` of the errors, the same strings as in Blocks for TypeScript."""

    QueryFailed = "QueryFailedException"
    ConnectionFailed = "ConnectionFailedException"
    TransactionFailed = "TransactionFailedException"
    UniqueConstraintViolation = "UniqueConstraintViolationException"
    SerializationFailure = "SerializationFailureException"
    TransactionRowLimitExceeded = "TransactionRowLimitExceededException"


class DatabaseError(Exception):
    """Base of all errors of the runtime.

    `attempts` counts the runs of the transaction. `detail`, `constraint` and `table` repeat the server's report;
    `detail` may quote values of a row, so it is not part of the message. `statement` is the text that failed, with
    `$1` in place of values, None outside of a statement; `position` is the character of it that the server points at,
    from 1, and `excerpt` the two lines of PostgreSQL that show the place (`LINE 1: …`). `advice` is the remedy, ""
    where it depends on the application; `hint` is the server's own, unless it is the advice.
    """

    name: str = DistributedDatabaseErrors.QueryFailed
    retryable: bool = False
    status: int = 500
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
        excerpt: str | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message)
        self.sqlstate = sqlstate
        self.detail = detail
        self.constraint = constraint
        self.table = table
        self.statement: str | None = None
        self.position = position
        self.excerpt = excerpt
        self.hint = hint
        self.attempts = 1
        if retryable is not None:
            self.retryable = retryable
        if advice is not None:
            self.advice = advice

    def __str__(self) -> str:
        message = super().__str__()
        code = f" (SQLSTATE {self.sqlstate})" if self.sqlstate else ""
        tries = f" after {self.attempts} attempts" if self.attempts > 1 else ""
        return "\n".join((f"{message}{code}{tries}{_joined(self.advice)}", *self._lines()))

    def _lines(self) -> list[str]:
        """Return the lines after the first, as psql and the server's log have them."""
        lines = [self.excerpt] if self.excerpt else []
        if self.hint:
            lines.append(f"HINT:  {self.hint}")
        if self.statement is not None and not self.excerpt:
            text = " ".join(self.statement.split())
            lines.append(f"STATEMENT:  {text if len(text) <= _SHOWN else text[:_SHOWN] + '…'}")
        if _COMMAND not in f"{self.advice}{self.hint}":  # the local DSQL names a rule, which says more
            lines.append(f"EXPLANATION:  {explain_command(self._explained().__name__)}")
        return lines

    @classmethod
    def _explained(cls) -> type[DatabaseError]:
        """Return the class that has an entry: this one, or the base of one that an application has derived."""
        return next(
            each for each in cls.__mro__ if each.__module__ == __name__ and issubclass(each, DatabaseError)
        )


_COMMAND = explain_command("")
_SHOWN = 200
"""Characters of a statement in the text of an error."""


def _joined(advice: str) -> str:
    """Return a remedy as the end of a sentence, or as sentences of its own if the server wrote it."""
    if not advice:
        return ""
    return f". {advice}" if advice[0].isupper() else f"; {advice}"


class ConfigurationError(DatabaseError):
    """The environment does not name a database, or has no credentials to sign with."""

    name = DistributedDatabaseErrors.ConnectionFailed


class ConnectionFailed(DatabaseError):
    """The connection could not be opened, or was lost outside a COMMIT."""

    name = DistributedDatabaseErrors.ConnectionFailed
    retryable = True
    status = 503


class AccessDenied(ConnectionFailed):
    """The cluster refused the token, or the database role is not granted to the signer's IAM role."""

    advice = "grant it with `db.grant_connect(fn)` and deploy, and sign with the credentials of that role"
    retryable = False
    status = 500


class ConnectionLimitExceeded(ConnectionFailed):
    """The cluster has too many connections, or they are opened too fast."""

    advice = "open fewer connections, or more slowly; the quotas can be raised"


class QueryFailed(DatabaseError):
    """The server refused one statement."""


class UniqueConstraintViolation(QueryFailed):
    """A row with this unique key exists already."""

    name = DistributedDatabaseErrors.UniqueConstraintViolation
    status = 409


class ForeignKeyViolation(QueryFailed):
    """A row refers to one that does not exist."""

    status = 409


class NotNullViolation(QueryFailed):
    """A NOT NULL column has no value."""


class CheckViolation(QueryFailed):
    """A row does not satisfy a CHECK constraint."""


class PermissionDenied(QueryFailed):
    """The database role lacks a privilege."""

    advice = "tables and privileges are created by migrations; `grant_connect(access=…)` sets the rights of a function"


class FeatureNotSupported(QueryFailed):
    """Aurora DSQL does not have this feature of PostgreSQL."""

    advice = "see what DSQL supports, or let `blocks lint` name the alternative"


class NoResultFound(QueryFailed):
    """The statement returned no row where one was asked for; the name is that of SQLAlchemy."""

    advice = "use query_one() where a row may be missing"
    status = 404


class MultipleResultsFound(QueryFailed):
    """The statement returned several rows where one was asked for; the name is that of SQLAlchemy."""

    advice = "select by a unique key, or use query() for all of them"


class LimitExceeded(QueryFailed):
    """A statement exceeded a limit of the cluster."""

    advice = "see the quotas of Aurora DSQL; some can be raised"


class TableLimitExceeded(LimitExceeded):
    """A key, an item or an atomic write is over a limit of DynamoDB; nothing was written."""

    advice = "see blocks_runtime.atomic_table.limits; these quotas cannot be raised"


class ServerUnavailable(QueryFailed):
    """The server could not run the statement now; AWS advises to run the whole transaction again."""

    advice = "run the whole transaction again, or pass retry_on_conflict=True"
    retryable = True
    status = 503


class Throttled(ServerUnavailable):
    """DynamoDB refused a request because of its rate, on every attempt; nothing was written."""

    advice = "spread the writes over more keys (a counter: more shards), or send fewer at once"


class LeaseHeld(QueryFailed):
    """Another process has the lease. `until` is the time, in seconds since the epoch, at which it expires."""

    advice = "try again later, or pass wait= to lease()"
    retryable = True
    status = 409
    until: float = 0.0


class LeaseLost(QueryFailed):
    """The lease has expired, or another process has taken it over: the work must stop.

    `keys` are those of the `RaceCondition` that has refused a write under the lease, its `__cause__`.
    """

    advice = "stop the work and acquire the lease again; give it more seconds, or renew it more often"
    status = 409
    keys: tuple[tuple[str, str], ...] = ()


class MessageLost(QueryFailed):
    """The visibility timeout of a message has passed, and another consumer may have received it."""

    advice = "leave the message to its new consumer; pass a longer visibility to pull(), or extend it"
    status = 409


class OnceMismatch(QueryFailed):
    """The same `once` was used before with another payload."""

    advice = "use one id for one request; the payload of a repeated request must be the same"
    status = 409


class DeadlineExceeded(QueryFailed):
    """The caller's deadline passed before the server answered; an open transaction is rolled back."""

    advice = "give it more time (`deadline`), or less to do at once"
    status = 503
    sent = True
    """False if the statement was not sent."""


class TransactionFailed(DatabaseError):
    """Nothing of the transaction was committed."""

    name = DistributedDatabaseErrors.TransactionFailed


class SerializationFailure(TransactionFailed):
    """Another transaction committed a conflicting change first; nothing of this one was committed."""

    advice = "run the whole transaction again, or pass retry_on_conflict=True"
    name = DistributedDatabaseErrors.SerializationFailure
    retryable = True
    status = 409


class RaceCondition(SerializationFailure):
    """An item or a lock was changed by another writer since it was read; nothing was written.

    `keys` are the keys whose version was not the expected one.
    """

    advice = "read again and run the whole transaction again, or pass retry_on_conflict=True"
    keys: tuple[tuple[str, str], ...] = ()


class TransactionAborted(TransactionFailed):
    """A statement had failed earlier in the transaction, so nothing of it could be committed."""

    advice = "look at the error before this one; do not swallow errors inside a transaction"


class TransactionRowLimitExceeded(TransactionFailed):
    """The transaction changed more than `contract.ROWS_PER_TRANSACTION` rows."""

    advice = f"change at most {ROWS_PER_TRANSACTION:,} rows a transaction, in several transactions"
    name = DistributedDatabaseErrors.TransactionRowLimitExceeded


class TransactionSizeLimitExceeded(TransactionFailed):
    """The transaction changed more than `contract.BYTES_PER_TRANSACTION`."""

    advice = f"change at most {BYTES_PER_TRANSACTION >> 20} MiB a transaction, in several transactions"


class TransactionAgeLimitExceeded(TransactionFailed):
    """The transaction was open for more than `contract.TRANSACTION_SECONDS`."""

    advice = "do slow work before or after the transaction"


class CommitOutcomeUnknown(TransactionFailed):
    """The reply to COMMIT was lost with the connection: the changes may or may not be committed.

    Read the data to find out before running the transaction again.
    """

    advice = "read the data to find out before running it again"
    commit_unknown = True


def is_blocks_error(error: BaseException, name: str) -> bool:
    """Return whether `error` has the name `name`, one of `DistributedDatabaseErrors`."""
    return isinstance(error, DatabaseError) and error.name == name
