"""Answers that Aurora DSQL must give, from a plain PostgreSQL in which no transaction ever meets another.

The committed state is the schema `m`. Each session has a schema of its own: BEGIN copies the committed state into it,
and the statements of the transaction run there, in one transaction of PostgreSQL. A hidden column numbers the rows, so
that what the transaction did to which committed row is read off afterwards, whatever statement did it. COMMIT looks
for conflicts by `conflict_rule`, then writes the rows to `m`; a duplicate in a unique index there is a conflict too.
"""

from __future__ import annotations

import enum
import re
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from local_dsql.wire.sql import identifier
from tests.local_dsql.differential.conflict_rule import Strength, Taken, meets
from tests.local_dsql.differential.tables import Rows, Table, observe, read_tables
from tests.local_dsql.differential.taking import (
    Fact,
    Open,
    entries,
    take_kept_references,
    take_references,
    take_written,
)
from tests.local_dsql.differential.wire_session import HIDDEN_COLUMN, Answer, Protocol, Request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from tests.local_dsql.differential.plain_postgres import PlainPostgres
    from tests.local_dsql.differential.wire_session import Row, WireSession

COMMITTED = "m"
_NUMBERS = "_numbers"
"""Sequence of the hidden column."""
_STEP = 64
"""Increment of identity columns: more than there are sessions."""
_DEFERRED = re.compile(
    r"\s*SET\s+CONSTRAINTS\s+(?P<names>.+?)\s+(?P<mode>DEFERRED|IMMEDIATE)\s*", re.IGNORECASE
)
_INDEX = re.compile(r"\bINDEX\s+ASYNC\b", re.IGNORECASE)


class Verdict(enum.Enum):
    """Answers that COMMIT may give."""

    COMMIT = "COMMIT"
    CONFLICT = "40001"
    EITHER = "COMMIT or 40001"


@dataclass(frozen=True)
class Lock:
    """Rows that a statement locks: the tail of a query, from FROM on, in which the table is `t`."""

    table: str
    tail: str
    strength: Strength = Strength.WHOLE


