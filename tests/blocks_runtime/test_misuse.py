"""Common mistakes of psycopg users: each error names the correct call."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import itertools
import traceback
from typing import TYPE_CHECKING
from unittest import mock

import psycopg
import pytest

from blocks_runtime import AsyncDistributedDatabase, AtomicTable, DistributedDatabase, errors, sql
from blocks_runtime.shared.callbacks import refuse_generator_function

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from typing import Any

    from blocks_runtime import AsyncTransaction, Sql, Transaction

ADD = sql("UPDATE items SET n = n + 1 WHERE id = 1")


def value(db: DistributedDatabase) -> int:
    ((n,),) = db.query(sql("SELECT n FROM items WHERE id = 1"), tuple)
    return int(n)


@pytest.mark.parametrize("call", ["query", "query_one"])
def test_rows_of_a_statement_without_result(db: DistributedDatabase, call: str) -> None:
    with pytest.raises(errors.QueryFailed, match=r"no rows to read \(UPDATE 1\); use execute\(\)"):
        getattr(db, call)(ADD)
    assert value(db) == 101, "it was executed, as the error says"
    with pytest.raises(errors.QueryFailed, match=r"no rows"):
        db.transaction(lambda tx: getattr(tx, call)(ADD))
    assert value(db) == 101, "an error in a transaction rolls it back"


def test_rows_of_a_statement_without_result_with_asyncio(function: None) -> None:
    async def work() -> None:
        async with AsyncDistributedDatabase("main") as db:
            await db.query(ADD)

    with pytest.raises(errors.QueryFailed, match=r"no rows to read \(UPDATE 1\)"):
        asyncio.run(work())


def test_begin_by_hand_is_refused(db: DistributedDatabase) -> None:
    with pytest.raises(errors.QueryFailed, match=r"another connection.*transaction\(\)"):
        db.execute(sql("BEGIN"))
    assert db.stats.idle == 1, "rolled back and given back"


@pytest.mark.parametrize(("command", "kept"), [("COMMIT", 101), ("ROLLBACK", 100)])
def test_an_end_by_hand_is_refused(db: DistributedDatabase, command: str, kept: int) -> None:
    def work(tx: Transaction) -> None:
        tx.execute(ADD)
        tx.execute(sql("{end:q}", end=_command(command)))
        tx.execute(ADD)

    with pytest.raises(errors.TransactionAborted, match=f"{command} as a statement ended the transaction"):
        db.transaction(work, retry_on_conflict=True)
    assert value(db) == kept


SEVERAL = [
    sql("SELECT 1; UPDATE items SET n = n + 1"),
    sql("UPDATE items SET n = n + 1; COMMIT"),
    sql("UPDATE items SET n = n + 1; COMMIT; BEGIN"),
    sql("UPDATE items SET n = n + 1; COMMIT; UPDATE items SET n = n + 1"),
    sql("SELECT 1; SET search_path = nowhere"),
    sql("/* one */ SELECT 1; -- two\nUPDATE items SET n = n + 1;"),
]
CALLS = {
    "query": lambda db, text: db.query(text),
    "execute": lambda db, text: db.execute(text),
    "explain": lambda db, text: db.explain(text),
    "stream": lambda db, text: list(db.stream(text)),
    "in a transaction": lambda db, text: db.transaction(lambda tx: tx.execute(text), retry_on_conflict=True),
}


@pytest.mark.parametrize("text", SEVERAL, ids=lambda text: text.text)
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_several_statements_in_one_text(
    db: DistributedDatabase, call: Callable[[DistributedDatabase, Sql], object], text: Sql
) -> None:
    """None of them runs: a COMMIT would end the transaction, and a retry would run the first ones again."""
    for _ in range(7):  # a statement is prepared at its sixth execution
        with pytest.raises(errors.QueryFailed, match="multiple commands") as caught:
            call(db, text)
        assert caught.value.sqlstate == "42601"
        assert "run each statement by a call of its own" in str(caught.value)
    assert value(db) == 100


def test_one_statement_with_semicolons(db: DistributedDatabase) -> None:
    assert db.query_value(sql("SELECT ';' || $$;$$ /* ; */; -- ;")) == ";;"
    db.execute(sql(";UPDATE items SET n = 101 WHERE id = 1;;"))
    assert value(db) == 101


def test_copy_is_no_statement(db: DistributedDatabase) -> None:
    for text in (sql("COPY items FROM STDIN"), sql("COPY items TO STDOUT")):
        with pytest.raises(
            errors.DatabaseError, match=r"use load\(\) to insert rows, and query\(\) or stream\(\)"
        ):
            db.execute(text)
    assert value(db) == 100


SECRET = "s3cret_value"
LOOKED_UP = {
    "a relation": sql("SELECT {v}::regclass", v=SECRET),
    "a role": sql("SELECT {v}::regrole", v=SECRET),
    "a type": sql("SELECT {v}::regtype", v=SECRET),
    "a setting": sql("SELECT current_setting({v})", v=SECRET),
    "a schema": sql("SELECT has_schema_privilege({v}, 'usage')", v=SECRET),
    "a sequence": sql("SELECT nextval({v})", v=SECRET),
    "part of a name": sql("SELECT ({v} || ' &')::tsquery", v=SECRET),
    "an integer": sql("SELECT {v}::int", v=SECRET),
    "an encoding": sql("SELECT convert_to('a', {v})", v=SECRET),
}


@pytest.mark.parametrize("statement", LOOKED_UP.values(), ids=LOOKED_UP)
def test_a_parameter_is_not_in_the_text_of_an_error(db: DistributedDatabase, statement: Sql) -> None:
    with pytest.raises(errors.DatabaseError) as caught:
        db.query(statement)
    assert SECRET not in f"{caught.value!s} {caught.value!r}"
    with pytest.raises(errors.DatabaseError) as caught:
        db.transaction(lambda tx: tx.query(statement))
    assert SECRET not in f"{caught.value!s} {caught.value!r}"


def _query(statement: Sql, db: DistributedDatabase) -> object:
    return db.query(statement)


REFUSED: dict[str, Callable[[DistributedDatabase], object]] = {
    **{name: functools.partial(_query, statement) for name, statement in LOOKED_UP.items()},
    "a value of another type, in a transaction": lambda db: db.transaction(
        lambda tx: tx.query(LOOKED_UP["an integer"])
    ),
    "a value of another type, in a stream": lambda db: list(db.stream(LOOKED_UP["an integer"])),
    "detail of a failed check": lambda db: db.execute(sql("INSERT INTO items VALUES ({id}, -1)", id=987654)),
    "detail of a duplicate": lambda db: db.insert_many("items", [{"id": 987654, "n": 1}] * 2),
    "context of a COPY": lambda db: db.load("items", [{"id": 3, "n": SECRET}]),
}


@pytest.mark.parametrize("call", REFUSED.values(), ids=REFUSED)
def test_a_parameter_is_not_in_a_printed_traceback(
    db: DistributedDatabase, call: Callable[[DistributedDatabase], object]
) -> None:
    """A traceback prints the text of the driver's error, too; `diag` has the words of the server."""
    with pytest.raises(errors.DatabaseError) as caught:
        call(db)
    printed = "".join(traceback.format_exception(caught.value))
    assert SECRET not in printed
    assert "987654" not in printed.replace("id=987654", "").replace('"id": 987654', "")
    cause = caught.value.__cause__
    assert isinstance(cause, psycopg.Error)
    assert cause.diag.message_primary
    assert type(cause) is type(psycopg.errors.lookup(cause.sqlstate or "")()), "the class is the driver's"


