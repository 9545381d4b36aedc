"""Upserts with parameters over stale rows: parameters of the ON CONFLICT clause are left out, and come back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

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
