"""The examples of the dialect's rules, and the comparison of a cluster's answers with the rules.

Each rule has a refused and an accepted example. The cluster gets each in a transaction that is rolled back, so that an
example changes nothing. Rules on several statements are left out: the recordings have such cases.
"""

from __future__ import annotations

import contextlib
import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dsql_dialect import RULES, parse
from dsql_dialect.rule import Scope
from local_dsql.conformance.cases import Refusal
from local_dsql.conformance.session import ConformanceError, retry_on_catalog_change

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dsql_dialect.profiles import Profile
    from dsql_dialect.rule import Rule
    from local_dsql.conformance.cases import Answer
    from local_dsql.conformance.session import ClusterUnderTest, LibpqSession

SCHEMA = "blocks_probe"
"""The schema of the objects that the examples use."""

_COLUMNS = (
    *("b", "c", "d", "e", "f", "g", "h", "i", "j"),
    *("name", "type", "share", "lower", "text_pattern_ops", "line", "close", "cursor"),
    *("execute", "prepare", "load", "lock", "cluster", "identity"),
)
_OBJECTS = (
    (f"CREATE SCHEMA {SCHEMA}", f"DROP SCHEMA {SCHEMA} CASCADE"),
    ("CREATE SCHEMA s", "DROP SCHEMA s"),
    ("CREATE SCHEMA y", "DROP SCHEMA y"),
    ("CREATE SCHEMA app", "DROP SCHEMA app"),
    ("CREATE ROLE app", "DROP ROLE app"),
    ("CREATE ROLE joe", "DROP ROLE joe"),
)
"""Objects outside the schema, each with the statement that drops it."""
_TABLES = (
    f"CREATE TABLE {SCHEMA}.a (id text PRIMARY KEY DEFAULT 'x', v text, w text, active boolean, "
    f"""{"".join(f"{name} text, " for name in _COLUMNS)}"using" text, "collate" text, """
    "CONSTRAINT c CHECK (id <> ''))",
    f"CREATE TABLE {SCHEMA}.b (id text PRIMARY KEY)",
    f"CREATE TABLE {SCHEMA}.accounts (id text PRIMARY KEY)",
    f"CREATE TABLE {SCHEMA}.mood (id text PRIMARY KEY)",
    f"CREATE TABLE {SCHEMA}.pair (id text PRIMARY KEY)",
    f"CREATE TABLE {SCHEMA}.rule (id text PRIMARY KEY)",
    f"CREATE TABLE {SCHEMA}.jobs (listen text PRIMARY KEY)",
    f"CREATE TABLE {SCHEMA}.async (id text PRIMARY KEY)",
    f"CREATE TABLE {SCHEMA}.database (id text PRIMARY KEY)",
    f"CREATE INDEX ASYNC reindex ON {SCHEMA}.mood (id)",
    f"CREATE UNIQUE INDEX ASYNC unique_v ON {SCHEMA}.a (v)",
    f"CREATE STATISTICS {SCHEMA}.s ON v, w FROM {SCHEMA}.a",
    f"CREATE FUNCTION {SCHEMA}.f() RETURNS int LANGUAGE sql RETURN 1",
    f"CREATE VIEW {SCHEMA}.v AS SELECT id AS c FROM {SCHEMA}.b",
    f"CREATE SEQUENCE {SCHEMA}.s CACHE 1",
    f"CREATE DOMAIN {SCHEMA}.d AS text CONSTRAINT c CHECK (VALUE <> '')",
)
_EXISTS = frozenset({"42P06", "42710"})
"""SQLSTATEs of an object that exists: it is the user's, and stays."""
_MISSING = frozenset({"42P01", "42703", "42704", "42883", "3F000"})
"""SQLSTATEs of a missing object: a server that looks names up first says nothing of the syntax."""
_WRONG_KIND = "42809"
"""SQLSTATE of an object of another kind, such as a CHECK constraint where a foreign key is named."""
_REFUSING = (
    frozenset(
        answer.sqlstate for rule in RULES.values() for answer in (rule, rule.reworded) if answer is not None
    )
    - _MISSING
    - {_WRONG_KIND}
)
"""SQLSTATEs with which DSQL refuses SQL that it lacks."""


class Verdict(enum.Enum):
    """Result of the comparison of an answer with a rule."""

    HOLDS = "as the rule says"
    ACCEPTED = "accepted, and the rule refuses it"
    REFUSED = "refused, and no rule refuses it"
    REWORDED = "refused with another code or text"
    UNSETTLED = "not settled: an object is missing"