def test_a_name_of_the_statement_is_in_the_text_of_an_error(db: DistributedDatabase) -> None:
    with pytest.raises(errors.QueryFailed, match='relation "nowhere" does not exist'):
        db.query(sql("SELECT {v} FROM nowhere", v="nowhere"))
    with pytest.raises(errors.UniqueConstraintViolation, match='"items_pkey"'):
        db.execute(sql("INSERT INTO items (id, n) VALUES ({id}, {n})", id=1, n=2))


def test_a_conflict_of_a_table_that_does_not_exist(db: DistributedDatabase) -> None:
    """No COMMIT would ever match, and the test with the conflict would test nothing."""
    with pytest.raises(ValueError, match=r"there is no such table.*did you mean items\?"):
        db.simulate_conflict(table="itms")
    db.simulate_conflict(table="items")
    with pytest.raises(errors.SerializationFailure):
        db.transaction(lambda tx: tx.execute(ADD))


def test_a_generator_function_is_refused(function: None) -> None:
    """Its transaction would commit before its body runs."""
    from blocks_runtime import orm  # it imports SQLAlchemy, which no other test here needs

    def rows(tx: Transaction) -> Iterator[int]:
        yield tx.execute(ADD)

    async def tasks(tx: AsyncTransaction) -> AsyncIterator[int]:
        yield await tx.execute(ADD)

    class Work:
        def __call__(self, tx: Transaction) -> Iterator[int]:
            yield tx.execute(ADD)

    functions: tuple[Any, ...] = (rows, tasks, functools.partial(rows), Work(), Work().__call__)
    for database in (DistributedDatabase("main"), AsyncDistributedDatabase("main"), AtomicTable("main")):
        uses: tuple[Callable[[Any], object], ...] = (database.transaction, database.transactional())
        for fn, use in itertools.product(functions, uses):
            with pytest.raises(TypeError, match="is a generator function: its body would run after"):
                use(fn)
    with pytest.raises(TypeError, match="is a generator function"):
        orm.transaction(contextlib.nullcontext, functions[0])
    with DistributedDatabase("main") as db:
        assert list(db.transaction(lambda tx: (row for row in tx.query(sql("SELECT 1 AS n"))))) == [{"n": 1}]


