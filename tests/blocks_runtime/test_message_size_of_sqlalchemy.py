"""A statement of SQLAlchemy whose messages are too long for the server is refused before it is sent."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from blocks_runtime import AsyncDistributedDatabase, errors
from tests.blocks_runtime.test_message_size import HALF, OVER, ROOM

if TYPE_CHECKING:
    from collections.abc import Callable

    from blocks_runtime import DistributedDatabase

LENGTH = sa.text("SELECT length(:value)")
TEXTS = sa.table("texts", sa.column("id", sa.BigInteger), sa.column("value", sa.Text))
ALCHEMY: dict[
    str, tuple[Callable[[], sa.Executable], dict[str, object] | list[dict[str, object]] | None, bool]
] = {
    "a value that fits": (lambda: LENGTH, {"value": "x" * ROOM}, True),
    "a value": (lambda: LENGTH, {"value": "x" * OVER}, False),
    "a text": (lambda: sa.text("SELECT 1 --" + "x" * OVER), None, False),
    "JSON": (lambda: sa.select(sa.cast(sa.literal({"a": "x" * OVER}, sa.JSON), sa.JSON)), None, False),
    "rows of one INSERT": (
        lambda: sa.insert(TEXTS).returning(TEXTS.c.id),
        [{"id": i, "value": "x" * HALF} for i in (1, 2, 3)],
        False,
    ),
    "one of several executions": (lambda: LENGTH, [{"value": "x"}, {"value": "x" * OVER}], False),
}


@pytest.mark.parametrize(("made", "values", "fits"), ALCHEMY.values(), ids=ALCHEMY)
def test_with_sqlalchemy(
    db: DistributedDatabase,
    made: Callable[[], sa.Executable],
    values: dict[str, object] | list[dict[str, object]] | None,
    fits: bool,
) -> None:
    engine = db.sqlalchemy_engine()
    with engine.connect() as connection:
        if fits:
            connection.execute(made(), values)
        else:
            with pytest.raises(errors.LimitExceeded, match="it was not sent") as raised:
                connection.execute(made(), values)
            assert len(str(raised.value)) < 1000
        assert connection.scalar(sa.text("SELECT 1")) == 1
    engine.dispose()


def test_with_sqlalchemy_and_asyncio(function: None) -> None:
    async def work() -> None:
        async with AsyncDistributedDatabase("main") as db:
            engine = db.sqlalchemy_engine()
            async with engine.connect() as connection:
                with pytest.raises(errors.LimitExceeded, match="it was not sent"):
                    await connection.execute(LENGTH, {"value": "x" * OVER})
                assert await connection.scalar(LENGTH, {"value": "xy"}) == 2
            await engine.dispose()

    asyncio.run(work())
