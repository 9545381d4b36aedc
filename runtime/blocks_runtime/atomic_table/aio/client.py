"""Client of DynamoDB's JSON protocol: signed requests on connections that are kept open, and their repetition.

botocore is not used: it has no asyncio, one read timeout for a client instead of a deadline for a request, and does not
tell which of its repetitions were answered. That decides here what may be repeated.
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass, field

from ...errors import SerializationFailure
from ...shared.deadline import earliest
from ..failures import Failure, Next, classify
from ..http_messages import NotHttp, ResponseReader, post
from ..requests import (
    BACKOFF,
    IDLE_SECONDS,
    PATIENCE,
    REPEATS,
    RESPONSE_SECONDS,
    final_error,
    is_forgotten,
    is_of_dynamodb,
    tls_context,
    unanswered,
    unreachable,
)
from ..signature import signed_headers
from .primitives import Stream, sleep

TYPE_CHECKING = False  # `typing` costs more to import than the whole runtime
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from ...database.counters import Counters
    from ...database.instrumentation import Instrumentation
    from ...errors import DatabaseError
    from ..location import TableLocation
    from ..requests import Repetitions

_API = "DynamoDB_20120810."


@dataclass(frozen=True, slots=True)
class Request:
    """One request: name of the operation, body, and what may be done with it.

    `writes` is whether it changes items, `repeatable` whether it may be carried out more than once: it reads, or
    carries a token, or writes the same once more.
    """

    operation: str
    body: bytes = field(repr=False)
    writes: bool = False
    repeatable: bool = True

    @classmethod
    def of(
        cls,
        operation: str,
        parameters: Mapping[str, object],
        *,
        writes: bool = False,
        repeatable: bool = True,
    ) -> Request:
        """Return a request with parameters as in the API reference; its bytes are the same at each repetition."""
        return cls(operation, json.dumps(parameters, separators=(",", ":")).encode(), writes, repeatable)


class RequestFailed(Exception):
    """A request that failed at last: the error to raise, the last failure, and whether an answer was lost before."""

    def __init__(self, error: DatabaseError, failure: Failure, lost: bool) -> None:
        super().__init__(str(error))
        self.error = error
        self.failure = failure
        self.lost = lost


class AsyncClient:
    """Sends requests to the endpoint of one table."""

    def __init__(
        self,
        location: TableLocation,
        counters: Counters,
        instrumentation: Instrumentation,
        max_connections: int,
        patience: float = PATIENCE,
    ) -> None:
        """Store the options.

        `max_connections` is the number of connections that are kept open while idle, `patience` the seconds for a
        request with its repetitions.
        """
        self.patience = patience
        """Seconds for a request with its repetitions."""
        self._location = location
        self._counters = counters
        self._instrumentation = instrumentation
        self._max_idle = max_connections
        self._idle: list[tuple[Stream, float]] = []
        self._tls = tls_context(location.endpoint)
        self._process = os.getpid()
        self.requests = 0
        """Requests sent."""
        self.replaced = 0
        """Connections found closed when a request needed one."""

    @property
    def region(self) -> str:
        """Region of the table."""
        return self._location.endpoint.region

    @property
    def idle(self) -> int:
        """Number of connections that are open and not in use."""
        return len(self._idle)

    @property
    def forked(self) -> bool:
        """True in a forked process, which must not use its parent's connections."""
        return self._process != os.getpid()

    async def call(
        self, request: Request, until: float | None, conflicts: Repetitions | None = None
    ) -> dict[str, Any]:
        """Send a request until it is answered, and return the answer.

        It is repeated after passing failures until `until` (a `time.monotonic()`), and not beyond its patience.
        `conflicts` limits those that were conflicts over all requests of a transaction.

        Raises:
            RequestFailed: it was refused, or not answered in time.
        """
        limit, began = time.monotonic() + self.patience, time.time()
        deadline = limit if until is None else min(until, limit)
        attempt, lost = 1, False
        while True:
            answer = await self._exchange(request, deadline)
            if isinstance(answer, dict):
                return answer
            lost = lost or answer.next is Next.FIND_OUT
            wait = self._wait(request, answer, attempt, deadline, conflicts)
            if wait is not None:
                self._instrumentation.repeated(request.operation, answer.error, attempt)
                await sleep(wait)
            if wait is None or (lost and request.writes and is_forgotten(began, time.time())):
                error = final_error(answer, writes=request.writes, lost=lost, until=until)
                error.attempts = attempt
                raise RequestFailed(error, answer, lost)
            attempt += 1

    def final(self, failed: RequestFailed) -> DatabaseError:
        """Count a failed request, and return the error to raise."""
        self._counters.add(unknown=failed.error.commit_unknown)
        return failed.error

    def close(self) -> None:
        """Close all idle connections, and detach from a local DynamoDB."""
        while (found := self._pop_idle()) is not None:
            found[0].close()
        self._location.release()

    def _wait(
        self,
        request: Request,
        failure: Failure,
        attempt: int,
        deadline: float,
        conflicts: Repetitions | None,
    ) -> float | None:
        """Return the seconds to wait before a repetition, None if there is none."""
        again = failure.next is Next.REPEAT or (failure.next is Next.FIND_OUT and request.repeatable)
        wait = BACKOFF.wait(attempt)
        again = again and attempt <= REPEATS and time.monotonic() + wait < deadline
        if conflicts is not None and isinstance(failure.error, SerializationFailure):
            again = again and conflicts.left(REPEATS) > 0
            conflicts.made += again
        self._counters.add(retries=again)
        return wait if again else None

    async def _exchange(self, request: Request, deadline: float) -> dict[str, Any] | Failure:
        """Send a request once, and return the answer or the failure."""
        host = self._location.endpoint.host
        message = self._bytes_of(request)  # an error of the credentials is no lost answer: nothing was sent
        until = earliest(deadline, time.monotonic() + RESPONSE_SECONDS) or deadline
        try:
            stream = await self._take(until)
        except OSError as error:  # TimeoutError and errors of TLS are some, too
            self._counters.add(refused=1)
            return unreachable(error, host)
        reader = ResponseReader()
        try:
            await stream.send(message, until)
            self.requests += 1
            while not reader.feed(await self._received(stream, until)):
                pass
        except (OSError, NotHttp) as error:
            stream.close()
            return unanswered(error, host)
        except BaseException:  # a cancelled task, in the middle of a message
            stream.close()
            raise
        self._release(stream, keep=reader.keeps_connection)
        return _read(reader, self._location)

    def _bytes_of(self, request: Request) -> bytes:
        endpoint = self._location.endpoint
        headers = signed_headers(
            endpoint.header,
            endpoint.region,
            _API + request.operation,
            request.body,
            self._location.credentials(),
            path=endpoint.path,
        )
        return post(endpoint.path, headers, request.body)

    async def _received(self, stream: Stream, until: float) -> bytes:
        data = await stream.receive(until)
        if not data:
            raise ConnectionResetError("the server closed the connection")
        return data

    async def _take(self, until: float) -> Stream:
        if self.forked:  # the parent uses them: two processes would receive each other's answers
            self._idle, self._process = [], os.getpid()
        while (found := self._pop_idle()) is not None:
            stream, since = found
            if stream.usable and abs(time.time() - since) < IDLE_SECONDS:
                return stream
            stream.close()
            self.replaced += 1
        endpoint = self._location.endpoint
        started = time.monotonic()
        stream = await Stream.open(endpoint.host, endpoint.port, self._tls, until)
        self._counters.add(connects=1)
        self._instrumentation.connected(time.monotonic() - started, 1)
        return stream

    def _pop_idle(self) -> tuple[Stream, float] | None:
        try:  # in one step: another thread may take the last one after a look at the list
            return self._idle.pop()
        except IndexError:
            return None

    def _release(self, stream: Stream, *, keep: bool) -> None:
        if keep and len(self._idle) < self._max_idle:
            # The wall clock: the monotonic one may stand still while a sandbox is frozen.
            self._idle.append((stream, time.time()))
        else:
            stream.close()


def _read(reader: ResponseReader, location: TableLocation) -> dict[str, Any] | Failure:
    try:
        answer = json.loads(reader.body)
    except ValueError:
        answer = None
    if reader.status == 200:
        if isinstance(answer, dict) and is_of_dynamodb(reader.headers, reader.body):
            return answer
        # The page of a proxy or of another server: neither an empty item, nor a write that succeeded.
        return unanswered(
            NotHttp("its response is not DynamoDB's; check the endpoint"), location.endpoint.host
        )
    found = answer if isinstance(answer, dict) else {}
    return classify(reader.status, found, f"{location.table!r} in {location.endpoint.region}")
