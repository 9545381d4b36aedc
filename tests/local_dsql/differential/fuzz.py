"""Random sessions at the wire, each answer compared with the oracle's.

A run is one seed on an empty database. It goes in rounds: some families of tables, some of their shapes, transactions
that overlap, at the end of which the committed rows are compared. Everything but the moment at which a burst of
statements or a cut connection meets the server is the same when the seed is played again.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.local_dsql.differential.client import Client
from tests.local_dsql.differential.families import FAMILIES, SESSION
from tests.local_dsql.differential.oracle import Oracle, state_query
from tests.local_dsql.differential.shapes import Family, Filler, Shape, Statement
from tests.local_dsql.differential.transcript import Transcript
from tests.local_dsql.differential.values import POOLS
from tests.local_dsql.differential.wire_session import Protocol, Request, WireSession, finish_all

if TYPE_CHECKING:
    from collections.abc import Sequence

    from local_dsql import LocalCluster
    from tests.local_dsql.differential.plain_postgres import PlainPostgres

SESSIONS = 4
LEDGER_TABLE = "ledger"
LEDGER = f"CREATE TABLE {LEDGER_TABLE} (id int PRIMARY KEY)"
_BURST_LIMIT = 20.0


@dataclass(frozen=True)
class Options:
    """Parts that a run leaves out, for a look at the rest."""

    families: Sequence[Family] = FAMILIES
    without: frozenset[str] = frozenset()
    cuts: bool = True
    ddl: bool = True
    bursts: bool = True
    touches: bool = True


@dataclass
class Change:
    """DDL of a session of its own: open, committed or taken back."""

    sql: str
    undo: str
    is_open: bool
    job: str | None = None


@dataclass
class Round:
    """The families and shapes of a round."""

    families: list[Family]
    shapes: list[Shape]
    change: Change | None = None
    touch: list[str] = field(default_factory=list)


class Fuzz:
    """A run; `play` goes on until so many statements have been compared."""

    def __init__(
        self, cluster: LocalCluster, server: PlainPostgres, seed: int, options: Options = Options()
    ) -> None:
        self._random = random.Random(seed)
        self._options = options
        self._filler = Filler(self._random, POOLS)
        self.transcript = Transcript(f"python -m tests.local_dsql.differential --seed {seed}")
        self.done: Counter[str] = Counter()
        cluster.reset()
        self._admin = WireSession(cluster.dsn())
        self._oracle = Oracle(server, SESSIONS + 1)
        self._families = self._random.sample(list(options.families), min(8, len(options.families)))
        for sql in (LEDGER, *(sql for family in self._families for sql in family.ddl)):
            self._define(sql)
        names = [*(chr(ord("A") + index) for index in range(SESSIONS)), "keeper"]
        self._clients = [
            Client(name, cluster.dsn(), self._oracle, copy, self.transcript)
            for name, copy in zip(names, self._oracle.copies, strict=True)
        ]
        self._keeper = self._clients.pop()
        self._toucher, self._changer = WireSession(cluster.dsn()), WireSession(cluster.dsn())
        self._ledger = 0

    def close(self) -> None:
        """Hang up."""
        for client in (*self._clients, self._keeper):
            client.close()
        for session in (self._admin, self._toucher, self._changer):
            session.close()
        self._oracle.close()

    def play(self, statements: int) -> None:
        """Play rounds until so many statements have been sent.

        Raises:
            Mismatch: with the statements before it and how to play it again.
        """
        while self.transcript.statements < statements:
            self._round()

    def _round(self) -> None:
        count = min(self._random.choice((1, 1, 2)), len(self._families))
        families = self._random.sample(self._families, count)
        shapes = [
            shape for family in families for shape in family.shapes if not shape.tags & self._options.without
        ]
        chosen = self._random.choices(
            shapes, [shape.weight for shape in shapes], k=self._random.randint(5, 16)
        )
        chosen += self._random.sample(SESSION, 2)
        self._oracle.watch([LEDGER_TABLE, *(name for family in families for name in family.tables)])
        now = Round(families, chosen, touch=[sql for family in families for sql in family.touch])
        self._fill(families)
        for _ in range(self._random.randint(20, 60)):
            self._step(now)
        for client in self._random.sample(self._clients, SESSIONS):
            self._end(client)
        self._take_back(now)
        self._compare_state(families)
        for client in self._clients:
            client.reset()
        self.done["rounds"] += 1

    def _fill(self, families: Sequence[Family]) -> None:
        """Add the rows to begin with, at times after all rows are gone."""
        empty = self._random.random() < 0.4
        for family in families:
            for table in reversed(family.tables) if empty else ():
                quoted = table.replace('"', '""')
                self._plain(f'DELETE FROM "{quoted}"')
            for sql in family.rows:
                self._plain(sql)

    def _plain(self, sql: str) -> None:
        request = Request(sql, protocol=Protocol.SIMPLE)
        self._keeper.autocommit(Statement(Shape(sql, several=True), request))

    def _step(self, now: Round) -> None:
        client = self._random.choice(self._clients)
        if not client.is_open:
            self._start(client, now)
            return
        chance = self._random.random()
        if chance < 0.09:
            self._end(client)
        elif chance < 0.11 and self._options.cuts:
            self._cut(client, now)
        elif chance < 0.13 and self._options.ddl:
            self._change(now)
        elif chance < 0.21 and self._options.bursts:
            self._burst(now)
        else:
            self._run(client, now)
        if self._options.touches and self._random.random() < 0.2:
            self._touch(now)

    def _start(self, client: Client, now: Round) -> None:
        if self._random.random() < 0.2:
            client.autocommit(self._statement(now))
            self.done["autocommit"] += 1
        else:
            client.begin(self._statement(now))
            self.done["transactions"] += 1

    def _run(self, client: Client, now: Round) -> None:
        if client.is_usable:
            client.run(self._statement(now))
            self.done["statements"] += 1
        else:
            self._end(client)

    def _statement(self, now: Round) -> Statement:
        return self._filler.fill(self._random.choice(now.shapes))

    def _end(self, client: Client) -> None:
        if client.is_open:
            if self._random.random() < 0.75:
                client.commit()
            else:
                client.rollback()

    def _burst(self, now: Round) -> None:
        """Send statements of several transactions at once."""
        clients = [client for client in self._clients if client.is_usable]
        pairs = [(client, self._statement(now)) for client in clients if self._random.random() < 0.8]
        pairs = [(client, statement) for client, statement in pairs if statement.request.copy is None]
        for client, statement in pairs:
            client.send(statement.request)
        late = finish_all([client.wire for client, _ in pairs], _BURST_LIMIT)
        for client, statement in pairs:
            self.transcript.timed(client.name, statement.request, client.wire.take())
        if late:
            raise self.transcript.mismatch(
                f"{len(late)} of {len(pairs)} statements sent at once have no answer"
            )
        for client, statement in pairs:
            client.compare(statement, client.wire.take())
        self.done["bursts"] += 1

    def _touch(self, now: Round) -> None:
        """Take all rows in another session, and roll back: no transaction may notice."""
        for sql in ("BEGIN", *now.touch):
            answer = self.transcript.timed("toucher", Request(sql), self._toucher.ask(Request(sql)))
            if answer.failed:
                if "(OC001)" not in answer.message or now.change is None:
                    raise self.transcript.mismatch(f"toucher: {sql} answers {answer}")
                break
        self._toucher.ask("ROLLBACK")
        self.done["touches"] += 1

    def _cut(self, client: Client, now: Round) -> None:
        self.done["cuts"] += 1
        if not client.is_usable or self._random.random() < 0.6:
            client.cut(self._random.choice((None, self._statement(now).request)))
            return
        self._ledger += 1
        entry = Request(f"INSERT INTO {LEDGER_TABLE} VALUES ($1::int)", (str(self._ledger),))
        client.run(Statement(Shape(entry.sql), entry))
        if client.is_usable:
            self._cut_commit(client, entry)

    def _cut_commit(self, client: Client, entry: Request) -> None:
        """Tear the connection during COMMIT; a duplicate of its row in the ledger tells whether it took effect.

        If the duplicate goes in, COMMIT has not taken effect and cannot any more: it would be the second one.
        """
        client.wire.start(Request("COMMIT", protocol=Protocol.SIMPLE))
        client.wire.cut()
        answer = self._keeper.ask(entry)
        self.transcript.note(client.name, "COMMIT (connection cut)", answer)
        if answer.sqlstate == "23505":
            client.copy.commit()
            if client.copy.open is not None:
                client.copy.rollback()
        elif answer.failed:
            raise self.transcript.mismatch(f"keeper: {entry} answers {answer}")
        else:
            client.copy.rollback()
            self._keeper.copy.begin()
            self._keeper.copy.execute(entry)
            self._keeper.copy.commit()
        client.reconnect()

    def _change(self, now: Round) -> None:
        """Begin, or commit, DDL in a session of its own."""
        if now.change is not None:
            self._commit_change(now.change)
            return
        changes = [change for family in now.families for change in family.changes]
        if not changes:
            return
        sql, undo = self._random.choice(changes)
        open_one = self._random.random() < 0.6
        for text in ("BEGIN", sql) if open_one else (sql,):
            request = Request(text, protocol=Protocol.SIMPLE)
            answer = self.transcript.timed("changer", request, self._changer.ask(request))
            if answer.failed:
                raise self.transcript.mismatch(f"changer: {text} answers {answer}")
        job = (answer.rows[0][0] or b"").decode() if answer.rows else None
        now.change = Change(sql, undo, open_one, job)
        if not open_one:
            self._changed(now.change)

    def _commit_change(self, change: Change) -> None:
        if not change.is_open:
            return
        change.is_open = False
        answer = self.transcript.timed("changer", Request("COMMIT"), self._changer.ask("COMMIT"))
        if answer.sqlstate == "40001":
            change.undo = ""
        elif answer.failed:
            raise self.transcript.mismatch(f"changer: COMMIT of {change.sql} answers {answer}")
        else:
            self._changed(change)

    def _changed(self, change: Change) -> None:
        self._oracle.change_catalog(change.sql)
        self._oracle.unsettled |= change.job is not None
        self.done["catalog changes"] += 1

    def _take_back(self, now: Round) -> None:
        if now.change is None:
            return
        self._commit_change(now.change)
        if now.change.undo:
            if now.change.job is not None:
                self._settled(f"CALL sys.wait_for_job('{now.change.job}')")
            self._oracle.unsettled = False
            self._settled(now.change.undo)
            self._oracle.change_catalog(now.change.undo)
        for wire in (self._toucher, *(client.wire for client in self._clients)):
            _tell_catalog(wire)

    def _define(self, sql: str) -> None:
        answer = self._settled(sql)
        if answer is not None:
            self._settled(f"CALL sys.wait_for_job('{answer}')")
        self._oracle.change_catalog(sql)

    def _settled(self, sql: str) -> str | None:
        """Run a statement until no change of the catalog fails it."""
        while True:
            answer = self._admin.ask(sql)
            if not answer.failed:
                return (answer.rows[0][0] or b"").decode() if answer.rows and "ASYNC" in sql else None
            if "(OC001)" not in answer.message:
                raise self.transcript.mismatch(f"admin: {sql} answers {answer}")

    def _compare_state(self, families: Sequence[Family]) -> None:
        names = [name for family in families for name in family.tables]
        got = self._admin.ask(state_query([self._oracle.tables[name] for name in names]))
        expected = self._oracle.state(names)
        if got.sorted().rows != expected:
            missing, extra = set(expected) - set(got.rows), set(got.rows) - set(expected)
            raise self.transcript.mismatch(
                f"committed rows of {names}: there is {sorted(map(str, extra))} too many,"
                f" there lacks {sorted(map(str, missing))}"
            )
        if broken := self._oracle.unreferenced():
            raise self.transcript.mismatch(f"the oracle breaks foreign keys: {broken}")


def _tell_catalog(wire: WireSession) -> None:
    """Let a session learn of a changed catalog outside of any transaction."""
    while wire.ask("SELECT 1").failed:
        pass
