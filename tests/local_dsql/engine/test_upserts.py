"""Upserts over stale rows: parameters of the ON CONFLICT clause, the time that many rows take, and random rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.timing import TooSlowError, unless_busy

if TYPE_CHECKING:
    from tests.local_dsql.engine.laboratory import Laboratory, Reply


@pytest.mark.parametrize(
    ("clause", "values", "tag"),
    [
        ("do nothing", ("1", "9"), "INSERT 0 0"),
        ("(id) do update set n = $3", ("1", "9", "7"), "INSERT 0 1"),
        ("(id) do update set n = $4 where t.n > $3", ("1", "9", "100", "7"), "INSERT 0 0"),
        ("(id) do update set n = $4 where t.n > $3", ("3", "9", "100", "7"), "INSERT 0 1"),
    ],
)
def test_parameters_of_an_upsert(
    laboratory: Laboratory, clause: str, values: tuple[str, ...], tag: str
) -> None:
    async def run() -> tuple[Reply, Reply]:
        one, other = await laboratory.client(), await laboratory.client()
        await other.ok("create table t(id int primary key, n int)", "insert into t values (1, 0), (2, 0)")
        await one.ok("begin", "select * from t")
        await other.ok("update t set n = 200 where id = 1")
        found = await one.run(f"insert into t values ($1, $2) on conflict {clause}", values)
        return found, await one.run("commit")

    found, end = laboratory.run(run())
    assert found.tag == tag, found
    conflict = clause.startswith("(id) do update set n = $3")
    assert end.short == ("40001" if conflict else "COMMIT")


_MANY = 3000


@pytest.mark.parametrize("action", ["nothing", "update set n = 1 where t.n > 5"])
def test_an_upsert_of_many_rows_takes_little_longer_if_one_is_stale(
    laboratory: Laboratory, action: str
) -> None:
    def run() -> None:
        found, end = laboratory.run(upsert())
        assert (found.tag, end.short) == (f"INSERT 0 {_MANY - 1}", "COMMIT"), found
        if found.seconds > 1:
            raise TooSlowError(f"{found.seconds:.3f} s")

    async def upsert() -> tuple[Reply, Reply]:
        one, other = await laboratory.client(), await laboratory.client()
        await other.ok(
            "drop table if exists t",
            "create table t(id int primary key, code text unique, n int)",
            "insert into t values (7, 'c7', 0)",
        )
        await one.ok("begin", "select * from t")
        await other.ok("update t set n = 2 where id = 7")
        found = await one.run(
            f"insert into t select i, 'c' || i, i from generate_series(1, {_MANY}) i on conflict (id) do {action}"
        )
        return found, await one.run("commit")

    unless_busy(run)


_GRANTS = (
    "grant select (id, n), insert, update (n) on t to other",
    "grant select, insert, update on t to other",
)


@pytest.mark.parametrize("grant", _GRANTS)
@pytest.mark.parametrize(
    ("condition", "end"), [("t.n < excluded.n", "COMMIT"), ("t.n = excluded.n", "40001")]
)
def test_the_condition_of_an_upsert_needs_privileges_on_its_own_columns_alone(
    laboratory: Laboratory, grant: str, condition: str, end: str
) -> None:
    async def run() -> tuple[Reply, Reply, Reply]:
        await laboratory.server.make_roles("other")
        owner, other = await laboratory.client(), await laboratory.client("other")
        await owner.ok("create table t(id int primary key, n int, w int)", "insert into t values (1, 1, 1)")
        await owner.ok(grant)
        await other.ok("begin", "select id from t")
        await owner.ok("update t set w = 5")
        insert = "insert into t (id, n) values (1, 1) on conflict (id) do update set n = excluded.n where"
        found = await other.run(f"{insert} {condition}")
        end = await other.run("commit")
        await other.ok("begin", "select id from t")
        await owner.ok("update t set w = 6")
        denied = await other.run(f"{insert} t.w = 5 and t.n > 9")
        await other.ok("rollback")
        return found, end, denied

    found, ended, denied = laboratory.run(run())
    assert found.tag == ("INSERT 0 0" if end == "COMMIT" else "INSERT 0 1")
    assert ended.short == end
    assert denied.short == ("42501" if grant == _GRANTS[0] else "INSERT 0 0")
