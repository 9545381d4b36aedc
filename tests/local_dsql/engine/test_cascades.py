"""Referential actions on children that another session has changed since the snapshot."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.local_dsql.engine.laboratory import Laboratory

CHILD = {"deleted": "delete from c where id = 1", "changed": "update c set id = 9 where id = 1"}


@pytest.mark.parametrize("action", ["cascade", "set null", "set default"])
@pytest.mark.parametrize("child", CHILD.values(), ids=CHILD)
@pytest.mark.parametrize(
    ("key", "conflicts"),
    [("3", True), ("1.00", True), ("1.0", False)],
    ids=["another key", "another form of the key", "the same key"],
)
def test_a_child_that_the_action_should_have_changed(
    laboratory: Laboratory, key: str, conflicts: bool, child: str, action: str
) -> None:
    """By the snapshot the action changes the child, so the transaction conflicts with the one that changed it first."""

    async def run() -> None:
        one, other = await laboratory.client(), await laboratory.client()
        await one.ok(
            "create table p(a numeric primary key)",
            f"create table c(id int primary key, a numeric default 7 references p on update {action})",
            "insert into p values (1.0), (7)",
            "insert into c values (1, 1)",
            "begin",
            "select 1",
        )
        await other.ok(child)
        await one.ok(f"update p set a = {key} where a = 1")
        ended = await one.run("commit")
        assert ended.sqlstate == ("40001" if conflicts else "")

    laboratory.run(run())
