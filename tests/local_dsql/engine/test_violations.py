"""A unique violation names the constraint and the key that the snapshot shows, by the order of rows and indexes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.local_dsql.engine.laboratory import Laboratory

if TYPE_CHECKING:
    from tests.local_dsql.engine.laboratory import Reply, Server

_TABLE = "create table u(id int primary key, email text unique, name text unique)"
_ROWS = "insert into u values (1, 'a@x', 'ann'), (2, 'b@x', 'bob')"
_NEWER = "insert into u values (3, 'c@x', 'cy')"
_REKEYED = "update u set email = 'c@x' where id = 2"
_PKEY, _EMAIL, _NAME = "u_pkey", "u_email_key", "u_name_key"

_FUNCTION = "create function f() returns void language sql as 'insert into u values (9, ''c@x'', ''ann'')'"
VIOLATIONS: tuple[tuple[str, str, str, str], ...] = (
    (_NEWER, "insert into u values (9, 'c@x', 'ann')", _NAME, "(name)=(ann)"),
    (_NEWER, "insert into u values (3, 'c@x', 'ann')", _NAME, "(name)=(ann)"),
    (_NEWER, "insert into u values (9, 'a@x', 'ann')", _EMAIL, "(email)=(a@x)"),
    (_NEWER, "insert into u values (3, 'b@x', 'ann')", _EMAIL, "(email)=(b@x)"),
    (_NEWER, "insert into u values (9, 'c@x', 'zed'), (1, 'q', 'q')", _PKEY, "(id)=(1)"),
    (_NEWER, "insert into u values (3, 'p', 'bob'), (1, 'q', 'q')", _NAME, "(name)=(bob)"),
    (_NEWER, "insert into u values (3, 'p', 'p'), (8, 'q', 'q'), (9, 'q', 'r')", _EMAIL, "(email)=(q)"),
    (_NEWER, "insert into u values (1, 'd', 'd'), (3, 'q', 'q')", _PKEY, "(id)=(1)"),
    (_NEWER, "update u set email = 'c@x', name = 'ann' where id = 2", _NAME, "(name)=(ann)"),
    (_REKEYED, "insert into u values (9, 'c@x', 'ann')", _NAME, "(name)=(ann)"),
    (_NEWER, "select f()", _NAME, "(name)=(ann)"),
    *(
        (_NEWER, f"insert into u values {values} on conflict (email) {action}", index, key)
        for action in ("do nothing", "do update set name = 'z'")
        for values, index, key in (
            ("(1, 'c@x', 'bob')", _PKEY, "(id)=(1)"),
            ("(9, 'c@x', 'bob')", _NAME, "(name)=(bob)"),
            ("(3, 'c@x', 'bob')", _NAME, "(name)=(bob)"),
        )
    ),
)
"""A statement of another session since the snapshot, one that violates a key, and the index and the key."""


@pytest.mark.parametrize("suspend_always", [False, True], ids=["on demand", "suspend always"])
def test_a_violation_names_the_key_that_the_snapshot_shows(server: Server, suspend_always: bool) -> None:
    async def violate(newer: str, statement: str) -> Reply:
        one, other = await laboratory.client(), await laboratory.client()
        await other.ok("delete from u", _ROWS)
        await one.ok("begin", "select * from u")
        await other.ok(newer)
        found = await one.run(statement)
        await one.ok("rollback")
        return found

    async def run() -> list[tuple[str, Reply]]:
        await (await laboratory.client()).ok(_TABLE, _FUNCTION)
        return [(statement, await violate(newer, statement)) for newer, statement, *_ in VIOLATIONS]

    laboratory = Laboratory(server, suspend_always=suspend_always)
    try:
        found = laboratory.run(run())
    finally:
        laboratory.close()
    answers = [(statement, reply.message, reply.detail) for statement, reply in found]
    assert answers == [
        (
            statement,
            f'duplicate key value violates unique constraint "{index}"',
            f"Key {key} already exists.",
        )
        for _, statement, index, key in VIOLATIONS
    ]
