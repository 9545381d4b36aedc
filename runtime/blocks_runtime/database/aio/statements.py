"""Methods that run one statement, the same on a database and in a transaction."""

from __future__ import annotations

from ..fragments import Sql

TYPE_CHECKING = False  # `typing` costs more to import than the whole runtime
if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable
    from typing import Any, TypeVar, overload

    from ...shared.deadline import Deadline
    from ..cursor import Cursor
    from ..plans import Plan
    from ..results import Row
    from ..table_shapes import TableShape, TableShapes

    R = TypeVar("R")
    T = TypeVar("T")
else:

    def overload(declaration: object) -> object:
        """Stand in for `typing.overload`."""
        return declaration


class AsyncStatements:
    """Runs statements made by `sql`.

    Every method takes a `deadline`, in seconds from now or as the context of a Lambda invocation, of which half a
    second is left to the handler. DSQL has no statement timeout: at the deadline the connection is closed.
    """

    @overload
    async def query(self, statement: Sql, *, deadline: Deadline | None = None) -> list[Row]: ...
    @overload
    async def query(
        self, statement: Sql, row_type: type[T], *, deadline: Deadline | None = None
    ) -> list[T]: ...
    async def query(
        self, statement: Sql, row_type: type[Any] | None = None, *, deadline: Deadline | None = None
    ) -> list[Any]:
        """Return all rows, each a dict by column name; an empty list if there are none.

        With `row_type` each row is an instance of it: `tuple` (or `tuple[int, str]`), or a dataclass, NamedTuple or
        TypedDict with fields named as the columns.

        Raises:
            SerializationFailure: another transaction conflicted, on every attempt.
            DeadlineExceeded: no reply arrived in time.
            CommitOutcomeUnknown: the connection was lost during a statement that may have changed rows.
            DatabaseError: anything else, see `blocks_runtime.errors`.
        """
        rows: list[Any] = await self._run(statement, _all, row_type, deadline)
        return rows

    @overload
    async def query_one(self, statement: Sql, *, deadline: Deadline | None = None) -> Row | None: ...
    @overload
    async def query_one(
        self, statement: Sql, row_type: type[T], *, deadline: Deadline | None = None
    ) -> T | None: ...
    async def query_one(
        self, statement: Sql, row_type: type[Any] | None = None, *, deadline: Deadline | None = None
    ) -> Any:
        """Return the first row, or None if there is none; otherwise as `query`."""
        return await self._run(statement, _first, row_type, deadline)

    @overload
    async def query_exactly_one(self, statement: Sql, *, deadline: Deadline | None = None) -> Row: ...
    @overload
    async def query_exactly_one(
        self, statement: Sql, row_type: type[T], *, deadline: Deadline | None = None
    ) -> T: ...
    async def query_exactly_one(
        self, statement: Sql, row_type: type[Any] | None = None, *, deadline: Deadline | None = None
    ) -> Any:
        """Return the only row; otherwise as `query`.

        Raises:
            NoResultFound: there is no row. A statement that writes has taken effect, unless a transaction rolls back.
            MultipleResultsFound: there are more rows than one; the same applies.
        """
        return await self._run(statement, lambda cursor: _only(cursor, statement), row_type, deadline)

    @overload
    async def query_value(self, statement: Sql, *, deadline: Deadline | None = None) -> Any: ...
    @overload
    async def query_value(
        self, statement: Sql, value_type: type[T], *, deadline: Deadline | None = None
    ) -> T | None: ...
    async def query_value(
        self, statement: Sql, value_type: type[Any] | None = None, *, deadline: Deadline | None = None
    ) -> Any:
        """Return the value of the only column in the first row, or None if there is no row; otherwise as `query`.

        Raises:
            QueryFailed: the statement returns several columns.
            TypeError: the value is neither None nor a `value_type`.
        """
        value = await self._run(statement, _value, tuple, deadline)
        if value is not None and value_type is not None:
            _check_type(value, value_type)
        return value

    async def execute(self, statement: Sql, *, deadline: Deadline | None = None) -> int:
        """Return the number of rows that the statement changed (or returned); otherwise as `query`."""
        return await self._run(statement, _count, None, deadline)

    @overload
    def stream(
        self, statement: Sql, *, size: int = 1000, deadline: Deadline | None = None
    ) -> AsyncIterator[Row]: ...
    @overload
    def stream(
        self, statement: Sql, row_type: type[T], *, size: int = 1000, deadline: Deadline | None = None
    ) -> AsyncIterator[T]: ...
    def stream(
        self,
        statement: Sql,
        row_type: type[Any] | None = None,
        *,
        size: int = 1000,
        deadline: Deadline | None = None,
    ) -> AsyncIterator[Any]:
        """Yield the rows of a query as they arrive, with `size` of them in memory at a time.

        A connection is acquired with the first row and released after the last; leaving the loop earlier closes
        it. DSQL ends a transaction, and with it a stream, after `contract.TRANSACTION_SECONDS`. Errors are those
        of `query`; they may come after rows have been yielded, and are not retried.
        """
        if size < 1:
            raise ValueError(f"size is {size} rows; give at least 1")
        return self._stream(statement, row_type, size, deadline)

    async def insert_many(
        self,
        table: str | Sql,
        rows: Iterable[object],
        *,
        columns: Iterable[str] | None = None,
        key: str | Iterable[str] | None = None,
        deadline: Deadline | None = None,
    ) -> int:
        """Insert rows with one atomic statement, and return the number inserted.

        A transaction holds `contract.ROWS_PER_TRANSACTION` rows; `load` of the database takes any number. The
        arguments are those of `load`.

        Raises:
            ValueError: there are more rows than one transaction holds.
            DatabaseError: as `execute`.
        """
        from ...shared.deadline import expires_at, remaining
        from ..loading import Plan, all_at_once
        from ..row_formats import InsertFormat

        until = expires_at(deadline)
        plan = Plan.of(table, columns, key)
        names, values = all_at_once(plan, rows)
        if not values:
            return 0
        shape = await self._shape(plan.table, names, remaining(until))
        format = InsertFormat(plan.table, names, plan.key, shape.json_among(names))
        return await self.execute(format.statement(format.encode(values)), deadline=remaining(until))

    async def explain(
        self, statement: Sql, analyze: bool = False, *, deadline: Deadline | None = None
    ) -> Plan:
        """Return the server's plan of a statement: as text (`.text`), as nodes (`.root`), and for people (`.tree`).

        `.warnings` has scans that read more than they return, with the index that would help; a second query reads
        the columns and indexes of the tables for it. With `analyze` the statement is executed and measured; on a
        database in a transaction that is rolled back, so it changes nothing. A cluster then adds an estimate of the
        cost, `.dpu`.
        """
        from ...shared.deadline import expires_at, remaining
        from ..plan_advice import advised, facts_query
        from ..plans import explaining, plan

        until = expires_at(deadline)
        rows = await self._explain(explaining(statement, analyze), analyze, remaining(until))
        found = plan([line for (line,) in rows])
        query = facts_query(found)
        return advised(found, await self.query(query, tuple, deadline=remaining(until)) if query else [])

    async def _shape(self, table: Sql, columns: tuple[str, ...], deadline: Deadline | None) -> TableShape:
        from ..table_shapes import shape_query

        known = self._shapes.of(table, columns)
        if known is not None:
            return known
        return self._shapes.learn(table, await self.query(shape_query(table), tuple, deadline=deadline))

    @property
    def _shapes(self) -> TableShapes:
        raise NotImplementedError

    async def _run(
        self,
        statement: Sql,
        fetch: Callable[[Cursor], R],
        row_type: type[Any] | None,
        deadline: Deadline | None,
    ) -> R:
        raise NotImplementedError

    def _stream(
        self, statement: Sql, row_type: type[Any] | None, size: int, deadline: Deadline | None
    ) -> AsyncIterator[Any]:
        raise NotImplementedError

    async def _explain(
        self, statement: Sql, analyze: bool, deadline: Deadline | None
    ) -> list[tuple[Any, ...]]:
        return await self.query(statement, tuple, deadline=deadline)


