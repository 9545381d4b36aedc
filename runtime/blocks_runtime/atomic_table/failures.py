"""Translation of DynamoDB's errors: to the runtime's error, and to what may be done about it.

Source: AWS developer guide, "Error handling with DynamoDB", and the API reference of TransactWriteItems, "Errors".
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..errors import (
    AccessDenied,
    ConnectionFailed,
    DatabaseError,
    LimitExceeded,
    QueryFailed,
    RaceCondition,
    SerializationFailure,
    ServerUnavailable,
    TableLimitExceeded,
    Throttled,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class Next(enum.Enum):
    """Reaction to a failed request."""

    REPEAT = "repeat"
    """Nothing was written: send the same bytes again, after a wait."""
    FIND_OUT = "find out"
    """The request may have been carried out: repeat it only if that does it no second time."""
    CONFLICT = "conflict"
    """Nothing was written, and the same request would fail again: read again."""
    GIVE_UP = "give up"
    """Nothing was written, and the request would always fail."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A failed request: the error, the reaction, and the cancellation reasons of a transaction, one for each action."""

    error: DatabaseError
    next: Next
    reasons: Sequence[Mapping[str, Any]] = field(default=(), repr=False)


_UNSIGNED = frozenset(
    {
        *("UnrecognizedClientException", "InvalidSignatureException"),
        *("MissingAuthenticationTokenException", "IncompleteSignatureException", "ExpiredTokenException"),
        *("InvalidClientTokenId", "SignatureDoesNotMatch", "ExpiredToken"),
    }
)
_DENIED = frozenset({"AccessDeniedException", "AccessDenied"})
_THROTTLING = frozenset(
    {
        *("ProvisionedThroughputExceededException", "ThrottlingException", "RequestLimitExceeded"),
        *("Throttling", "ThrottledException", "ProvisionedThroughputExceeded", "ThrottlingError"),
    }
)
_IN_PROGRESS = frozenset(
    {"TransactionConflictException", "TransactionInProgressException", "TransactionConflict"}
)
_GRANT = "allow it with `table.grant_read_write(fn)` (or `grant_read`) and deploy"
_CREDENTIALS = (
    "no grant is missing: check the credentials (fetch new ones if they have expired, for instance with "
    "`aws sso login`) and the clock of this machine"
)
_TOO_LARGE = "size has exceeded"


def classify(status: int, answer: Mapping[str, Any], table: str = "") -> Failure:
    """Return the failure that an error response reports.

    Args:
        status: the HTTP status.
        answer: the body of the response, empty if it was no JSON.
        table: name and Region of the table, for messages.
    """
    code = str(answer.get("__type", "")).rpartition("#")[2]
    text = str(answer.get("message") or answer.get("Message") or code or f"HTTP status {status}")
    if code == "TransactionCanceledException":
        return _canceled(answer.get("CancellationReasons") or _codes_in(text), text)
    if code == "ConditionalCheckFailedException":
        return Failure(RaceCondition("the item was changed since it was read"), Next.CONFLICT, [answer])
    if code in _THROTTLING:
        return Failure(Throttled(f"DynamoDB throttled the request: {text}"), Next.REPEAT)
    if code in _IN_PROGRESS:
        return Failure(_in_progress(), Next.REPEAT)
    if code in _DENIED:
        return Failure(AccessDenied(f"DynamoDB refused the request: {text}", advice=_GRANT), Next.GIVE_UP)
    if code in _UNSIGNED:
        refused = AccessDenied(f"DynamoDB refused the credentials: {text}", advice=_CREDENTIALS)
        return Failure(refused, Next.GIVE_UP)
    if code == "ResourceNotFoundException":
        missing = QueryFailed(
            f"DynamoDB has no table {table}: {text}" if table else f"DynamoDB has no such table: {text}",
            advice="deploy it, or check name and Region",
        )
        return Failure(missing, Next.GIVE_UP)
    if code == "ItemCollectionSizeLimitExceededException" or (_TOO_LARGE in text and status < 500):
        return Failure(TableLimitExceeded(text), Next.GIVE_UP)
    if status in (503, 429):  # 503 may come from a gateway after the request was carried out
        unavailable = ServerUnavailable(f"DynamoDB is unavailable: {text}", advice="try again")
        return Failure(unavailable, Next.REPEAT if status == 429 else Next.FIND_OUT)
    if status >= 500:
        lost = ConnectionFailed(f"DynamoDB failed: {text}")
        return Failure(lost, Next.FIND_OUT)
    return Failure(QueryFailed(f"DynamoDB refused the request: {text}"), Next.GIVE_UP)


def _canceled(reasons: Sequence[Mapping[str, Any]], text: str) -> Failure:
    """Return the failure of a cancelled transaction: of several reasons the worst one decides.

    Validation and size would fail again, so they come first. Then a failed condition, which would fail again, too. Only
    if all reasons are passing ones is the request worth repeating.
    """
    codes = [str(reason.get("Code") or "None") for reason in reasons]
    given = {code for code in codes if code != "None"}
    passing = _IN_PROGRESS | _THROTTLING
    if unexpected := sorted(given - passing - {"ConditionalCheckFailed"}):
        said = next(
            str(each.get("Message") or code)
            for each, code in zip(reasons, codes, strict=True)
            if code in unexpected
        )
        refused: LimitExceeded | QueryFailed = QueryFailed(f"DynamoDB refused the atomic write: {said}")
        if "ItemCollectionSizeLimitExceeded" in unexpected or _TOO_LARGE in said:
            refused = TableLimitExceeded(f"DynamoDB refused the atomic write: {said}")
        return Failure(refused, Next.GIVE_UP, reasons)
    if "ConditionalCheckFailed" in given:
        count = codes.count("ConditionalCheckFailed")
        changed = "1 item was" if count == 1 else f"{count} items were"
        return Failure(
            RaceCondition(
                f"{changed} changed by another writer since read, of {len(codes)} in the atomic write"
            ),
            Next.CONFLICT,
            reasons,
        )
    if given & _THROTTLING:
        return Failure(Throttled("DynamoDB throttled the atomic write"), Next.REPEAT, reasons)
    if given & _IN_PROGRESS:
        return Failure(_in_progress(), Next.REPEAT, reasons)
    return Failure(QueryFailed(f"DynamoDB cancelled the atomic write: {text}"), Next.GIVE_UP, reasons)


def _in_progress() -> SerializationFailure:
    return SerializationFailure(
        "another atomic write on one of the items was in progress, on every attempt",
        advice="write fewer items at once, or spread the writes over more keys",
    )


def _codes_in(text: str) -> list[dict[str, str]]:
    """Return the reasons in the message, as in `… specific reasons [None, ConditionalCheckFailed]`."""
    inside = text.rpartition("[")[2].partition("]")[0]
    return [{"Code": code.strip()} for code in inside.split(",")] if "[" in text else []
