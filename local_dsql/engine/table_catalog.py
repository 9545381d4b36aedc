"""Cache of the tables, indexes and foreign keys of the database, and the sessions that have changed them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from local_dsql.engine.commands import (
    Command,
    numbers,
    read_bool,
    read_int,
    read_text,
    read_text_array,
    run_checked,
    text,
)
from local_dsql.engine.mentions import first_words, mentions
from local_dsql.engine.table_shapes import ForeignKey, Table, UniqueIndex
from local_dsql.wire.sql import identifier

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from dsql_dialect import Statement
    from local_dsql.engine.commands import Cell, CommandRunner
    from local_dsql.engine.owner_functions import OwnerFunctions

_TABLES = "SELECT * FROM local_dsql_engine.tables($1)"
_UNIQUE = "SELECT * FROM local_dsql_engine.unique_indexes($1)"
_FOREIGN_KEYS = Command("SELECT * FROM local_dsql_engine.foreign_keys()", binary=True)
_HIDDEN_WRITES = Command("SELECT * FROM local_dsql_engine.hidden_writes()", binary=True)
_HIDDEN_CALLS = Command("SELECT * FROM local_dsql_engine.hidden_calls()", binary=True)
_SEE_NEW_ROWS = Command("SELECT local_dsql_engine.functions_that_see_new_rows()", binary=True)
_FILE_MENTIONED = "SELECT pg_catalog.pg_relation_filenode(pg_catalog.to_regclass($1))"
_MOST_TEXTS = 8192
"""Number of texts known to call no function at which they are forgotten."""
_FILE = "SELECT local_dsql_engine.file_of($1, $2)"


class CatalogChange(NamedTuple):
    """A committed change of the catalog: the relations that it concerns (None: any), and the session.

    `session` is its process number, `label` its name in the logs.
    """

    relations: frozenset[int] | None
    session: int
    label: str


class HiddenWrites(NamedTuple):
    """Causes of changes and locks that no text of a statement shows: foreign keys with actions, functions, locking
    views. `handles_errors`: a function or procedure has a handler. Names of functions and procedures, in lower case:
    `upserting` may have an INSERT … ON CONFLICT, `committing` may COMMIT, by themselves or by what they call."""

    by_keys: bool
    by_functions: bool
    by_views: bool
    handles_errors: bool
    upserting: frozenset[str]
    committing: frozenset[str]

    @property
    def of_reads(self) -> bool:
        """Return whether a statement that only reads by its text may change or lock rows."""
        return self.by_functions or self.by_views

    @property
    def beside_writes(self) -> bool:
        """Return whether a write may change rows that its command tag does not count."""
        return self.by_keys or self.by_functions


class HiddenCalls(NamedTuple):
    """Functions of clients that statements call without naming them, by defaults, generated columns, CHECKs, domains,
    indexes or views.

    Attributes:
        called: their names, in lower case.
        reached_by: names of objects, in lower case; a statement that calls one of them has one of these.
        any_call: `first_words` of `reached_by`, for the question whether a statement calls any function of a client.
        by_domains: a domain calls one. A bound value may have its type, which no text shows, so any statement may.
    """

    called: frozenset[str]
    reached_by: frozenset[str]
    any_call: frozenset[str]
    by_domains: bool


class TableCatalog:
    """Caches table shapes by file until the catalog changes.

    `version` counts the committed changes of the catalog. The session that needs shapes reads them itself, because it
    has the tables locked. Any other session would wait behind a queued ALTER TABLE.
    """

    def __init__(self, owner_functions: OwnerFunctions) -> None:
        self._owner_functions = owner_functions
        self.version = 0
        self._in_progress = 0
        self.reads_are_known_not_to_write = False
        """True if `read_may_write` was false for every read since the last change of the catalog."""
        self.is_known_to_write_nothing_beside = False
        """True if `writes_beside` was false for every write since the last change of the catalog."""
        self.is_known_to_defer_nothing = False
        """True if the foreign keys are known, and none of them is deferrable."""
        self._changes: list[CatalogChange] = []
        self._shapes: dict[int, Table | None] = {}
        self._foreign_keys: tuple[ForeignKey, ...] | None = None
        self._hidden_writes: HiddenWrites | None = None
        self._hidden_calls: HiddenCalls | None = None
        self._without_calls: set[str] = set()
        """Texts that are known to call no function of a client."""
        self.changing: set[object] = set()
        """The sessions whose open transactions change the catalog. A statement that waits for one of them reads the
        changed catalog, so nothing is known of its calls."""

    def begin_change(self) -> None:
        """Keep nothing until `end_change`: a COMMIT that changes the catalog takes effect before its answer arrives."""
        self._in_progress += 1
        self._forget()

    def end_change(self) -> None:
        """Note that a COMMIT with changes of the catalog has ended; `changed` has recorded it if it took effect."""
        self._in_progress -= 1

    def changed(self, relations: Iterable[int] | None, session: int = 0, label: str = "") -> None:
        """Record a committed change of relations (by OID; None: unknown which) by a session (by pid)."""
        self.version += 1
        known = None if relations is None else frozenset(relations)
        self._changes.append(CatalogChange(known, session, label))
        self._forget()

    def _forget(self) -> None:
        self._shapes.clear()
        self._foreign_keys = None
        self._hidden_writes = None
        self._hidden_calls = None
        self._without_calls.clear()
        self.reads_are_known_not_to_write = False
        self.is_known_to_write_nothing_beside = False
        self.is_known_to_defer_nothing = False

    def concerning(self, since: int, relations: Iterable[int], session: int) -> tuple[CatalogChange, ...]:
        """Return the changes by other sessions after version `since` that concern one of the relations."""
        mine = frozenset(relations)
        return tuple(
            change
            for change in self._changes[since:]
            if change.session != session
            and (change.relations is None or not mine.isdisjoint(change.relations))
        )

    async def tables(
        self, session: CommandRunner, files: Iterable[int], *, keep: bool = True
    ) -> dict[int, Table]:
        """Return those tables of clients that have one of these files.

        `keep` is False for a transaction that has changed the catalog itself, or whose snapshot is older than its last
        change (`HeldSession.sees_current_catalog`): others must not use what it sees.
        """
        known = self._shapes if keep and not self._in_progress else {}
        missing = [file for file in files if file not in known]
        if missing:
            version = self.version
            found = await self._read(session, missing)
            if version == self.version and not self._in_progress:
                known.update({file: found.get(file) for file in missing})
            else:
                known = {**known, **found}
        return {file: table for file in files if (table := known.get(file)) is not None}

    def has_keys_of_columns(self, file: int) -> bool:
        """Return whether the table of a file is known, and all its unique indexes are `UniqueIndex.of_columns`."""
        table = self._shapes.get(file)
        return table is not None and all(index.of_columns for index in table.unique)

    async def named(
        self, session: CommandRunner, schema: str, relation: str, *, keep: bool = True
    ) -> Table | None:
        """Return the table of a name, None if there is none."""
        (result,) = await run_checked(session, [Command(_FILE, (text(schema), text(relation)))])
        if result.rows[0][0] is None:
            return None
        file = result.number
        return (await self.tables(session, [file], keep=keep)).get(file)

    async def mentioned(
        self, session: CommandRunner, schema: str | None, relation: str, *, keep: bool = True
    ) -> Table | None:
        """Return the table that a client's statement names, with or without its schema."""
        name = ".".join(identifier(each) for each in (schema, relation) if each)
        (result,) = await run_checked(session, [Command(_FILE_MENTIONED, (text(name),))])
        file = result.rows[0][0]
        return None if file is None else (await self.tables(session, [int(file)], keep=keep)).get(int(file))

    async def foreign_keys(self, session: CommandRunner, *, keep: bool = True) -> tuple[ForeignKey, ...]:
        """Return all foreign keys."""
        if self._foreign_keys is not None and keep:
            return self._foreign_keys
        version = self.version
        rows = (await run_checked(session, [_FOREIGN_KEYS]))[0].rows
        found = tuple(map(_foreign_key, rows))
        if keep and version == self.version and not self._in_progress:
            self._foreign_keys = found
            self.is_known_to_defer_nothing = not any(key.deferrable for key in found)
        return found

    async def writes_beside(
        self, session: CommandRunner, statement: Statement | None, *, keep: bool = True
    ) -> bool:
        """Return whether a write may change rows that its command tag does not count; None stands for any write."""
        hidden = await self._read_hidden_writes(session, keep=keep)
        return hidden.by_keys or (hidden.by_functions and await self.may_call(session, statement, keep=keep))

    def write_is_known_to_be_counted(self, statement: Statement) -> bool:
        """Return whether `writes_beside` was false for a write since the last change of the catalog."""
        if self.is_known_to_write_nothing_beside:
            return True
        hidden = self._hidden_writes
        return hidden is not None and not hidden.by_keys and self._is_known_not_to_call(statement)

    async def read_may_write(
        self, session: CommandRunner, statement: Statement | None, *, keep: bool = True
    ) -> bool:
        """Return whether a statement that only reads by its text may change or lock rows; None stands for any."""
        hidden = await self._read_hidden_writes(session, keep=keep)
        return hidden.by_views or (hidden.by_functions and await self.may_call(session, statement, keep=keep))

    def read_is_known_not_to_write(self, statement: Statement | None) -> bool:
        """Return whether `read_may_write` was false for a statement since the last change of the catalog."""
        if self.reads_are_known_not_to_write:
            return True
        hidden = self._hidden_writes
        if hidden is None or hidden.by_views or statement is None:
            return False
        return self._is_known_not_to_call(statement)

    def _is_known_not_to_call(self, statement: Statement) -> bool:
        return statement.text in self._without_calls and not self.changing

    async def may_call(
        self, session: CommandRunner, statement: Statement | None, *, keep: bool = True
    ) -> bool:
        """Return whether a statement may call a function of a client; None stands for any statement."""
        if statement is None or self.changing or self._in_progress:
            return True
        if keep and statement.text in self._without_calls:
            return False
        version = self.version
        hidden = await self._read_hidden_calls(session, keep=keep)
        if hidden.by_domains or mentions(statement.text, hidden.any_call):
            return True
        if keep and version == self.version and not self._in_progress:
            if len(self._without_calls) >= _MOST_TEXTS:
                self._without_calls.clear()
            self._without_calls.add(statement.text)
        return False

    async def may_see_new_rows(
        self, session: CommandRunner, statement: Statement, part: str, *, keep: bool = True
    ) -> bool:
        """Return whether a part of a statement, a text, may call a function of a client that sees the rows that the
        statement has made so far: a VOLATILE one that reads or writes a table."""
        if not await self.may_call(session, statement, keep=keep):
            return False
        seeing = read_text_array((await run_checked(session, [_SEE_NEW_ROWS]))[0].rows[0][0])
        hidden = await self._read_hidden_calls(session, keep=keep)
        reaches = hidden.by_domains or mentions(part, hidden.any_call)
        return mentions(part, first_words(seeing)) or (reaches and not hidden.called.isdisjoint(seeing))

    async def committing_procedures(self, session: CommandRunner) -> frozenset[str]:
        """Return the names of the procedures of clients that may end transactions, as in `HiddenWrites`."""
        return (await self._read_hidden_writes(session, keep=True)).committing

    async def hidden_functions(
        self, session: CommandRunner, mentioned: Collection[str], *, keep: bool = True
    ) -> frozenset[str]:
        """Return the names of the functions of clients that a statement may call without naming them.

        `mentioned` are the words of its text, in lower case.
        """
        found = await self._read_hidden_calls(session, keep=keep)
        return frozenset() if found.reached_by.isdisjoint(mentioned) else found.called

    async def _read_hidden_calls(self, session: CommandRunner, *, keep: bool) -> HiddenCalls:
        if self._hidden_calls is not None and keep:
            return self._hidden_calls
        version = self.version
        (row,) = (await run_checked(session, [_HIDDEN_CALLS]))[0].rows
        called, reached_by, by_domains = row
        reaching = read_text_array(reached_by)
        found = HiddenCalls(
            frozenset(read_text_array(called)),
            frozenset(reaching),
            first_words(reaching),
            read_bool(by_domains),
        )
        if keep and version == self.version and not self._in_progress:
            self._hidden_calls = found
        return found

    async def functions_handle_errors(self, session: CommandRunner, *, keep: bool = True) -> bool:
        """Return whether a function or a procedure of a client has a handler."""
        return (await self._read_hidden_writes(session, keep=keep)).handles_errors

    async def upserting_functions(self, session: CommandRunner, *, keep: bool = True) -> frozenset[str]:
        """Return the names of the functions of clients that may have an upsert, as in `HiddenWrites`."""
        return (await self._read_hidden_writes(session, keep=keep)).upserting

    async def _read_hidden_writes(self, session: CommandRunner, *, keep: bool) -> HiddenWrites:
        if self._hidden_writes is not None and keep:
            return self._hidden_writes
        version = self.version
        (row,) = (await run_checked(session, [_HIDDEN_WRITES]))[0].rows
        keys, functions, views, handlers, upserting, committing = row
        found = HiddenWrites(
            read_bool(keys),
            read_bool(functions),
            read_bool(views),
            read_bool(handlers),
            frozenset(read_text_array(upserting)),
            frozenset(read_text_array(committing)),
        )
        if keep and version == self.version and not self._in_progress:
            self._hidden_writes = found
            self.reads_are_known_not_to_write = not found.of_reads
            self.is_known_to_write_nothing_beside = not found.beside_writes
        return found

    async def _read(self, session: CommandRunner, files: Sequence[int]) -> dict[int, Table]:
        (tables,) = await run_checked(session, [Command(_TABLES, (numbers(files),), binary=True)])
        if not tables.rows:
            return {}
        relations = numbers(read_int(row[0]) for row in tables.rows)
        (indexes,) = await run_checked(session, [Command(_UNIQUE, (relations,), binary=True)])
        unique: dict[int, list[UniqueIndex]] = {}
        for row in indexes.rows:
            unique.setdefault(read_int(row[1]), []).append(_unique_index(row))
        found = [_table(row, unique.get(read_int(row[0]), ())) for row in tables.rows]
        for table in found:
            if table.runs_code:
                await self._owner_functions.ensure(table.owner)
        return {table.file: table for table in found}


