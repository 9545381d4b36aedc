"""Error classes of the runtime, with the causes and remedies that their own attributes leave to the application."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

from blocks_cli.explanations.explanation import Explanation, Kind
from blocks_runtime import errors, warnings
from blocks_runtime.database.classification import TABLE
from blocks_runtime.errors import DatabaseError

if TYPE_CHECKING:
    from collections.abc import Iterator

_CAUSES: dict[type[Exception], str] = {
    errors.DatabaseError: "It is the base class: `except DatabaseError` catches every error of the runtime.",
    errors.ConfigurationError: "A variable `BLOCKS_<NAME>_…`, a package or the credentials are missing.",
    errors.ConnectionFailed: "The network, DNS, TLS or the cluster ended the connection; the message has the reason.",
    errors.AccessDenied: "The token is expired or signed by a role that no database role is granted to.",
    errors.ConnectionLimitExceeded: "Functions open more connections, or faster, than the quotas of the cluster allow.",
    errors.QueryFailed: "The statement is wrong, or its values are; the server's text names the fault.",
    errors.UniqueConstraintViolation: "The row was committed before the snapshot of this transaction.",
    errors.ForeignKeyViolation: "The row that is referred to does not exist, or rows still refer to a deleted one.",
    errors.NotNullViolation: "INSERT or UPDATE gives NULL, or no value, to a column that has no default.",
    errors.CheckViolation: "A value is outside of what the CHECK constraint of the table or domain allows.",
    errors.PermissionDenied: "The access level of the function does not include this statement or this table.",
    errors.FeatureNotSupported: "The statement is valid in PostgreSQL, and a rule of the dialect refuses it.",
    errors.NoResultFound: "`query_exactly_one` was called, and no row satisfies the condition.",
    errors.MultipleResultsFound: "`query_exactly_one` was called, and the condition is not on a unique key.",
    errors.LimitExceeded: "A value, a statement, a key or an object count is over a quota of the cluster.",
    errors.TableLimitExceeded: "DynamoDB bounds the bytes of an item, and the items and bytes of an atomic write.",
    errors.ServerUnavailable: "A part of the cluster does not answer at this moment.",
    errors.Throttled: "One key, or the table, takes more requests than DynamoDB serves.",
    errors.LeaseHeld: "The lease has not expired, and its holder has not released it.",
    errors.LeaseLost: "The work took longer than the lease lasts, and the lease was not renewed in time.",
    errors.MessageLost: "The work on the message took longer than its visibility timeout.",
    errors.OnceMismatch: "Two different requests have the same id, or one was changed before it was repeated.",
    errors.DeadlineExceeded: "The network, a large result or a slow plan took the time that the caller gave.",
    errors.TransactionFailed: "A statement of the transaction, or its COMMIT, was refused.",
    errors.SerializationFailure: "The message ends with the code: OC000 for a row, OC001 for the catalog.",
    errors.RaceCondition: "Another writer has changed the item between the read and the write.",
    errors.TransactionAborted: (
        "PostgreSQL runs nothing after a failed statement until ROLLBACK. Or the function ended while a statement was "
        "under way, or suppressed an error that had closed the connection."
    ),
    errors.TransactionRowLimitExceeded: "DSQL counts every inserted, updated and deleted row, and rows of cascades.",
    errors.TransactionSizeLimitExceeded: "DSQL counts the bytes of all changed rows.",
    errors.TransactionAgeLimitExceeded: "DSQL ends a transaction that is open for too long, also one that only reads.",
    errors.CommitOutcomeUnknown: "The connection was lost after COMMIT was sent and before its reply arrived.",
    warnings.SeparateTransactionWarning: "The function uses `db` in place of the transaction that it was given.",
    warnings.FormattedTemplateWarning: "An f-string, `%` or `.format` has put the values into the text of `sql`.",
}

_REMEDIES: dict[type[Exception], str] = {
    errors.DatabaseError: "Look at the class, `sqlstate` and `advice` of the error.",
    errors.ConfigurationError: "Grant the function with `db.grant_connect(fn)`, which sets the variables, and deploy.",
    errors.ConnectionFailed: "Try again if `retryable` is true; else follow the remedy at the end of the message.",
    errors.QueryFailed: "Correct the statement at the place that the message shows.",
    errors.UniqueConstraintViolation: "Answer the caller that it exists, or write `INSERT … ON CONFLICT`.",
    errors.ForeignKeyViolation: "Insert the parent row first, or delete the rows that refer to it first.",
    errors.NotNullViolation: "Give the column a value, or a default in a migration.",
    errors.CheckViolation: "Check the value before the statement, or change the constraint in a migration.",
    errors.TransactionFailed: "Look at the subclass; run the whole transaction again if `retryable` is true.",
    warnings.SeparateTransactionWarning: "Call the methods of the transaction (`tx`), or move the statement outside.",
    warnings.FormattedTemplateWarning: "Write `{name}` in the template, and pass `name=value` to `sql`.",
}


def classes() -> Iterator[type[Exception]]:
    """Yield the error classes of the runtime, the base first, then its warnings."""
    named = [getattr(errors, name) for name in errors.__all__]
    found = [each for each in named if isinstance(each, type) and issubclass(each, DatabaseError)]
    yield from sorted(found, key=lambda each: (each is not DatabaseError, each.__name__))
    yield from (
        each for each in vars(warnings).values() if isinstance(each, type) and issubclass(each, Warning)
    )


def runtime_errors() -> list[Explanation]:
    """Return the explanations of all classes."""
    return [
        Explanation(
            code=each.__name__,
            kind=Kind.RUNTIME,
            meaning=(inspect.getdoc(each) or "").partition("\n\n")[0].replace("\n", " "),
            cause=_CAUSES[each],
            remedy=_REMEDIES[each] if each in _REMEDIES else _as_sentence(str(getattr(each, "advice", ""))),
            facts=tuple(_facts(each)),
        )
        for each in classes()
    ]


def _as_sentence(advice: str) -> str:
    """Return a remedy as a sentence of its own."""
    return f"{advice[0].upper()}{advice[1:].rstrip('.')}."


def _facts(kind: type[Exception]) -> Iterator[tuple[str, str]]:
    if not issubclass(kind, DatabaseError):
        return
    bases = [each.__name__ for each in kind.__mro__[1:] if issubclass(each, DatabaseError)]
    if bases:
        yield "subclass of", " of ".join(f"`{name}`" for name in bases)
    codes = dict.fromkeys(prefix for prefix, _, of in TABLE if of is kind and prefix)
    if codes:
        yield "SQLSTATE", ", ".join(each if len(each) == 5 else f"{each}…" for each in codes)
    yield "retryable", "yes" if kind.retryable else "no"
    yield "HTTP status", str(kind.status)
    if kind.commit_unknown:
        yield "commit_unknown", "yes"


def classes_of(sqlstate: str) -> list[str]:
    """Return the classes that the runtime may raise for a SQLSTATE, the most frequent first."""
    found: dict[str, None] = {}
    for prefix, part, kind in TABLE:
        if prefix and sqlstate.startswith(prefix):
            found[kind.__name__] = None
            if not part:
                return [*found]
    return [*found, errors.QueryFailed.__name__]