@dataclass(frozen=True, slots=True)
class Example:
    """A statement, and the refusal that the rules of a dialect expect, None if they accept it."""

    rule: Rule
    sql: str
    expected: Refusal | None

    def verdict(self, answer: Answer) -> Verdict:
        """Compare the answer of a cluster with the rules."""
        if answer == self.expected:
            return Verdict.HOLDS
        if isinstance(answer, Refusal):
            if answer.sqlstate in _REFUSING:
                return Verdict.REFUSED if self.expected is None else Verdict.REWORDED
            if answer.sqlstate in _MISSING:
                return Verdict.UNSETTLED
        return Verdict.HOLDS if self.expected is None else Verdict.ACCEPTED


@dataclass(frozen=True, slots=True)
class Observation:
    """The answer of a cluster to an example."""

    example: Example
    answer: Answer

    @property
    def verdict(self) -> Verdict:
        """The result of the comparison."""
        return self.example.verdict(self.answer)

    @property
    def is_unsettled(self) -> bool:
        """True if the answer says nothing about the rule."""
        return self.verdict is Verdict.UNSETTLED

    @property
    def differs(self) -> bool:
        """True if the answer contradicts the rule."""
        return self.verdict not in (Verdict.HOLDS, Verdict.UNSETTLED)


def examples(dialect: Profile) -> tuple[Example, ...]:
    """Return both examples of each rule on single statements, with what a dialect expects."""
    return tuple(
        Example(rule, sql, _expected(sql, dialect))
        for rule in RULES.values()
        if rule.scope is Scope.STATEMENT
        for sql in (rule.refused, rule.accepted)
        if sql and "\0" not in sql  # libpq ends a text at a zero byte
    )


def _expected(sql: str, dialect: Profile) -> Refusal | None:
    findings = parse(sql, dialect).findings
    return Refusal(findings[0].sqlstate, findings[0].message) if findings else None


def observe(target: ClusterUnderTest, asked: tuple[Example, ...]) -> Iterator[Observation]:
    """Run examples on a cluster, each in a transaction that is rolled back.

    The objects that they use are created before and dropped at the end; existing ones of these names are left alone.

    Raises:
        ConformanceError: the cluster cannot be reached, or has a schema `blocks_probe`.
    """
    with _objects(target):
        session = _session(target)
        try:
            for each in asked:
                if not session.usable:  # an example closed the connection
                    session = _session(target)
                yield Observation(each, _answer(session, each.sql))
        finally:
            session.close()


def _session(target: ClusterUnderTest) -> LibpqSession:
    session = target.connect()
    session.prepare(f"SET search_path = {SCHEMA}")
    return session


def _answer(session: LibpqSession, sql: str) -> Answer:
    """Return the first error of a text, else the last answer."""

    def attempt() -> tuple[Answer, ...]:
        session.run("BEGIN")
        try:
            return session.run(sql)
        finally:
            if session.usable:
                session.run("ROLLBACK")

    answers = retry_on_catalog_change(attempt)
    if not answers:
        raise ConformanceError(f"no answer to: {sql}")
    return next((each for each in answers if isinstance(each, Refusal)), answers[-1])


@contextlib.contextmanager
def _objects(target: ClusterUnderTest) -> Iterator[None]:
    session = target.connect()
    undo: list[str] = []
    try:
        for create, drop in _OBJECTS:
            answer = _created(session, create)
            if not isinstance(answer, Refusal):
                undo.append(drop)
            elif create == _OBJECTS[0][0] and answer.sqlstate in _EXISTS:
                raise ConformanceError(
                    f"schema {SCHEMA} exists\n{answer.sqlstate}: {answer.message}\n"
                    f"an interrupted probe left it: DROP SCHEMA {SCHEMA} CASCADE, or probe another cluster"
                )
            elif answer.sqlstate not in _EXISTS:
                raise ConformanceError(f"{create}\n{answer.sqlstate}: {answer.message}")
        for create in _TABLES:  # a dialect may refuse some of them
            _created(session, create)
        yield
    finally:
        session.close()
        _drop(target, undo)


def _created(session: LibpqSession, create: str) -> Answer:
    return retry_on_catalog_change(lambda: session.run(create))[-1]


def _drop(target: ClusterUnderTest, statements: list[str]) -> None:
    session = target.connect()
    try:
        for statement in reversed(statements):
            session.prepare(statement)
    finally:
        session.close()
