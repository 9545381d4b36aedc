"""Tables that change shape between two commands of the engine: the transaction loses, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.local_dsql.engine.laboratory import Laboratory, Reply

CHANGED = "schema has been updated by another transaction (OC001)"
CHANGES = (
    "alter table t add column z int",
    "alter table t drop column n",
    "alter table t rename column n to m",
    "alter table t rename to u",
    "drop table t",
    "alter table t add check (n < 1)",
)


@pytest.mark.parametrize("statement", ["select * from t", "update t set id = id", "commit"])
@pytest.mark.parametrize("change", CHANGES)
def test_a_change_that_the_engine_has_not_seen_yet(
    laboratory: Laboratory, change: str, statement: str
) -> None:
    """PostgreSQL commits before the engine reads that it has."""

    async def run() -> Reply:
        one, other = await laboratory.client(), await laboratory.client()
        await other.ok("create table t(id int primary key, n int)", "insert into t values (1, 0)")
        await one.ok("begin", "update t set n = 1")
        await other.ok("begin", "alter table t add column early int", "rollback")
        unseen = await laboratory.server.connect("admin")
        await unseen.rows(change)
        unseen.close()
        reply = await one.run(statement)
        assert reply.sqlstate == "40001", reply
        await one.run("rollback")
        await one.ok("begin", "select 1", "commit")
        return reply

    reply = laboratory.run(run())
    assert reply.message == CHANGED or "check" in change
