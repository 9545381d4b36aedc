"""The connections of one process: a warm one for the single thread of a Lambda, more for a threaded app."""

from __future__ import annotations

import threading
import time

from .errors import ConnectionFailed

TYPE_CHECKING = False  # `typing` costs more to import than the whole runtime
if TYPE_CHECKING:
    from collections.abc import Callable

    from .session import Session

SIZE = 10
"""Connections at most; a thread that wants an eleventh waits."""

PATIENCE = 30.0
"""Seconds a thread waits for a connection that others hold."""


class Pool:
    """Opens connections on demand up to `size`, and hands out the one used last first."""

    def __init__(self, connect: Callable[[], Session], size: int = SIZE, patience: float = PATIENCE) -> None:
        self._connect = connect
        self._size = size
        self._patience = patience
        self._idle: list[Session] = []
        self._taken = 0
        self._closed = False
        self._changed = threading.Condition()

    def take(self, wake: Callable[[Session], None]) -> tuple[Session, bool]:
        """Return a connection that `wake` found working, and whether it had been used before.

        `wake` says something to the server and raises ConnectionFailed where no answer comes; a torn
        connection is then replaced unseen, for nothing has been asked of it yet.

        Raises:
            ConnectionFailed: all are in use and stay so, the pool is closed, or a new one cannot be opened.
        """
        self._reserve()
        try:
            while (session := self._newest()) is not None:
                if _awake(session, wake):
                    return session, True
            session = self._connect()
            try:
                wake(session)
            except BaseException:
                session.close()
                raise
            return session, False
        except BaseException:
            self._release()
            raise

    def give(self, session: Session) -> None:
        """Take a connection back; one that is not at rest between transactions is closed."""
        if not session.usable:
            session.close()
        with self._changed:
            if self._closed:
                session.close()
            elif not session.lost:
                self._idle.append(session)
        self._release()

    def close(self) -> None:
        """Close what is idle now, and what is in use as soon as it comes back."""
        with self._changed:
            self._closed = True
            idle, self._idle = self._idle, []
            self._changed.notify_all()
        for session in idle:
            session.close()

    def _reserve(self) -> None:
        until = time.monotonic() + self._patience
        with self._changed:
            while self._taken >= self._size and not self._closed:
                if not self._changed.wait(until - time.monotonic()):
                    raise ConnectionFailed(
                        f"all {self._size} connections were in use for {self._patience:g} s; "
                        "keep transactions short, or raise max_connections"
                    )
            if self._closed:
                raise ConnectionFailed("the database was closed by close(); make a new one", retryable=False)
            self._taken += 1

    def _release(self) -> None:
        with self._changed:
            self._taken -= 1
            self._changed.notify()

    def _newest(self) -> Session | None:
        with self._changed:
            return self._idle.pop() if self._idle else None


def _awake(session: Session, wake: Callable[[Session], None]) -> bool:
    """Wake a connection that has been idle; close it where that fails."""
    try:
        if session.usable:
            wake(session)
            return True
    except ConnectionFailed:
        pass  # torn while nobody used it: nothing is lost but the connection
    except BaseException:
        session.close()
        raise
    session.close()
    return False
