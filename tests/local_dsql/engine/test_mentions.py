"""Statements that may call a function of a client are found by the words in their text, however they call it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dsql_dialect import parse
from dsql_dialect.profiles import NEWEST
from local_dsql.engine.mentions import first_words, mentions

if TYPE_CHECKING:
    from tests.local_dsql.engine.laboratory import Client, Laboratory

_F = "language sql as 'insert into written values (1) returning 1'"
_OBJECTS = (
    "create table t(id int primary key, n int)",
    "insert into t values (1, 1)",
    "create table apart(id int primary key, n int)",
    "create table written(x int)",
    f"create function f() returns int {_F}",
    f"create function f(int) returns int {_F}",
    f"create function of_row(t) returns int {_F}",
    f'create function "Mixed Case"() returns int {_F}',
    f'create function "ÄÖ"() returns int {_F}',
    f"create function {'l' * 70}() returns int {_F}",
    f"create function d$1() returns int {_F}",
    "create function stable_one() returns int language sql stable as 'select f()'",
    f"create function rows_of() returns setof int {_F}",
    "create view seen as select f() as x",
    "create view seen_again as select x from seen",
    "create table defaulting(id int, x int default f())",
    "create table checking(id int, check (f(id) = 1))",
)

CALLS = (
    "select f()",
    "select F()",
    'select "f"()',
    "select public.f()",
    "select\n/* a comment */ f ( )",
    "select t.of_row from t",
    "select (t).of_row from t",
    "select x.of_row from t x",
    'select "Mixed Case"()',
    'select "ÄÖ"()',
    "select ÄÖ()",
    f"select {'l' * 70}()",
    f"select {'L' * 63}()",
    "select d$1()",
    'select U&"\\0066"()',
    "select u&\"!0066\" UESCAPE '!' ()",
    "select stable_one()",
    "select * from rows_of()",
    "select 1 from t where n = f()",
    "select 1 from t order by f()",
    "select (select f())",
    "with c as (select f()) select * from c",
    "table seen",
    "select * from seen_again",
    "explain analyze select f()",
    "select case when n = 1 then f() end from t",
    "insert into defaulting(id) values (1)",
    "insert into defaulting values (1, default)",
    "insert into checking values (1)",
    "update t set n = f()",
    "delete from t where n = f() + 5",
)

OTHERS = (
    "select n from t where id = 1",
    "select count(*), lower('G'), now() from t",
    "table t",
    "insert into t values (2, 2)",
    "update t set n = 3 where id = 1",
    "explain analyze select 1",
)


@pytest.fixture
def objects(laboratory: Laboratory) -> Client:
    async def run() -> Client:
        client = await laboratory.client()
        await client.ok(*_OBJECTS)
        return client

    return laboratory.run(run())


async def _may_call(client: Client, sql: str) -> bool:
    (statement,) = parse(sql, NEWEST).statements
    async with client.session.exclusive() as held:
        return await held.services.catalog.may_call(held, statement, keep=held.sees_current_catalog)


def test_statements_that_call_one(laboratory: Laboratory, objects: Client) -> None:
    async def run() -> None:
        for sql in CALLS:
            assert await _may_call(objects, sql), sql
            await objects.ok("begin", sql)
            assert (await objects.run("select count(*) > 0 from written")).rows == [("t",)], sql
            await objects.ok("rollback")

    laboratory.run(run())


def test_other_statements_are_known_until_the_catalog_changes(
    laboratory: Laboratory, objects: Client
) -> None:
    async def run() -> None:
        catalog = objects.session.services.catalog
        for sql in OTHERS:
            (statement,) = parse(sql, NEWEST).statements
            assert not await _may_call(objects, sql), sql
            async with objects.session.exclusive() as held:
                assert not await catalog.read_may_write(held, statement)
                assert not await catalog.writes_beside(held, statement)
            assert catalog.read_is_known_not_to_write(statement)
            assert catalog.write_is_known_to_be_counted(statement)
            await objects.ok(sql)
        assert (await objects.run("select count(*) from written")).rows == [("0",)]
        await objects.ok(f"create function n(t) returns int {_F}")
        (statement,) = parse(OTHERS[0], NEWEST).statements
        assert not catalog.read_is_known_not_to_write(statement)
        assert await _may_call(objects, OTHERS[0]), "n may be a call now"

    laboratory.run(run())


def test_a_session_with_an_old_snapshot_tells_others_nothing(laboratory: Laboratory, objects: Client) -> None:
    async def run() -> None:
        old, new = await laboratory.client(), await laboratory.client()
        (delete,) = parse("delete from t where id = 1", NEWEST).statements
        await old.ok("begin", "select n from apart")
        await objects.ok("create view latest as select f() as x")
        await objects.ok("create table child(id int references t on delete cascade)")
        await old.ok("select n + 1 from apart", "update apart set n = 2")
        await _may_call(old, "select x from latest")
        assert await _may_call(new, "select x from latest")
        async with new.session.exclusive() as held:
            assert await held.services.catalog.writes_beside(held, delete)

    laboratory.run(run())


def test_nothing_is_known_while_a_transaction_changes_the_catalog(
    laboratory: Laboratory, objects: Client
) -> None:
    """A statement that waits for the changed object reads it as it is after the COMMIT."""

    async def run() -> None:
        other = await laboratory.client()
        (statement,) = parse(OTHERS[0], NEWEST).statements
        catalog = objects.session.services.catalog
        for end in ("rollback", "commit"):
            async with other.session.exclusive() as held:
                assert not await catalog.read_may_write(held, statement)
            assert catalog.read_is_known_not_to_write(statement)
            await objects.ok("begin", f"create view changed_by_{end} as select f() as x")
            assert await _may_call(other, OTHERS[0])
            assert not catalog.read_is_known_not_to_write(statement)
            await objects.ok(end)
        await objects.ok("begin", "create view remaining as select f() as x")
        await laboratory.leave(objects)
        assert not catalog.changing

    laboratory.run(run())


def test_a_domain_that_calls_one_may_be_the_type_of_a_value(laboratory: Laboratory, objects: Client) -> None:
    async def run() -> None:
        assert not await _may_call(objects, "select $1")
        await objects.ok("create domain checked as int check (f(value) = 1)")
        assert await _may_call(objects, "select $1")

    laboratory.run(run())


def test_a_locking_view_and_an_action_of_a_key_need_no_call(laboratory: Laboratory, objects: Client) -> None:
    async def run() -> None:
        (read,) = parse(OTHERS[0], NEWEST).statements
        (write,) = parse(OTHERS[-2], NEWEST).statements
        catalog = objects.session.services.catalog
        await objects.ok("create view locking as select id from t for update")
        await objects.ok("create table child(id int references t on delete cascade)")
        async with objects.session.exclusive() as held:
            assert await catalog.read_may_write(held, read)
            assert await catalog.writes_beside(held, write)
        assert not catalog.read_is_known_not_to_write(read)
        assert not catalog.write_is_known_to_be_counted(write)

    laboratory.run(run())


def test_a_text_outside_of_ascii_may_have_any_name() -> None:
    """Its letters depend on the client's encoding, and PostgreSQL folds them in another way than Python."""
    for name in ("f", "Σ", "İx"):
        assert mentions("select public.Σ()", first_words([name, "f"]))


@pytest.mark.parametrize(
    ("name", "sql", "found"),
    [
        ("f", "select f()", True),
        ("f", "select F ()", True),
        ("f", "select 'f'", True),
        ("f", "select ff(), f1, _f from t", False),
        ("a b", 'select "a b"()', True),
        ("a b", "select b, ab", False),
        ("!", "select 1", True),
        ("f", 'select "İx"()', True),
        ("f", "select 1 where v = 'é'", True),
        ("f", 'select "' + 30 * "\u212a" + '"()', True),
        ("f", 'select U&"g"()', True),
        ("f", f"select {'g' * 64}", True),
        ("f", f"select {'g' * 63}", False),
    ],
)
def test_words(name: str, sql: str, *, found: bool) -> None:
    assert mentions(sql, first_words([name])) is found


def test_without_names_nothing_is_mentioned() -> None:
    assert not mentions('select U&"f"()', first_words([]))