class PrivateCopy:
    """One session of the oracle: its schema and its transaction."""

    def __init__(self, oracle: Oracle, schema: str) -> None:
        self._oracle = oracle
        self.schema = schema
        self.session = oracle.connect(schema)
        self._versions: Counter[str] = Counter()
        self.pending: list[str] = []
        self.open: Open | None = None

    def begin(self, options: str = "") -> None:
        """Copy what is committed and open a transaction on it."""
        for sql in self.pending:
            self._oracle.define(self.session, self.schema, sql)
        self.pending.clear()
        self._catch_up()
        _must(self.session, f"BEGIN ISOLATION LEVEL REPEATABLE READ {options}")
        tables = self._oracle.watched()
        rows = self._observe(tables)
        self.open = Open(len(self._oracle.facts), self._oracle.catalog, tables, rows, dict(rows))

    def _catch_up(self) -> None:
        stale = [
            name for name in self._oracle.watched() if self._versions[name] != self._oracle.versions[name]
        ]
        if not stale:
            return
        script = ["SET session_replication_role = replica"]
        for name in stale:
            table, quoted = self._oracle.tables[name], identifier(name)
            script += [
                f"DELETE FROM {self.schema}.{quoted}",
                f"INSERT INTO {self.schema}.{quoted} ({table.stored}) OVERRIDING SYSTEM VALUE"
                f" SELECT {table.stored} FROM {COMMITTED}.{quoted}",
            ]
            self._versions[name] = self._oracle.versions[name]
        _must(self.session, "; ".join([*script, "RESET session_replication_role"]))

    def execute(self, request: Request, locks: Iterable[Lock] = ()) -> Answer:
        """Run a statement in the transaction and note what it took."""
        assert self.open is not None
        answer = self.session.ask(replace(request, sql=_INDEX.sub("INDEX", request.sql)))
        if answer.failed:
            self.open.failed = True
        else:
            self._note(locks)
        return answer

    def _note(self, locks: Iterable[Lock]) -> None:
        assert self.open is not None
        before, now = self.open.seen, self._observe(self.open.tables)
        for row in now:
            if now[row].mine and now[row] != before.get(row):
                self.open.entries.update(entries(row, now))
        take_written(self.open, now, sure=False)
        take_references(self.open, before, now, sure=False)
        for lock in locks:
            for number in self._numbers(lock):
                if (lock.table, number) in self.open.base:
                    self.open.taken.take((lock.table, number), lock.strength)
        self.open.seen = now

    def _numbers(self, lock: Lock) -> list[int]:
        rows = _must(
            self.session, f"SELECT t.{HIDDEN_COLUMN} AS n FROM {identifier(lock.table)} t {lock.tail}"
        ).rows
        return [int(row[0] or b"") for row in rows]

    def total(self) -> Taken:
        """Return what the transaction would take if it were committed now."""
        assert self.open is not None
        whole = Taken()
        whole.add(self.open.taken)
        counted = replace(self.open, taken=whole)
        take_written(counted, self.open.seen, sure=True)
        take_references(counted, self.open.base, self.open.seen, sure=True)
        take_kept_references(counted, self.open.seen)
        return whole

    def forget_settings(self) -> None:
        """Set every parameter to what a new session has."""
        _must(self.session, f"RESET ALL; SET search_path = {self.schema}")
        self.session.forget_prepared()

    def rollback(self) -> Answer:
        """End the transaction."""
        self.open = None
        return _must(self.session, "ROLLBACK")

    def commit(
        self, choose: Callable[[Verdict], bool] = lambda verdict: verdict is not Verdict.CONFLICT
    ) -> Answer:
        """End the transaction; where the rule says conflict the answer is 40001.

        Args:
            choose: says of the verdict whether the transaction is to be committed.
        """
        assert self.open is not None
        if self.open.failed:
            return self.rollback()
        checked = self.session.ask("SET CONSTRAINTS ALL IMMEDIATE")
        if checked.failed:
            self.rollback()
            return checked
        self._note(())
        verdict = self.verdict()
        if not choose(verdict):
            self.rollback()
            return Answer(sqlstate="40001", message=verdict.name)
        self._publish()
        return _must(self.session, "COMMIT")

    def verdict(self) -> Verdict:
        """Return what COMMIT may answer if it came now; deferred constraints are not looked at."""
        assert self.open is not None
        since = self._oracle.facts[self.open.snapshot :]
        if not since:
            return Verdict.COMMIT
        own = self.total()
        if meets(own.sure, [fact.taken.sure for fact in since]) or not self._fits(own):
            return Verdict.CONFLICT
        if meets(own.possible, [fact.taken.possible for fact in since]):
            return Verdict.EITHER
        if any(self.open.entries & fact.entries for fact in since):
            return Verdict.EITHER
        return Verdict.COMMIT

    def _fits(self, own: Taken) -> bool:
        """Return whether the rows go into the committed state without a duplicate."""
        if self.open is None or self.open.failed:
            return True
        _must(self.session, "SAVEPOINT trial")
        answer = self.session.ask(self._script())
        _must(self.session, "ROLLBACK TO trial; RELEASE trial")
        assert answer.sqlstate in ("", "23505", "40001"), answer
        return not answer.failed

    def _changed(self) -> dict[str, set[int]]:
        assert self.open is not None
        changed: dict[str, set[int]] = {}
        for row in self.open.base.keys() | self.open.seen.keys():
            if row not in self.open.seen or row not in self.open.base or self.open.seen[row].mine:
                changed.setdefault(row[0], set()).add(row[1])
        return changed

    def _script(self) -> str:
        """Return the statements that write the changed rows into the committed state."""
        assert self.open is not None
        script = ["SET LOCAL session_replication_role = replica"]
        for name, numbers in self._changed().items():
            there = self._oracle.tables.get(name)
            if there is None:
                continue  # dropped meanwhile
            here, quoted = self.open.tables[name], identifier(name)
            kept = {column.name for column in here.columns}
            common = replace(there, columns=tuple(c for c in there.columns if c.name in kept)).stored
            chosen = f"{HIDDEN_COLUMN} = ANY (ARRAY[{', '.join(map(str, numbers))}]::bigint[])"
            script += [
                f"DELETE FROM {COMMITTED}.{quoted} WHERE {chosen}",
                f"INSERT INTO {COMMITTED}.{quoted} ({common}) OVERRIDING SYSTEM VALUE"
                f" SELECT {common} FROM {self.schema}.{quoted} WHERE {chosen}",
            ]
        return "; ".join(script)

    def _publish(self) -> None:
        assert self.open is not None
        changed = self._changed()
        own = self.total()
        if changed:
            _must(self.session, self._script())
        left = {
            entry
            for name, numbers in changed.items()
            for n in numbers
            for entry in entries((name, n), self.open.seen)
        }
        if own.possible or left:
            self._oracle.facts.append(Fact(own, frozenset(left)))
        for name in changed:
            self._versions[name] = -1
            self._oracle.versions[name] += 1
        self.open = None

    def _observe(self, tables: dict[str, Table]) -> Rows:
        return observe(lambda sql: _must(self.session, sql).rows, tables, self.schema)


