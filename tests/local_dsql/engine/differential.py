"""One client through the engine and one at a plain PostgreSQL: every answer and every committed table must be equal."""

from __future__ import annotations

import random
from collections import Counter, deque
from typing import TYPE_CHECKING

from tests.local_dsql.engine.laboratory import Reply, reply, request
from tests.local_dsql.engine.shapes import ODD, POPULATE, SHAPES, TABLES, Sample, Shape

if TYPE_CHECKING:
    from local_dsql.wire.backend import Backend
    from tests.local_dsql.engine.laboratory import Client

_SHOWN = {"ib": "''", "z": "''", "ia": "concat_ws(' ', id, w, x)", "ic": "concat(p)"}
"""Values of sequences differ: a statement that failed, or ran again, has drawn numbers, too."""
_NAMES = (*(sql.split()[2] for sql in TABLES if sql.startswith("create table ") and ODD not in sql), ODD)
_CONTENT = " union all ".join(
    f"select '{name}', count(*), md5(string_agg({_SHOWN.get(name, 'x::text')}, chr(10)"
    f" order by {_SHOWN.get(name, 'x::text')})) from {name} x"
    for name in _NAMES
)


class Mismatch(AssertionError):
    """The two differ; the message has the last statements."""


class Differential:
    """Random transactions, statement by statement on both sides.

    `bystander` is a client that commits elsewhere between statements, so that the transactions are stale.
    """

    def __init__(self, client: Client, oracle: Backend, seed: int, bystander: Client | None = None) -> None:
        self._client = client
        self._oracle = oracle
        self._random = random.Random(seed)
        self._bystander = bystander
        self._history: deque[str] = deque(maxlen=25)
        self._shapes: tuple[Shape, ...] = SHAPES
        self.counts: Counter[str] = Counter()
        self.slowest = 0.0

    async def prepare(self) -> None:
        """Make the tables on both sides."""
        for sql in TABLES:
            await self._both(Sample(sql))
        if self._bystander is not None:
            await self._bystander.ok("create table elsewhere (n int)", "insert into elsewhere values (0)")

    async def run(self, statements: int) -> None:
        """Run so many statements.

        Raises:
            Mismatch: an answer or a table differs.
        """
        while self.counts["statements"] < statements:
            self._choose()
            if self._random.random() < 0.5:
                for sql in POPULATE:
                    await self._both(Sample(sql))
            await self._transaction()
            await self._both(Sample("reset all"))
            if self.counts["transactions"] % 3 == 0:
                await self._both(Sample(_CONTENT))

    def _choose(self) -> None:
        """Concentrate on a few shapes for a while: what they do meets."""
        r = self._random
        if r.random() < 0.1 or self._shapes is SHAPES:
            chosen = r.choices(SHAPES, [shape.weight for shape in SHAPES], k=r.randint(6, 25))
            self._shapes = SHAPES if r.random() < 0.2 else tuple(chosen)

    async def _transaction(self) -> None:
        r = self._random
        await self._both(Sample("begin"))
        for _ in range(r.randint(1, 12)):
            if self._bystander is not None and r.random() < 0.5:
                await self._bystander.ok("update elsewhere set n = n + 1")
            self.counts["statements"] += 1
            if (await self._both(r.choice(self._shapes).draw(r))).sqlstate:
                self.counts["errors"] += 1
                break
        if self._client.session.transaction is not None:
            await self._both(Sample("commit" if r.random() < 0.8 else "rollback"))
        self.counts["transactions"] += 1

    async def _both(self, sample: Sample) -> Reply:
        ours = await self._client.run(sample.sql, sample.values, sample.rows)
        theirs = await self._ask_oracle(sample)
        self.slowest = max(self.slowest, ours.seconds)
        self._history.append(
            f"{sample.sql[:200]} {str(sample.values)[:120]} -> {ours.short!r:.150} | {theirs.short!r:.150}"
        )
        if not _agree(ours, theirs, ordered=sample.ordered):
            raise Mismatch("\n".join([*self._history, f"{sample} got {ours}, PostgreSQL {theirs}"]))
        return ours

    async def _ask_oracle(self, sample: Sample) -> Reply:
        wanted = request(sample.sql, sample.values, sample.rows, self._client.codec)
        (answer,) = await self._oracle.request(wanted.data)
        return reply(answer)


def _agree(ours: Reply, theirs: Reply, *, ordered: bool) -> bool:
    if ours.sqlstate or theirs.sqlstate:
        # Of several violations of one statement the order of rows on the page decides which one is reported.
        both = {ours.sqlstate[:2], theirs.sqlstate[:2]}
        return ours.sqlstate == theirs.sqlstate or both == {"23"}
    if ordered:
        return (ours.tag, ours.rows) == (theirs.tag, theirs.rows)
    return (ours.tag, ours.short) == (theirs.tag, theirs.short)