def _all(cursor: Cursor) -> list[Any]:
    return cursor.all()


def _first(cursor: Cursor) -> Any:
    return cursor.first()


def _only(cursor: Cursor, statement: Sql) -> Any:
    row = cursor.first()
    if row is not None and cursor.count == 1:
        return row
    from ...errors import MultipleResultsFound, NoResultFound

    error = (
        NoResultFound("the statement returned no row, and one was asked for")
        if row is None
        else MultipleResultsFound(f"the statement returned {cursor.count} rows, and one was asked for")
    )
    error.statement = statement.text
    raise error


def _value(cursor: Cursor) -> Any:
    row = cursor.first()
    if cursor.columns == 1:
        return None if row is None else row[0]
    from ...errors import QueryFailed

    raise QueryFailed(
        f"the statement returns {cursor.columns} columns, and one value was asked for",
        advice="select one column, or use query_one()",
    )


_CASTS = {str: "text", int: "bigint", float: "double precision", bool: "boolean"}
"""PostgreSQL's type for some of Python's."""


def _check_type(value: object, value_type: type[Any]) -> None:
    kind = getattr(value_type, "__origin__", value_type)  # the part in brackets is for the type checker
    if not isinstance(value, kind):
        example = _CASTS.get(kind)
        raise TypeError(
            f"the value is of type {type(value).__name__}, not {getattr(kind, '__name__', kind)}; "
            f"cast it in the statement{f', as in (…)::{example}' if example else ''}, or ask for its own type"
        )


def _count(cursor: Cursor) -> int:
    return cursor.count


def checked(statement: Sql) -> Sql:
    """Return the statement if `sql` made it.

    Raises:
        TypeError: it is plain text, which may contain a formatted value.
    """
    if isinstance(statement, Sql):
        return statement
    raise TypeError(
        f"a statement must be made by sql(), not {type(statement).__name__}: "
        'write sql("SELECT … WHERE id = {id}", id=value), so that values are bound'
    )
