"""Mistakes that the runtime sees at run time: each is a warning, once, with its place."""

from __future__ import annotations

import asyncio
import re
import threading
import warnings
from typing import TYPE_CHECKING, Any

import pytest

from blocks_runtime import AsyncDistributedDatabase, DistributedDatabase, sql
from blocks_runtime.database.templates import _known, _shapes
from blocks_runtime.warnings import FormattedTemplateWarning, SeparateTransactionWarning

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from blocks_runtime import AsyncTransaction, Transaction

ONE = sql("SELECT n FROM items WHERE id = 1")
HERE = re.escape(__file__)

MISTAKES: dict[str, Callable[[DistributedDatabase], object]] = {
    "query": lambda db: db.query(ONE),
    "execute": lambda db: db.execute(ONE),
    "stream": lambda db: next(iter(db.stream(ONE))),
    "explain": lambda db: db.explain(ONE, analyze=True),
    "load": lambda db: db.load("items", [{"id": 9, "n": 1}], key="id"),
    "insert_many": lambda db: db.insert_many("items", [{"id": 9, "n": 1}], key="id"),
    "nested function": lambda db: db.transaction(lambda tx: tx.query(ONE)),
    "another object": lambda db: DistributedDatabase("main").query(ONE),
}


@pytest.mark.parametrize("mistake", MISTAKES.values(), ids=MISTAKES)
def test_use_of_the_database_inside_its_transaction(
    db: DistributedDatabase, mistake: Callable[[DistributedDatabase], object]
) -> None:
    def work(tx: Transaction) -> None:
        tx.query(ONE)
        mistake(db)

    with pytest.warns(SeparateTransactionWarning, match=rf"at {HERE}:\d+ .*began at {HERE}:\d+") as caught:
        db.transaction(work)
    assert {each.filename for each in caught} == {__file__}
    with pytest.warns(SeparateTransactionWarning), db.transaction():
        mistake(db)


def test_a_nested_block(db: DistributedDatabase) -> None:
    with pytest.warns(SeparateTransactionWarning, match=r"begins inside the one .*no savepoints"):
        with db.transaction(), db.transaction():
            pass


def test_once_for_a_place(db: DistributedDatabase) -> None:
    def work(tx: Transaction) -> None:
        for _ in range(3):
            db.query(ONE)

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        for _ in range(3):
            db.transaction(work)
    assert len(caught) == 1


def test_no_warning_outside_of_a_transaction(db: DistributedDatabase) -> None:
    with db.transaction() as tx:
        tx.query(ONE)
    db.query(ONE)
    with pytest.raises(LookupError), db.transaction():
        raise LookupError
    db.query(ONE)

    def elsewhere(tx: Transaction) -> None:
        thread = threading.Thread(target=db.query, args=(ONE,))
        thread.start()
        thread.join()

    db.transaction(elsewhere)


def test_tasks(db: DistributedDatabase) -> None:
    async def main() -> Any:
        async with AsyncDistributedDatabase("main") as tasks:

            async def work(tx: AsyncTransaction) -> asyncio.Task[Any]:
                with pytest.warns(SeparateTransactionWarning, match=rf"began at {HERE}"):
                    await tasks.query(ONE)
                with pytest.warns(SeparateTransactionWarning):
                    await asyncio.gather(tasks.query(ONE))
                return asyncio.create_task(later())

            async def later() -> Any:
                await asyncio.sleep(0.05)
                return await tasks.query(ONE)

            async def other() -> None:
                await tasks.query(ONE)

            _, started = await asyncio.gather(other(), tasks.transaction(work))
            return await started

    assert asyncio.run(main()) == [{"n": 100}]


@pytest.fixture
def no_templates() -> Iterator[None]:
    _known.clear()
    _shapes.clear()
    yield
    _known.clear()
    _shapes.clear()


FORMATTED: dict[str, Callable[[int], str]] = {
    "string": lambda n: f"SELECT * FROM items WHERE owner = '{chr(97 + n)}'",
    "number": lambda n: f"SELECT * FROM items WHERE id = {n}",
    "escaped": lambda n: f"SELECT * FROM items WHERE owner = E'{chr(97 + n)}'",
}


@pytest.mark.parametrize("template", FORMATTED.values(), ids=FORMATTED)
def test_a_value_formatted_into_templates(no_templates: None, template: Callable[[int], str]) -> None:
    for column in range(25):
        sql("SELECT " + "x" * (column + 1))  # type: ignore[arg-type,unused-ignore]
    for n in range(9):
        sql(template(n))  # type: ignore[arg-type,unused-ignore]
    with pytest.warns(FormattedTemplateWarning, match=rf"{HERE}:\d+ was given 10 templates"):
        sql(template(9))  # type: ignore[arg-type,unused-ignore]


def test_many_different_templates_are_no_mistake(no_templates: None) -> None:
    for n in range(200):
        for _ in range(20):
            sql("SELECT {id}, " + "x" * n + " FROM items WHERE owner = 'ann'", id=n)  # type: ignore[arg-type,unused-ignore]
