"""Client side of predicates: a thread that evaluates a predicate for each COMMIT that the server sends."""

from __future__ import annotations

import inspect
import logging
import os
import threading
import traceback
import weakref
from pathlib import Path
from typing import TYPE_CHECKING

from local_dsql.control.codec import decode_attempt

if TYPE_CHECKING:
    from collections.abc import Callable

    from local_dsql.control.protocol import ControlConnection, Json
    from local_dsql.faults.injection import Attempt

    Predicate = Callable[[Attempt], bool]

log = logging.getLogger(__name__)
_clients: weakref.WeakSet[PredicateClient] = weakref.WeakSet()


def predicate_name(predicate: Predicate) -> str:
    """Return name and location of a predicate: `<lambda> (test_transfers.py:31)`.

    Raises:
        TypeError: it is not callable, or is a coroutine function, which would never be awaited.
    """
    if not callable(predicate):
        raise TypeError(f"the predicate is {type(predicate).__name__}; pass a function of one Attempt")
    if inspect.iscoroutinefunction(predicate):
        raise TypeError("the predicate is a coroutine function; write it with def")
    name: str = getattr(predicate, "__name__", type(predicate).__name__)
    code = getattr(predicate, "__code__", None)
    if code is None:
        return name
    file, here = Path(code.co_filename), Path.cwd()
    return f"{name} ({file.relative_to(here) if file.is_relative_to(here) else file}:{code.co_firstlineno})"


class PredicateClient:
    """The predicates armed by one LocalCluster; each injection lasts as long as its connection."""

    def __init__(self) -> None:
        self._connections: set[ControlConnection] = set()
        _clients.add(self)

    def arm(self, connection: ControlConnection, predicate: Predicate, parameters: Json) -> int:
        """Arm an injection, start the thread that evaluates its predicate, and return its number.

        Raises:
            LocalDatabaseError: the server refuses.
            ValueError: the parameters are invalid.
            OSError: the server has ended.
        """
        try:
            number = int(str(connection.call("inject_by_predicate", parameters)["number"]))
        except BaseException:
            connection.close()
            raise
        self._connections.add(connection)
        threading.Thread(
            target=self._serve,
            args=(connection, number, predicate),
            name=f"local-dsql-injection-{number}",
            daemon=True,
        ).start()
        return number

    def close(self) -> None:
        """Disarm all, without waiting for a running predicate."""
        for connection in list(self._connections):
            connection.shut_down()

    def close_after_fork(self) -> None:
        """Close the inherited connections in a child process made by `fork`, which has no thread for them."""
        for connection in self._connections:
            connection.close_after_fork()

    def _serve(self, connection: ControlConnection, number: int, predicate: Predicate) -> None:
        try:
            connection.answer(lambda request: _evaluate(number, predicate, request))
        finally:
            connection.close()
            self._connections.discard(connection)


def _close_after_fork() -> None:
    for each in _clients:
        each.close_after_fork()


os.register_at_fork(after_in_child=_close_after_fork)


def _evaluate(number: int, predicate: Predicate, request: Json) -> Json:
    try:
        verdict: object = predicate(decode_attempt(request))
        if inspect.iscoroutine(verdict):
            verdict.close()
            raise TypeError("it returned a coroutine, which is never awaited; write it with def")
        return {"verdict": bool(verdict)}
    except BaseException as error:  # includes pytest's Failed, which would end the thread unseen
        log.exception("the predicate of injection %d failed; the COMMIT fails with SQLSTATE 38000", number)
        return {"error": "".join(traceback.format_exception_only(error)).strip()}
