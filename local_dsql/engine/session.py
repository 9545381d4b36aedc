"""The engine's view of a client session, the services that all sessions share, and exclusive access to a session.

A backend is used only through a `HeldSession`. It exists only while the session's lock is held, so a function that
needs the lock takes one as an argument.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from local_dsql.engine.commands import UTF8, Command, encode, results
from local_dsql.engine.errors import QUERY_CANCELED, is_interruption, is_raised
from local_dsql.engine.portals import NoPortals
from local_dsql.engine.turns import LOSSES, Turns
from local_dsql.wire.backend import ConnectionLost
from local_dsql.wire.response import BackendError
from local_dsql.wire.sql import literal

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping, Sequence

    from local_dsql.cost.meter import CostMeter
    from local_dsql.engine.commands import Parameter, Result
    from local_dsql.engine.commits import CommitCounter
    from local_dsql.engine.conflict_log import ConflictLog
    from local_dsql.engine.control import ControlConnections
    from local_dsql.engine.limits import Limits
    from local_dsql.engine.log_follower import LogFollower
    from local_dsql.engine.owner_functions import OwnerFunctions
    from local_dsql.engine.portals import PortalKeeper
    from local_dsql.engine.table_catalog import TableCatalog
    from local_dsql.engine.transaction import Transaction
    from local_dsql.engine.turns import Participant
    from local_dsql.engine.wait_log import WaitLog
    from local_dsql.faults.injector import Injector
    from local_dsql.wire.backend import Backend
    from local_dsql.wire.response import Response

_log = logging.getLogger(__name__)

_IS_ALIVE = "SELECT EXISTS (SELECT FROM pg_catalog.pg_stat_get_activity({pid}))"
_ROUND = 0.002
"""Seconds between looks at a backend that may still commit."""
_SET_UTF8 = Command("SET LOCAL client_encoding = 'UTF8'")
_MOST_COUNTED = 16
"""Number of statements that a session is known to change many rows with; of their texts it keeps the hash values."""


@dataclass(slots=True)
class Services:
    """Services that all sessions share.

    `token` authorizes the engine's functions in the database. `suspend_always` is for tests: every open transaction is
    suspended after each of its statements.
    """

    control: ControlConnections
    log: LogFollower
    catalog: TableCatalog
    commits: CommitCounter
    limits: Limits
    conflict_log: ConflictLog
    wait_log: WaitLog
    injector: Injector
    owner_functions: OwnerFunctions
    token: Parameter
    suspend_always: bool = False
    turns: Turns = field(default_factory=Turns)
    meters: set[CostMeter] = field(default_factory=set)
    """The meters that have to know of changes of the catalog."""
    sessions: dict[int, EngineSession] = field(default_factory=dict)
    open: set[EngineSession] = field(default_factory=set)
    """The sessions that are in a transaction."""
    opening: int = 0
    """Number of BEGINs in progress."""
    background: set[asyncio.Task[None]] = field(default_factory=set)
    running: dict[EngineSession, float] = field(default_factory=dict)
    """The statements that may be blocked, by session, with the time of the next look at each (`unblock`)."""
    watches: int = 0
    """Number of statements that are watched (`unblock`)."""
    next_look: asyncio.TimerHandle | None = None
    """The timer of `unblock`."""

    def run_in_background(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        """Run a coroutine to its end."""
        task = asyncio.get_running_loop().create_task(work)
        self.background.add(task)
        task.add_done_callback(self._ended)
        return task

    def finish_commit(self, backend: Backend, *, wrote: bool = True) -> None:
        """Count a COMMIT as ended; if its connection is lost, once its backend has ended."""
        if backend.is_gone:
            self.finish_lost_commit(backend.pid)
        else:
            self.commits.finish(wrote=wrote)

    def finish_lost_commit(self, pid: int, then: Callable[[], None] = lambda: None) -> None:
        """Count a COMMIT as ended, and call a function, once the backend with a process number has ended.

        A client that disconnects during COMMIT leaves a backend behind that may still commit. Until it has ended, all
        transactions take the COMMIT for one in progress.
        """
        self.run_in_background(self._finish_lost_commit(pid, then))

    async def _finish_lost_commit(self, pid: int, then: Callable[[], None]) -> None:
        try:
            while (await self.control.rows(_IS_ALIVE.format(pid=pid))) == [["t"]]:
                await asyncio.sleep(_ROUND)
        except (ConnectionLost, BackendError):
            _log.debug("a COMMIT without an answer is over: PostgreSQL is stopping")
        finally:
            then()
            self.commits.finish()

    async def end_background(self, patience: float) -> None:
        """Wait up to `patience` seconds for the coroutines that run, then cancel the others."""
        for _ in range(2):
            if not self.background:
                return
            _, late = await asyncio.wait(self.background, timeout=patience)
            for task in late:
                task.cancel()

    def _ended(self, task: asyncio.Task[None]) -> None:
        self.background.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("background work of the engine failed", exc_info=error)

    def is_idle(self) -> bool:
        """Return whether no session is in a transaction or begins one. Statements in autocommit may run."""
        return not (self.opening or self.open)

    def refuse_open_commits(self) -> None:
        """Refuse the COMMIT of every open transaction: the log that shows the commits since its snapshot is lost."""
        for session in self.open:
            if session.transaction is not None:
                session.transaction.log_lost = True

    def others_exist(self, session: EngineSession) -> bool:
        """Return whether there is another session of a client."""
        return len(self.sessions) > (session.backend.pid in self.sessions)

    def others_are_open(self, session: EngineSession) -> bool:
        """Return whether another session is in a transaction, or begins one."""
        return self.opening > 0 or len(self.open) > (session in self.open)

    def several_are_active(self) -> bool:
        """Return whether two sessions are in a transaction or run a statement: one may block the other."""
        if len(self.running) > 1 or len(self.open) > 1:
            return True
        return bool(self.open and self.running) and self.open.isdisjoint(self.running)


class EngineSession:
    """One client: its backend, whose session user is the client's role and never changes.

    Attributes:
        transaction: the open transaction, None outside of one.
        suspend_wanted: a blocked statement found the backend busy. The session suspends its transaction at the end of
            its own statement.
        interruptible: the running statement can be cancelled, undone and run again.
        preemptions: number of times that this was done to the running statement.
        cancelling: the cancel request in progress, None if there is none.
        withheld: values of parameters that PostgreSQL has reported because of a suspension. The client does not receive
            them, because the resumed transaction sets the parameters again.
        prepared: the backend has the engine's prepared statements (`prepared`).
        losses: number of conflicts that it has lost in a row (`turns`).
        lost_to: the winners of its last conflicts, for each of them (`turns`).
        takes_turns: number of its next transactions that take turns with those of other sessions (`turns`).
        decided: time of its last lost conflict or COMMIT (time.monotonic; `turns`).
        answered: answer of PostgreSQL to a statement that an exchange has sent. The lock is held for the one that
            executes the statement from there on.
        label: role, Region and PostgreSQL's process number, for the logs.
        sent: time when its last statement that may be blocked was sent (time.monotonic).
        stop_watch: ends the watch of the running statement (`unblock`), None if it is not watched.
    """

    def __init__(
        self,
        services: Services,
        backend: Backend,
        role: str,
        region: str = "",
        portals: PortalKeeper | None = None,
    ) -> None:
        self.services = services
        self.backend = backend
        self.role = role
        self.region = region
        self.portals = portals or NoPortals()
        self.transaction: Transaction | None = None
        self.suspend_wanted = False
        self.interruptible = False
        self.preemptions = 0
        self.cancelling: asyncio.Future[None] | None = None
        self.withheld: dict[str, str] = {}
        self.prepared = False
        self.losses = 0
        self.takes_turns = 0
        self.decided = 0.0
        self.lost_to: deque[frozenset[Participant]] = deque(maxlen=LOSSES)
        self.answered: Response | None = None
        self._counted: dict[int, None] = {}
        self.sent = 0.0
        self.stop_watch: Callable[[], None] | None = None
        self._released = 0.0
        self._held = HeldSession(self)
        self.label = f"{role}@{region}#{backend.pid}"

    def open(self, transaction: Transaction) -> None:
        """Note that a transaction has begun."""
        self.transaction = transaction
        self.services.open.add(self)

    def close(self) -> None:
        """Note that the transaction, if any, has ended."""
        self.transaction = None
        self.services.open.discard(self)
        self.services.catalog.changing.discard(self)

    def withhold(self, before: Mapping[str, str]) -> None:
        """Withhold the values that PostgreSQL has reported since the parameters were `before`."""
        reported = self.backend.parameters
        self.withheld |= {name: value for name, value in reported.items() if before.get(name) != value}
        reported.clear()
        reported.update(before)

    def report_withheld(self) -> None:
        """Report the withheld values to the client: the transaction has ended, so they stay."""
        if self.withheld:
            self.backend.parameters.update(self.withheld)
            self.withheld.clear()

    def was_interrupted(self, error: Mapping[str, str], preemptions: int) -> bool:
        """Return whether the engine or PostgreSQL stopped the statement, so that another one can run.

        `preemptions` is the count when the statement was sent. It is compared because a CopyFail of the client has the
        SQLSTATE of a cancellation, too.
        """
        if error["C"] == QUERY_CANCELED:
            return self.preemptions > preemptions and not is_raised(error)
        return is_interruption(error)

    async def wait_for_cancellation(self) -> None:
        """Wait until the cancel request in progress has been sent: it must not cancel the next statement.

        PostgreSQL ignores a request that arrives while no statement runs.
        """
        if self.cancelling is not None:
            await self.cancelling
            self.cancelling = None

    def idle_for(self, now: float) -> float:
        """Return the seconds from the last use of its backend to `now` (time.monotonic), 0 if it is in use."""
        return 0.0 if self.backend.lock.locked else now - self._released

    def note_rows(self, text: str, *, many: bool) -> None:
        """Note whether a statement in autocommit has changed many rows: if so, they are counted at once the next time.

        Otherwise each such statement would run twice. A program alternates between few of them.
        """
        self._counted.pop(hash(text), None)
        if many:
            self._counted[hash(text)] = None
            if len(self._counted) > _MOST_COUNTED:
                del self._counted[next(iter(self._counted))]

    def has_many_rows(self, text: str) -> bool:
        """Return whether a statement in autocommit has changed many rows, as `note_rows` has been told."""
        return bool(text) and hash(text) in self._counted

    def release(self) -> None:
        """Let go of the lock."""
        self._released = time.monotonic()
        self.backend.lock.release()

    def exclusive(self) -> _Exclusive:
        """Return a context manager that waits for the lock and gives the held session."""
        return _Exclusive(self)

    def exclusive_after_exchange(self) -> _Exclusive:
        """As `exclusive`; if an exchange has left its answer, take over the lock that is held for it."""
        return _Continued(self) if self.answered is not None else _Exclusive(self)

    def try_exclusive(self) -> HeldSession | None:
        """Return the held session if its lock is free; the caller must `release` it, and not use it afterwards."""
        return self._held if self.backend.lock.try_acquire() else None


class _Exclusive:
    __slots__ = ("_session",)

    def __init__(self, session: EngineSession) -> None:
        self._session = session

    async def __aenter__(self) -> HeldSession:
        await self._session.backend.lock.acquire()
        return HeldSession(self._session)

    async def __aexit__(self, *_: object) -> None:
        self._session.release()


class _Continued(_Exclusive):
    __slots__ = ()

    async def __aenter__(self) -> HeldSession:
        held = HeldSession(self._session)
        held.answered, self._session.answered = self._session.answered, None
        await self._session.wait_for_cancellation()
        return held


class HeldSession:
    """Exclusive access to a session: the owner of this object holds the session's lock.

    `answered` is PostgreSQL's answer to the first run of the statement, where an exchange has sent that.
    """

    __slots__ = ("answered", "backend", "services", "session")

    def __init__(self, session: EngineSession) -> None:
        self.answered: Response | None = None
        self.session = session
        self.services = session.services
        self.backend = session.backend

    @property
    def transaction(self) -> Transaction:
        """The open transaction; there must be one."""
        transaction = self.session.transaction
        assert transaction is not None
        return transaction

    def take_answer(self) -> Response | None:
        """Return `answered`, once."""
        answer, self.answered = self.answered, None
        return answer

    @property
    def sees_current_catalog(self) -> bool:
        """Return whether the catalog is the same for all sessions and this one, whose snapshot may be older.

        Only then may it use what others have read of the catalog, and keep for them what it reads itself.
        """
        transaction = self.session.transaction
        if transaction is None:
            return True
        return (
            not transaction.changes_catalog and transaction.catalog_version == self.services.catalog.version
        )

    @property
    def has_run_statements(self) -> bool:
        """Return whether a statement that may be blocked has run in the transaction."""
        return self.session.sent > self.transaction.unused_until

    @property
    def must_give_way(self) -> bool:
        """Return whether to suspend the transaction at the end of the statement, for a blocked statement or a test."""
        return self.session.suspend_wanted or self.services.suspend_always

    def release(self) -> None:
        """Release the lock that `EngineSession.try_exclusive` acquired."""
        self.session.release()

    async def ask(self, data: bytes, answers: int = 1, *, bulk: bool = False) -> list[Response]:
        """Send messages that cannot wait for locks, as `Backend.request` does.

        Raises:
            ConnectionLost: the connection is lost.
        """
        return await self.backend.request(data, answers, bulk=bulk)

    async def run(self, commands: Sequence[Command]) -> list[Result]:
        """Run commands that cannot wait for locks in one round trip; an error is the last of the results.

        Raises:
            ConnectionLost: the connection is lost.
        """
        batch = Batch(commands, self.backend.encoding)
        (answer,) = await self.ask(batch.data)
        return batch.results(answer)


class Batch:
    """Commands for a session whose client_encoding is `encoding`: PostgreSQL converts text, in binary form too."""

    __slots__ = ("_count", "_skipped", "data")

    def __init__(self, commands: Sequence[Command], encoding: str) -> None:
        self._count = len(commands)
        self._skipped = int(encoding != UTF8)
        if self._skipped:
            back = Command(f"SET LOCAL client_encoding = {literal(encoding)}")
            commands = [_SET_UTF8, *commands, back]
        self.data = encode(commands)

    def results(self, answer: Response) -> list[Result]:
        """Return the results of the commands in the answer to `data`, or only the error that let none of them run."""
        found = results(answer)
        if len(found) <= self._skipped:
            return found[-1:]
        return found[self._skipped : self._skipped + self._count]