class _Any:
    """An object with every attribute, such as a proxy or a mock."""

    def __getattr__(self, name: str) -> _Any:
        return _Any()

    def __call__(self, tx: object) -> int:
        return 1


class _Job(_Any):
    """A callable with an attribute `func` that has nothing to do with its call."""

    def func(self) -> Iterator[int]:
        yield 1


class _Own(_Any):
    def __init__(self) -> None:
        self.func = self


CALLABLES: dict[str, Callable[..., object]] = {
    "Mock": mock.Mock(return_value=1),
    "MagicMock": mock.MagicMock(side_effect=lambda tx: 1),
    "AsyncMock": mock.AsyncMock(return_value=1),
    "autospec": mock.create_autospec(lambda tx: 1, return_value=1),
    "every attribute": _Any(),
    "attribute func": _Job(),
    "its own func": _Own(),
    "partial": functools.partial(_Any()),
    "partial of a method": functools.partial(_Any().__call__),
    "class": dict,
}


@pytest.mark.parametrize("name", CALLABLES)
def test_a_callable_of_any_kind_is_no_generator_function(name: str) -> None:
    refuse_generator_function(CALLABLES[name])


def test_a_decorator_without_options(db: DistributedDatabase) -> None:
    @db.transactional
    def add(tx: Transaction, n: int) -> int:
        return tx.execute(sql("UPDATE items SET n = n + {n} WHERE id = 1", n=n))

    assert (add(5), value(db)) == (1, 105)


def test_an_empty_text(db: DistributedDatabase) -> None:
    with pytest.raises(errors.QueryFailed, match="the statement is empty; write one statement"):
        db.query(sql("-- nothing"))


def _command(text: str) -> Sql:
    return {"COMMIT": sql("COMMIT"), "ROLLBACK": sql("ROLLBACK")}[text]


