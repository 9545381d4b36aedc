"""Parameters that a function has set come back after a suspension, and end when they should."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.local_dsql.engine.laboratory import Laboratory

SHOW = "select current_setting('timezone'), current_setting('enable_hashjoin')"


@pytest.mark.parametrize(
    ("statements", "inside", "after"),
    [
        (("select zone('Asia/Tokyo', true)",), ("Asia/Tokyo", "on"), ("UTC", "on")),
        (("select zone('Asia/Tokyo', false)",), ("Asia/Tokyo", "on"), ("Asia/Tokyo", "on")),
        (
            ("select zone('Asia/Tokyo', true)", "select zone('Asia/Seoul', true), joins()"),
            ("Asia/Seoul", "off"),
            ("UTC", "on"),
        ),
        (("select zone('Asia/Tokyo', true)", "set local time zone 'UTC'"), ("UTC", "on"), ("UTC", "on")),
        (
            ("set local time zone 'UTC'", "select zone('Asia/Tokyo', true)"),
            ("Asia/Tokyo", "on"),
            ("UTC", "on"),
        ),
    ],
)
def test_what_a_function_has_set(
    laboratory: Laboratory, statements: tuple[str, ...], inside: tuple[str, ...], after: tuple[str, ...]
) -> None:
    async def run() -> None:
        one, other = await laboratory.client(), await laboratory.client()
        await one.ok(
            "create table t(id int primary key, n int)",
            "insert into t values (1, 0)",
            "create function zone(name text, here boolean) returns text language sql as"
            " 'select set_config(''timezone'', name, here)'",
            "create function joins() returns text language sql as"
            " 'select set_config(''enable_hashjoin'', ''off'', true)'",
            "set time zone 'UTC'",
        )
        for end in ("commit", "rollback"):
            await one.ok("begin", "update t set n = 1", *statements)
            for _ in range(2):
                await other.ok("begin", "update t set n = 2", "rollback")
                assert (await one.run(SHOW)).rows == [inside]
            await one.ok(end)
            assert (await one.run(SHOW)).rows == [after if end == "commit" else ("UTC", "on")]
            await one.ok("set time zone 'UTC'")

    laboratory.run(run())


SETTERS = {
    "set time zone '{}'": False,
    "set local time zone '{}'": True,
    "select set_config('timezone', '{}', false)": False,
    "select set_config('timezone', '{}', true)": True,
}
"""Statements that set the time zone: whether for the transaction only."""
ZONES = ("Asia/Tokyo", "Asia/Seoul", "Asia/Kolkata")


def test_values_of_session_and_transaction_in_every_order(laboratory: Laboratory) -> None:
    """A local value hides that of the session until the end; a later value of the session replaces both."""

    async def run() -> None:
        one, other = await laboratory.client(), await laboratory.client()
        await one.ok("create table t(id int primary key, n int)", "insert into t values (1, 0)")
        for setters in product(SETTERS, repeat=len(ZONES)):
            await one.ok("set time zone 'UTC'", "begin", "update t set n = 1")
            for setter, zone in zip(setters, ZONES, strict=True):
                await one.ok(setter.format(zone))
                await other.ok("begin", "update t set n = 2", "rollback")
                assert (await one.run("show timezone")).rows == [(zone,)], setters
            await one.ok("commit")
            lasting = [zone for setter, zone in zip(setters, ZONES, strict=True) if not SETTERS[setter]]
            assert (await one.run("show timezone")).rows == [((["UTC", *lasting])[-1],)], setters

    laboratory.run(run(), 120)


WRITES = (
    "update t set n = n + 1 where set_config('timezone', 'Asia/Tokyo', true) is not null",
    "select set_config('timezone', 'Asia/' || case raised(1) when 0 then '' else 'Tokyo' end, true)",
    "insert into made select set_config('timezone', 'Asia/Tokyo', true)",
)


@pytest.mark.parametrize("conflict", [False, True], ids=["suspended", "doomed"])
@pytest.mark.parametrize("statement", WRITES)
def test_a_statement_that_sets_a_parameter_and_writes(
    laboratory: Laboratory, statement: str, conflict: bool
) -> None:
    """It runs once: a suspension restores its rows and its parameter, and does not run it again."""

    async def run() -> None:
        one, other = await laboratory.client(), await laboratory.client()
        await one.ok(
            "create table t(id int primary key, n int)",
            "insert into t values (1, 0), (2, 0)",
            "create table made(zone text)",
            "create function raised(by int) returns int language sql as"
            " 'update t set n = n + by where id = 1 returning n'",
            "set time zone 'UTC'",
        )
        await one.ok("begin", "update t set n = 9 where id = 2", statement)
        seen = (
            "select (select n from t where id = 1), (select count(*) from made), current_setting('timezone')"
        )
        alone = (await one.run(seen)).rows
        assert alone[0][2] == "Asia/Tokyo"
        for end in ("rollback", "commit" if conflict else "rollback"):
            await other.ok("begin", "update t set n = 2 where id = 2", end)
            assert (await one.run(seen)).rows == alone
        assert (await one.run("commit")).sqlstate == ("40001" if conflict else "")
        if not conflict:
            assert (await one.run(seen)).rows == [(*alone[0][:2], "UTC")]

    laboratory.run(run())


def test_a_parameter_with_another_name_in_postgresql_comes_back(laboratory: Laboratory) -> None:
    async def run() -> None:
        one, other = await laboratory.client(), await laboratory.client()
        await one.ok("create table t(id int primary key, n int)", "insert into t values (1, 0)", "begin")
        await one.ok("select set_config('disable_sync_create_index', 'off', true)", "update t set n = 1")
        await other.ok("begin", "update t set n = 2", "rollback")
        assert (await one.run("select current_setting('dsql.disable_sync_create_index')")).rows == [("off",)]
        await one.ok("commit")

    laboratory.run(run())


@pytest.mark.parametrize("is_local", [True, False])
def test_the_encoding_of_the_client_comes_back(laboratory: Laboratory, is_local: bool) -> None:
    async def run() -> None:
        one, other = await laboratory.client(), await laboratory.client()
        await one.ok("create table t(id int primary key, n int)", "insert into t values (1, 0)", "begin")
        await one.ok(f"select set_config('client_encoding', 'LATIN1', {is_local})", "update t set n = 1")
        for _ in range(2):
            await other.ok("begin", "update t set n = 2", "rollback")
            assert (await one.run("show client_encoding")).rows == [("LATIN1",)]
        await one.ok("commit")
        assert (await one.run("show client_encoding")).rows == [("UTF8" if is_local else "LATIN1",)]

    laboratory.run(run())


def test_the_record_of_settings_does_not_grow_with_the_number_of_calls(laboratory: Laboratory) -> None:
    async def run() -> None:
        one = await laboratory.client()
        sizes = []
        for calls in (1, 100):
            await one.ok("begin")
            for _ in range(calls):
                await one.ok("select set_config('enable_hashjoin', 'off', true)")
            sizes.append((await one.run("select length(current_setting('local_dsql.set'))")).rows)
            await one.ok("rollback")
        assert sizes[0] == sizes[1]

    laboratory.run(run())
