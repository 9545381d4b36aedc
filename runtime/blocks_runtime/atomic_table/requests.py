"""Times and errors of requests to DynamoDB, the same for threads and asyncio."""

from __future__ import annotations

import ssl
import time
import zlib
from typing import TYPE_CHECKING

from ..database.target import AMAZON_ROOTS
from ..errors import (
    CommitOutcomeUnknown,
    ConfigurationError,
    ConnectionFailed,
    DatabaseError,
    DeadlineExceeded,
)
from ..shared.retry import Backoff
from .failures import Failure, Next
from .limits import TOKEN_SECONDS
from .signature import CONTENT_TYPE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .location import Endpoint

PATIENCE = 20.0
"""Seconds for which a request is repeated without a deadline of the caller: far less than `limits.TOKEN_SECONDS`."""

RESPONSE_SECONDS = 5.0
"""Seconds to connect, and to wait for the response of one attempt; DynamoDB answers in milliseconds."""

IDLE_SECONDS = 30.0
"""Seconds after which an idle connection is not used any more.

A gateway may have forgotten it meanwhile, without a word: while a Lambda sandbox is frozen, for instance. A request
would wait for nothing, and its outcome be unknown.
"""

REPEATS = 10
"""Repetitions of one request; of those after a conflict, also the limit of a whole transaction."""


class Repetitions:
    """The repetitions of requests after a conflict, counted over all runs of one transaction.

    Each run may repeat its requests, and a conflict that remains runs the function again. With a count for each request
    the two would multiply.
    """

    __slots__ = ("made",)

    def __init__(self) -> None:
        self.made = 0

    def left(self, limit: int) -> int:
        """Return how many a request may still make that may make `limit` by itself."""
        return max(0, limit - self.made)


BACKOFF = Backoff(base=0.025, cap=1.0)
"""Waits between them: a throttled key recovers within a second."""


def is_forgotten(began: float, now: float) -> bool:
    """Return whether DynamoDB may not recognize a repetition any more of a write that was first sent at `began`.

    Both are times of the wall clock: the monotonic one may stand still while a sandbox is frozen.
    """
    return abs(now - began) > TOKEN_SECONDS - RESPONSE_SECONDS


def is_of_dynamodb(headers: Mapping[str, str], body: bytes) -> bool:
    """Return whether a response is one of DynamoDB, and complete.

    DynamoDB sends a checksum, which botocore compares, too. Emulators without it send the content type of its protocol;
    another server sends neither. The names of `headers` are in lower case.
    """
    checksum = headers.get("x-amz-crc32")
    if checksum is not None:
        return checksum == str(zlib.crc32(body))
    return headers.get("content-type", "").startswith(CONTENT_TYPE)


def tls_context(endpoint: Endpoint) -> ssl.SSLContext | None:
    """Return the TLS settings for an endpoint, with verification; None for plain HTTP.

    Raises:
        ConfigurationError: the file of certificate authorities cannot be read.
    """
    if not endpoint.tls:
        return None
    try:
        return ssl.create_default_context(cafile=endpoint.ca or str(AMAZON_ROOTS))
    except OSError as error:
        raise ConfigurationError(
            f"AWS_CA_BUNDLE names {endpoint.ca!r}, which cannot be read: {error}"
        ) from error


def unanswered(error: Exception, host: str) -> Failure:
    """Return the failure of a request that was sent, at least in part, and not answered."""
    said = "no response in time" if isinstance(error, TimeoutError) else str(error) or type(error).__name__
    lost = ConnectionFailed(f"the answer of {host} was lost: {said}")
    lost.__cause__ = error
    return Failure(lost, Next.FIND_OUT)


def unreachable(error: Exception, host: str) -> Failure:
    """Return the failure of a connection that could not be opened, so that nothing was sent."""
    said = "no connection in time" if isinstance(error, TimeoutError) else str(error) or type(error).__name__
    failed = ConnectionFailed(
        f"cannot connect to {host}: {said}", advice="check the network, Region and endpoint"
    )
    failed.__cause__ = error
    untrusted = isinstance(
        error, ssl.SSLCertVerificationError
    )  # another attempt would find the same certificate
    return Failure(failed, Next.GIVE_UP if untrusted else Next.REPEAT)


def final_error(failure: Failure, *, writes: bool, lost: bool, until: float | None) -> DatabaseError:
    """Return the error to raise for the last failure of a request.

    Args:
        failure: the last failure.
        writes: whether the request changes items.
        lost: whether an answer to it was lost; a failed condition proves that it was not carried out then either.
        until: the deadline of the caller, a `time.monotonic()`.
    """
    if writes and lost and failure.next is not Next.CONFLICT:
        return unknown_write(failure.error)
    if until is not None and time.monotonic() >= until and failure.next is not Next.CONFLICT:
        late = DeadlineExceeded("no answer before the deadline, and nothing was written")
        late.__cause__ = failure.error
        return late
    return failure.error


def unknown_write(cause: DatabaseError) -> CommitOutcomeUnknown:
    """Return the error for a write whose answer was lost, if `cause` has ended the attempts to find its outcome out."""
    unknown = CommitOutcomeUnknown("the answer to a write was lost, and it is not known whether it was made")
    unknown.__cause__ = cause
    return unknown
