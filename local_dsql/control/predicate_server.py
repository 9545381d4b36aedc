"""The server's end of a predicate: COMMITs are put to the process that armed it, one at a time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from local_dsql.control.codec import encode_attempt
from local_dsql.faults.injector import PredicateFailed
from local_dsql.wire.fifo_lock import FifoLock
from local_dsql.wire.messages import ServerMessage

if TYPE_CHECKING:
    from local_dsql.control.protocol import Json
    from local_dsql.control.server import Line
    from local_dsql.faults.injection import Attempt

_SQLSTATE = "38000"
"""external_routine_exception: no driver takes it for a conflict, and nobody retries it."""

_DETAIL = "An injection asks it whether this COMMIT is to fail. Nothing was committed."


class Questions:
    """The judge of one injection.

    Args:
        line: connection to the process that answers.
        predicate: its name and place.
        timeout: seconds that a COMMIT waits at most, those included in which others are asked about.
    """

    def __init__(self, line: Line, predicate: str, timeout: float) -> None:
        self._line = line
        self._predicate = predicate
        self._timeout = timeout
        self._lock = FifoLock()
        self._answer: asyncio.Future[Json] | None = None
        self._dismissed = False

    async def listen(self) -> None:
        """Take answers until the other end has gone, or is dismissed."""
        while (answer := await self._line.receive()) is not None:
            if self._answer is not None and not self._answer.done():
                self._answer.set_result(answer)

    async def agrees(self, attempt: Attempt) -> bool:
        """Return the predicate's verdict, false where its process ends or the injection is removed meanwhile.

        Raises:
            PredicateFailed: it raised an exception, or took too long.
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
        if self._dismissed:
            self._lock.release()
            return {"verdict": False}
        self._answer = asyncio.get_running_loop().create_future()
        # Not before: who has given up waiting must not let a second question in while the first is thought about.
        self._answer.add_done_callback(lambda _: self._lock.release())
        self._line.send(encode_attempt(attempt))
        return await asyncio.shield(self._answer)

    def dismiss(self) -> None:
        """Hang up; whoever waits is told that nothing is to happen."""
        self._dismissed = True
        if self._answer is not None and not self._answer.done():
            self._answer.set_result({"verdict": False})
        self._line.hang_up()

    def _raised(self, error: str) -> ServerMessage:
        return ServerMessage(
            _SQLSTATE,
            f"the predicate {self._predicate} raised {error}",
            detail=_DETAIL,
            hint="Correct it, or disarm it with clear_injections(). The process that armed it has logged a traceback.",
        )

    def _too_slow(self) -> ServerMessage:
        return ServerMessage(
            _SQLSTATE,
            f"the predicate {self._predicate} gave no verdict within {self._timeout:g} s",
            detail=_DETAIL,
            hint="Let it neither use the connection that commits nor change what it is asked about itself; or give it"
            " longer: inject(…, timeout=60). clear_injections() disarms it.",
        )
