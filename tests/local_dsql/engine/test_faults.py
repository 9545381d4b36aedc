"""Faults injected into COMMITs, and what a predicate sees of one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from local_dsql.engine.commit import commit
from local_dsql.engine.commit_preview import preview_commit
from local_dsql.faults.injection import Fault, Injection

if TYPE_CHECKING:
    from local_dsql.engine.commit import Outcome
    from local_dsql.faults.injection import Attempt
    from tests.local_dsql.engine.laboratory import Client, Laboratory

SETUP = (
    "create table t(id int primary key, n int)",
    "insert into t values (1, 0), (2, 0), (3, 0)",
    "create table c(a int, b text, t int references t on delete cascade, primary key (a, b))",
    "insert into c values (1, 'x', 3)",
)


class Recorder:
    """A predicate that agrees, and keeps what it was asked."""

    def __init__(self) -> None:
        self.seen: list[Attempt] = []

    async def evaluate(self, attempt: Attempt) -> bool:
        """Agree."""
        self.seen.append(attempt)
        return True

    def cancel(self) -> None:
        """Nothing runs."""


async def end(client: Client) -> Outcome:
    """Commit as the proxy does."""
    preview = await preview_commit(client.session)
    async with client.session.exclusive() as held:
        return await commit(held, preview)


@pytest.mark.parametrize(
    ("fault", "message", "lost", "committed"),
    [
        (Fault.OC000, b"(OC000)", False, "0"),
        (Fault.OC001, b"(OC001)", False, "0"),
        (Fault.LOST, None, True, "0"),
        (Fault.UNKNOWN, None, True, "1"),
    ],
)
def test_a_fault_strikes_once(
    laboratory: Laboratory, fault: Fault, message: bytes | None, lost: bool, committed: str
) -> None:
    async def run() -> None:
        one = await laboratory.client()
        await one.ok(*SETUP)
        laboratory.engine.services.injector.add(Injection(fault=fault, times=1, table="t"))
        await one.ok("begin", "insert into c values (9, 'y', null)")
        assert (await end(one)).error is None
        await one.ok("begin", "select * from t")
        assert (await end(one)).error is None
        await one.ok("begin", "update t set n = 1 where id = 1")
        outcome = await end(one)
        assert outcome.breaks_connection == lost
        assert (outcome.error is None) == (message is None)
        assert message is None or message in (outcome.error or b"")
        assert (await one.run("select n from t where id = 1")).rows == [(committed,)]
        await one.ok("begin", "update t set n = 2 where id = 1")
        assert (await end(one)).error is None

    laboratory.run(run())
    conflicts = laboratory.engine.services.conflict_log.conflicts
    assert [(each.code, each.injected, each.tables) for each in conflicts] == (
        [] if message is None else [(fault.value, True, ("t",))]
    )


def test_what_a_predicate_sees(laboratory: Laboratory) -> None:
    recorder = Recorder()

    async def run() -> None:
        one, other = await laboratory.client(), await laboratory.client()
        await one.ok(*SETUP)
        injection = Injection(fault=Fault.OC000, predicate="anything")
        laboratory.engine.services.injector.add(injection, recorder)
        await one.ok("begin", "update t set n = 1 where id = 1", "update t set id = 20 where id = 2")
        await one.ok("insert into t values (30, 0)", "delete from t where id = 3", "select * from c")
        await other.ok("begin", "update t set n = 5 where id = 1", "rollback")
        outcome = await end(one)
        assert b"(OC000)" in (outcome.error or b"")

    laboratory.run(run())
    (attempt,) = recorder.seen
    assert attempt.rows == {"t": {"(1)", "(2)", "(3)", "(20)", "(30)"}, "c": {"(1,x)"}}
    assert (attempt.role, attempt.region, len(attempt.statements)) == ("admin", "us-east-1", 5)
    assert attempt.changes("c", (1, "x"))
