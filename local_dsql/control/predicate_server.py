"""Server side of predicates: send each COMMIT to the process that armed the predicate, one at a time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from local_dsql.control.codec import encode_attempt
from local_dsql.faults.injector import PredicateFailed
from local_dsql.wire.fifo_lock import FifoLock
from local_dsql.wire.messages import ServerMessage

if TYPE_CHECKING:
    from local_dsql.control.protocol import Json
    from local_dsql.control.server import JsonLineStream
    from local_dsql.faults.injection import Attempt

_SQLSTATE = "38000"
"""external_routine_exception: drivers do not treat it as a conflict, so it is not retried."""

_DETAIL = "A fault injection evaluates this predicate for the COMMIT. Nothing was committed."


class PredicateServer:
    """Evaluates the predicate of one injection in the client process.

    Args:
        line: connection to the process that answers.
        predicate: its name and location.
        timeout: seconds that a COMMIT waits at most, including its time in the queue.
    """

    def __init__(self, stream: JsonLineStream, predicate: str, timeout: float) -> None:
        self._stream = stream
        self._predicate = predicate
        self._timeout = timeout
        self._lock = FifoLock()
        self._answer: asyncio.Future[Json] | None = None
        self._cancelled = False

    async def listen(self) -> None:
        """Receive verdicts until the client closes the connection or the injection is cancelled."""
        while (answer := await self._stream.receive()) is not None:
            if self._answer is not None and not self._answer.done():
                self._answer.set_result(answer)

    async def evaluate(self, attempt: Attempt) -> bool:
        """Return the predicate's verdict; false if its process ends or the injection is removed meanwhile.

        Raises:
            PredicateFailed: it raised an exception or exceeded the timeout.
        """
        try:
            async with asyncio.timeout(self._timeout):
                answer = await self._ask(attempt)
        except TimeoutError:
            raise PredicateFailed(self._too_slow()) from None
        if "error" in answer:
            raise PredicateFailed(self._raised(str(answer["error"])))
        return bool(answer["verdict"])

    async def _ask(self, attempt: Attempt) -> Json:
        await self._lock.acquire()
        if self._cancelled:
            self._lock.release()
            return {"verdict": False}
        self._answer = asyncio.get_running_loop().create_future()
        # Not before: after a timeout the predicate still runs, and a second COMMIT must not be sent meanwhile.
        self._answer.add_done_callback(lambda _: self._lock.release())
        self._stream.send(encode_attempt(attempt))
        return await asyncio.shield(self._answer)

    def cancel(self) -> None:
        """Close the connection; a COMMIT that waits for the predicate continues without a fault."""
        self._cancelled = True
        if self._answer is not None and not self._answer.done():
            self._answer.set_result({"verdict": False})
        self._stream.close()

    def _raised(self, error: str) -> ServerMessage:
        return ServerMessage(
            _SQLSTATE,
            f"the predicate {self._predicate} raised {error}",
            detail=_DETAIL,
            hint="Correct the predicate, or disarm it with clear_injections(). Its process has logged a traceback.",
        )

    def _too_slow(self) -> ServerMessage:
        return ServerMessage(
            _SQLSTATE,
            f"the predicate {self._predicate} did not return within {self._timeout:g} s",
            detail=_DETAIL,
            hint="It must not use the connection that commits, nor run a COMMIT that it is evaluated for. If it needs"
            " more time, pass inject(…, timeout=60). clear_injections() disarms it.",
        )