class Oracle:
    """The committed state, its history, and a private copy for each session."""

    def __init__(self, server: PlainPostgres, sessions: int) -> None:
        self._server = server
        self.facts: list[Fact] = []
        self.catalog = 0
        self.unsettled = False
        """An index job may end at any time, which changes the catalog."""
        self.tables: dict[str, Table] = {}
        self._watched: frozenset[str] | None = None
        self.versions: Counter[str] = Counter()
        self.copies: list[PrivateCopy] = []
        self._admin = server.connect()
        names = [f"s{index}" for index in range(sessions)]
        for schema in (COMMITTED, *names):
            _must(self._admin, f"DROP SCHEMA IF EXISTS {schema} CASCADE; CREATE SCHEMA {schema}")
        _must(self._admin, f"CREATE SEQUENCE {COMMITTED}.{_NUMBERS}; SET search_path = {COMMITTED}")
        self.copies = [PrivateCopy(self, name) for name in names]

    def connect(self, schema: str) -> WireSession:
        """Open a session whose names are looked up in a schema."""
        session = self._server.connect()
        _must(session, f"SET search_path = {schema}")
        return session

    def watch(self, names: Iterable[str] | None) -> None:
        """Look at these tables only, which are all that the next transactions use; None: at all."""
        self._watched = None if names is None else frozenset(names)

    def watched(self) -> dict[str, Table]:
        """Return the tables that transactions are watched on."""
        return {
            name: table
            for name, table in self.tables.items()
            if self._watched is None or name in self._watched
        }

    def change_catalog(self, sql: str) -> None:
        """Run DDL in the committed state now, in every private copy before its next transaction."""
        self.define(self._admin, COMMITTED, sql)
        self.tables = read_tables(lambda query: _must(self._admin, query).rows, COMMITTED)
        self.versions.update({name: 1 for name in self.tables if name not in self.versions})
        for name in self.versions.keys() - self.tables.keys():
            del self.versions[name]
        self.catalog += 1
        for copy in self.copies:
            copy.pending.append(sql)

    def define(self, session: WireSession, schema: str, sql: str) -> None:
        """Run DDL in a schema, number the rows of new tables, and let no two schemas draw one identity value."""
        _must(session, _INDEX.sub("INDEX", sql))
        space = f"relnamespace = '{schema}'::regnamespace"
        tables = (
            f"SELECT relname FROM pg_class c WHERE {space} AND relkind = 'r' AND NOT EXISTS"
            f" (SELECT FROM pg_attribute WHERE attrelid = c.oid AND attname = '{HIDDEN_COLUMN}')"
        )
        for name in self._names(session, tables):
            numbers = f"{HIDDEN_COLUMN} bigint DEFAULT nextval('{COMMITTED}.{_NUMBERS}')"
            _must(session, f"ALTER TABLE {schema}.{name} ADD COLUMN {numbers}")
        first = next((n for n, copy in enumerate(self.copies, 1) if copy.schema == schema), _STEP)
        sequences = (
            f"SELECT relname FROM pg_class c JOIN pg_sequence s ON s.seqrelid = c.oid WHERE {space}"
            f" AND s.seqincrement = 1 AND relname <> '{_NUMBERS}'"
        )
        for name in self._names(session, sequences):
            _must(session, f"ALTER SEQUENCE {schema}.{name} INCREMENT BY {_STEP} RESTART WITH {first}")

    def _names(self, session: WireSession, query: str) -> list[str]:
        return [identifier((name or b"").decode()) for (name,) in _must(session, query).rows]

    def state(self, names: Iterable[str]) -> tuple[Row, ...]:
        """Return the committed rows of some tables, ordered."""
        return _must(self._admin, state_query([self.tables[name] for name in names])).sorted().rows

    def unreferenced(self) -> list[str]:
        """Return the foreign keys that the committed state breaks: a fault of the oracle itself."""
        broken = []
        for table in self.tables.values():
            for each in table.references:
                pairs = [
                    (identifier(own), identifier(target))
                    for own, target in zip(each.columns, each.targets, strict=True)
                ]
                query = (
                    f"SELECT 1 FROM {identifier(each.child)} c WHERE"
                    f" {' AND '.join(f'c.{own} IS NOT NULL' for own, _ in pairs)} AND NOT EXISTS (SELECT FROM"
                    f" {identifier(each.parent)} p WHERE {' AND '.join(f'p.{t} = c.{o}' for o, t in pairs)})"
                )
                if _must(self._admin, query).rows:
                    broken.append(f"{each.child} {each.columns}")
        return broken

    def close(self) -> None:
        """Hang up."""
        for session in (self._admin, *(copy.session for copy in self.copies)):
            session.close()


def state_query(tables: Sequence[Table]) -> str:
    """Return a query of all rows of some tables as text."""
    return " UNION ALL ".join(
        f"SELECT '{index}', {table.shown()} FROM {identifier(table.name)} t"
        for index, table in enumerate(tables)
    )


def _must(session: WireSession, sql: str) -> Answer:
    answer = session.ask(Request(sql, protocol=Protocol.SIMPLE))
    if answer.failed:
        raise AssertionError(f"the oracle's own statement failed: {answer}\n{sql[:2000]}")
    return answer
