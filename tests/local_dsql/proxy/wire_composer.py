"""Composing sequences of messages at random."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from tests.local_dsql.proxy import wire_blocks as blocks
from tests.local_dsql.proxy.differential_wire import BACKGROUNDS, Script, Step

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TypeVar

    T = TypeVar("T")

NAMES = ("", "", "", "s", "r")
PORTALS = ("", "", "", "p", "q")


class Composer:
    """Makes sequences from a seed."""

    def __init__(self, seed: int | str) -> None:
        self.random = random.Random(seed)

    def sequence(self) -> Script:
        """Return the next one."""
        chance = self.random.random
        steps: list[Step] = []
        makers = [self._simple] * 6 + [self._extended] * 8 + [self._copy] * 2 + [self._control] * 3
        for _ in range(self.random.randrange(1, 9)):
            steps += self.random.choice(makers)()
        if chance() < 0.1:
            steps.insert(self.random.randrange(len(steps) + 1), [blocks.raw(self._pick(blocks.STRANGE))])
        if chance() < 0.15:
            steps = [[message for step in steps for message in step]]
        background = self._pick(BACKGROUNDS) if chance() < 0.5 else "quiet"
        return Script(steps, background, chance() < 0.05)

    def _pick(self, table: Sequence[T]) -> T:
        return self.random.choice(table)

    def _statement(self) -> str:
        pools = (
            *[blocks.READS] * 6,
            *[blocks.WRITES] * 6,
            *[blocks.FAULTS] * 2,
            *[blocks.SETTINGS] * 2,
            *[blocks.CONTROLS] * 3,
            blocks.CHANGES,
            blocks.COPIES_OUT,
        )
        return self._pick(self._pick(pools))

    def _control(self) -> list[Step]:
        return [[blocks.query(self._pick(blocks.CONTROLS))]]

    def _simple(self) -> list[Step]:
        count = self._pick((0, 1, 1, 1, 1, 2, 2, 3, 4))
        parts = [self._pick(blocks.COMMENTS) + self._statement() for _ in range(count)]
        return [[blocks.query(";".join(parts) + self._pick(("", "", ";", " -- end")))]]

    def _extended(self) -> list[Step]:
        chance = self.random.random
        step: Step = []
        for _ in range(self._pick((1, 1, 1, 2, 3))):
            step += self._run()
            if chance() < 0.07:
                step.append(blocks.FLUSH)
            if chance() < 0.05:
                step.append(blocks.raw(self._pick(blocks.STRANGE)))
        if chance() < 0.1 and step:
            self.random.shuffle(step)
        steps = [step]
        if chance() < 0.1 and len(step) > 1:
            cut = self.random.randrange(1, len(step))
            steps = [[*step[:cut], blocks.FLUSH], step[cut:]]
        end = chance()
        if end < 0.95:
            steps[-1].append(blocks.SYNC)
        elif end < 0.98:
            steps[-1].append(blocks.FLUSH)
        else:
            steps[-1].append(blocks.query(self._pick(blocks.READS)))
        return steps

    def _run(self) -> Step:
        """Return a Parse, Bind, Describe, Execute, Close, each of which may be missing."""
        chance = self.random.random
        name, portal = self._pick(NAMES), self._pick(PORTALS)
        sql, values = self._pick(blocks.PARAMETERS) if chance() < 0.25 else (self._text(), ())
        formats: tuple[int, ...] = (1,) if chance() < 0.03 else ()
        if chance() < 0.04:
            values = (*values, b"1")
        results = self._pick(((), (), (0,), (1,), (1,), (0, 1)))
        found: Step = []
        if chance() < 0.03:
            found.append(blocks.close("S", name))
        if chance() < 0.8:
            found.append(blocks.parse(name, sql))
        if chance() < 0.3:
            found.append(blocks.describe("S", name))
        if chance() < 0.88:
            found.append(blocks.bind(portal, name, values, formats, results))
        if chance() < 0.6:
            found.append(blocks.describe("P", portal))
        limit = self._pick((0, 0, 0, 0, 1, 2, 500))
        if chance() < 0.9:
            found.append(blocks.execute(portal, limit))
        while limit in (1, 2) and chance() < 0.5:
            found.append(blocks.execute(portal, limit := self._pick((0, 1, 2))))
        if chance() < 0.05:
            found.append(blocks.close(self._pick("SP"), self._pick((name, portal))))
        return found

    def _text(self) -> str:
        if self.random.random() < 0.04:
            return self._pick(("", ";", "-- nothing", "SELECT 1; SELECT 2"))
        return self._pick(blocks.COMMENTS[:-1]) + self._statement()

    def _copy(self) -> list[Step]:
        chance = self.random.random
        sql = self._pick(blocks.COPIES_IN)
        if chance() < 0.2:
            begin: Step = [blocks.parse("", sql), blocks.bind("", ""), blocks.execute("")]
            begin.append(self._pick((blocks.SYNC, blocks.FLUSH)))
        else:
            after = f"; {self._statement()}" if chance() < 0.15 else ""
            before = f"{self._statement()}; " if chance() < 0.15 else ""
            begin = [blocks.query(before + sql + after)]
        good = chance() < 0.07
        if good:
            begin = [blocks.query("COPY k FROM STDIN")]
        rows: Step = [
            blocks.copy_data(self._pick(blocks.COPY_ROWS)) for _ in range(self._pick((0, 1, 1, 2, 3)))
        ]
        if good:
            rows = [blocks.copy_data(b"41\tone\n")]
            rows.append(self._pick((blocks.FLUSH, blocks.SYNC, blocks.query("SELECT 1"), blocks.execute(""))))
        rows.append(blocks.COPY_DONE if chance() < 0.85 else blocks.COPY_FAIL)
        if len(begin) > 1:
            rows.append(blocks.SYNC)
        return [begin, rows] if chance() < 0.7 else [[*begin, *rows]]