def _table(row: list[Cell], unique: Iterable[UniqueIndex]) -> Table:
    oid, file, schema, relation, row_type, array_type, owner, *rest = row
    columns, assignable, identity, key, code, vary = rest
    return Table(
        read_int(oid),
        read_int(file),
        read_text(schema),
        read_text(relation),
        read_int(row_type),
        read_int(array_type),
        read_int(owner),
        tuple(read_text_array(columns)),
        tuple(read_text_array(assignable)),
        tuple(read_text_array(identity)),
        tuple(read_text_array(key)),
        read_bool(code),
        read_bool(vary),
        tuple(unique),
    )


def _unique_index(row: list[Cell]) -> UniqueIndex:
    oid, _, name, nulls_equal, immediate, of_columns, predicate, keys, operators, collations, columns = row
    return UniqueIndex(
        read_int(oid),
        read_text(name),
        read_bool(nulls_equal),
        read_bool(immediate),
        read_bool(of_columns),
        read_text(predicate),
        tuple(read_text_array(keys)),
        tuple(read_text_array(operators)),
        tuple(read_text_array(collations)),
        tuple(read_text_array(columns)),
    )


def _foreign_key(row: list[Cell]) -> ForeignKey:
    name, child, parent, deferrable, columns, targets, child_file, parent_file, acts = row
    return ForeignKey(
        read_text(name),
        read_int(child),
        read_int(parent),
        read_bool(deferrable),
        tuple(read_text_array(columns)),
        tuple(read_text_array(targets)),
        read_int(child_file),
        read_int(parent_file),
        read_bool(acts),
    )
