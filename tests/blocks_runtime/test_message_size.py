"""A statement whose messages are too long for the server is refused before it is sent."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import psycopg.types.json
import pytest
from psycopg.adapt import Transformer

from blocks_runtime import AsyncDistributedDatabase, errors, sql
from blocks_runtime.contract import BYTES_PER_MESSAGE
from blocks_runtime.database.message_size import check_length, may_be_too_long

if TYPE_CHECKING:
    from collections.abc import Callable

    from psycopg import abc

    from blocks_runtime import DistributedDatabase, Sql

ROOM = BYTES_PER_MESSAGE - 64
"""Characters of one value that fit with everything else of a message."""
OVER = BYTES_PER_MESSAGE + 1
HALF = BYTES_PER_MESSAGE // 2

VALUES: dict[str, tuple[Callable[[], object], bool]] = {
    "text that fits": (lambda: "x" * ROOM, True),
    "text": (lambda: "x" * OVER, False),
    "fewer characters than bytes": (lambda: "ä" * HALF, False),
    "bytes that fit": (lambda: b"x" * ROOM, True),
    "bytes": (lambda: b"x" * OVER, False),
    "a part of a buffer": (lambda: memoryview(bytearray(OVER)), False),
    "an array of texts": (lambda: ["x" * HALF, "x" * HALF], False),
    "JSON": (lambda: {"a": ["x" * OVER]}, False),
    "JSON with escapes": (lambda: psycopg.types.json.Json("ä" * (BYTES_PER_MESSAGE // 5)), False),
    "JSON that fits": (lambda: psycopg.types.json.Json({"a": "x" * HALF}), True),
    "few values": (lambda: 1, True),
}
"""Values, which are made by their test: together they are 100 MB."""


def transformer() -> abc.Transformer:
    own = Transformer()
    own.adapters.register_dumper(dict, psycopg.types.json.JsonDumper)
    return own


@pytest.mark.parametrize(("made", "fits"), VALUES.values(), ids=VALUES)
def test_sizes_of_values(made: Callable[[], object], fits: bool) -> None:
    statement = sql("SELECT {value}", value=made())
    if fits:
        check_length(statement, transformer())
        return
    assert may_be_too_long(statement)
    with pytest.raises(
        errors.LimitExceeded, match=r"the values of the statement make a message of 1\d,\d{3},\d{3} b"
    ):
        check_length(statement, transformer())


def test_small_statements_are_not_measured() -> None:
    many = sql("SELECT {a}, {b}, {c}", a="x" * 100_000, b=[1.5] * 1000, c=json.dumps({"k": "v"}))
    assert not may_be_too_long(many)


def of_text(length: int) -> Sql:
    """Return a statement of so many characters."""
    query = "SELECT 1 --"
    return sql(query + "x" * (length - len(query)))


CALLS: dict[str, Callable[[DistributedDatabase, Sql], object]] = {
    "query": lambda db, statement: db.query(statement),
    "stream": lambda db, statement: list(db.stream(statement)),
    "explain": lambda db, statement: db.explain(statement),
    "in a transaction": lambda db, statement: db.transaction(lambda tx: tx.execute(statement)),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_the_error_names_the_size(
    db: DistributedDatabase, call: Callable[[DistributedDatabase, Sql], object]
) -> None:
    """The connection is kept: nothing was sent."""
    with pytest.raises(errors.LimitExceeded) as raised:
        call(db, sql("SELECT length({value}::text)", value="secret" * (OVER // 6 + 1)))
    told = str(raised.value)
    assert "a message of 10,4" in told
    assert f"takes {BYTES_PER_MESSAGE:,}; it was not sent; write fewer rows" in told
    assert "secret" not in told
    assert not raised.value.retryable
    assert (db.stats.connects, db.stats.idle) == (1, 1)
    assert db.query_value(sql("SELECT 1")) == 1


def test_a_text_that_is_too_long(db: DistributedDatabase) -> None:
    with pytest.raises(
        errors.LimitExceeded, match="the text of the statement makes a message of 10,4"
    ) as raised:
        db.query(of_text(OVER))
    assert len(str(raised.value)) < 1000


def test_what_fits_is_answered(db: DistributedDatabase) -> None:
    """The bound is that of the server, to a few bytes."""
    assert db.query_value(sql("SELECT length({value}::text)", value="x" * ROOM)) == ROOM


def test_with_asyncio(function: None) -> None:
    async def work() -> None:
        async with AsyncDistributedDatabase("main") as db:
            await db.query(sql("SELECT {value}::text", value="x" * OVER))

    with pytest.raises(errors.LimitExceeded, match="it was not sent"):
        asyncio.run(work())


def test_a_value_that_cannot_be_adapted_is_reported_as_ever(db: DistributedDatabase) -> None:
    with pytest.raises(errors.QueryFailed, match="cannot adapt type"):
        db.query(sql("SELECT {value}, {other}", value="x" * HALF, other=object()))