def test_a_list_after_in(db: DistributedDatabase) -> None:
    """PostgreSQL takes the array for one text, which no row equals: no error, and no rows."""
    for text in ("n IN ({ns})", "n in ( {ns} )", "n NOT IN ({ns})", "n IN {ns}"):
        for ns in ([1], (1, 2), {1}):
            with pytest.raises(TypeError, match=r"write = ANY\({ns}\)"):
                sql(text, ns=ns)
    assert sql("n IN ({n})", n=1).values == (1,)
    joined = sql.join(", ", [100, 101])
    assert len(db.query(sql("SELECT id FROM items WHERE n IN ({ns})", ns=joined))) == 2
    assert len(db.query(sql("SELECT id FROM items WHERE n = ANY({ns})", ns=[100]))) == 2
    assert sql("SELECT * FROM begin({ns})", ns=[1]).values == ([1],)


def test_values_without_names() -> None:
    with pytest.raises(TypeError, match=r"takes values by name: write {name}"):
        sql("SELECT %s", 1)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"was given id, which the template never uses; write {id} where"):
        sql("SELECT * FROM items WHERE id = :id", id=1)


def test_a_transaction_that_is_over(db: DistributedDatabase) -> None:
    tx = db.transaction(lambda tx: tx)
    with pytest.raises(errors.TransactionAborted) as caught:
        tx.query(sql("SELECT 1"))
    assert "is over; use `tx` only inside the callback or the block\n" in str(caught.value)


def test_a_deadline_of_another_type(db: DistributedDatabase) -> None:
    with pytest.raises(TypeError, match="deadline is a str; give seconds from now"):
        db.execute(ADD, deadline="5")  # type: ignore[arg-type]


def test_a_dict_is_json(db: DistributedDatabase) -> None:
    document = {"name": 'Ann\'s "shop"', "tags": ["a", None, 1.5, {"deep": "é"}]}
    statement = sql("SELECT {d}::json AS a, {d}::jsonb AS b, {d}::text::json AS c", d=document)
    assert db.query_one(statement) == {"a": document, "b": document, "c": document}


def test_a_value_without_a_type_in_sql(db: DistributedDatabase) -> None:
    with pytest.raises(errors.QueryFailed, match=r"cannot adapt type 'object'; pass a str") as caught:
        db.query(sql("SELECT {it}", it=object()))
    assert "%s" not in str(caught.value)


@pytest.mark.parametrize(
    ("statement", "advice"),
    [
        (sql("SELECT {v}::json", v=[1, 2]), r"wrap a JSON value: psycopg"),
        (sql("SELECT {v}::json", v="plain"), r"a string is read as JSON text; wrap a plain string: psycopg"),
        (sql("SELECT 1 WHERE 'a'::text = {v}", v=5), "cast the value"),
        (sql("SELECT 1 FROM nowhere"), "apply the migration that creates it"),
        (sql("SELECT nothing FROM items"), "apply the migration that creates it"),
        (sql("SELECT no_such_function(1)"), "DSQL has fewer functions"),
    ],
)
def test_the_advice(db: DistributedDatabase, statement: Sql, advice: str) -> None:
    with pytest.raises(errors.QueryFailed, match=advice):
        db.query(statement)


def test_the_advice_after_a_deadline(db: DistributedDatabase) -> None:
    with pytest.raises(errors.QueryFailed, match="give it more time"):
        db.query(sql("SELECT pg_sleep(9)"), deadline=0.2)


def test_the_advice_is_not_repeated(db: DistributedDatabase) -> None:
    """The server's hint is about this statement; what the class of the error advises is about any."""
    with pytest.raises(errors.FeatureNotSupported) as caught:
        db.execute(sql("LISTEN accounts"))
    assert caught.value.advice.startswith("Use a queue or a topic")
    assert str(caught.value) == (
        f"unsupported statement: Listen (SQLSTATE 0A000). {caught.value.advice}\n"
        "LINE 1: LISTEN accounts\n        ^"
    )
    db.simulate_conflict()
    with pytest.raises(errors.SerializationFailure) as conflict:
        db.transaction(lambda tx: tx.execute(ADD))
    assert str(conflict.value) == (
        "change conflicts with another transaction (OC000) (SQLSTATE 40001); "
        "run the whole transaction again, or pass retry_on_conflict=True\n"
        "EXPLANATION:  blocks explain-error SerializationFailure"
    )
