"""Judge the SQL of a PL/pgSQL body by the rules, and place the findings in the text that the body was written in."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from dsql_dialect import libpg_query
from dsql_dialect.plpgsql.bodies import body
from dsql_dialect.plpgsql.fragments import FragmentKind, PlpgsqlSyntaxError, Reading
from dsql_dialect.plpgsql.guards import MARK, bare, guarded, has_all_guards, quoted
from dsql_dialect.plpgsql.literals import Origin
from dsql_dialect.plpgsql.reader import read
from dsql_dialect.position import Source
from dsql_dialect.rewrite import without_lock_waits
from dsql_dialect.rule import Finding
from dsql_dialect.rules import SYNTAX
from dsql_dialect.rules.routine_bodies import (
    COMMIT_IN_DO,
    COMMIT_IN_FUNCTION,
    STATEMENT,
    may_be_in_a_body,
)
from dsql_dialect.statement import NO_TRAITS, UNKNOWN_WRITES, Traits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dsql_dialect.plpgsql.bodies import Body
    from dsql_dialect.plpgsql.fragments import Fragment
    from dsql_dialect.position import Position
    from dsql_dialect.prepass import Piece
    from dsql_dialect.rule import Node
    from dsql_dialect.statement import Script, Statement


@dataclass(frozen=True, slots=True)
class JudgedBody:
    """The statements of a body, its refusals, what it does when it runs, and its statement as PostgreSQL may run it.

    `backend_sql` has guards only if there are no findings.
    """

    backend_sql: str
    statements: tuple[Statement, ...] = ()
    findings: tuple[Finding, ...] = ()
    traits: Traits = NO_TRAITS
    row_types: frozenset[str] = frozenset()


def judge(source: Source, piece: Piece, root: Node, parse: Callable[[str], Script]) -> JudgedBody:
    """Judge the body of a CREATE FUNCTION, CREATE PROCEDURE or DO; `parse` judges a text of SQL."""
    found = body(root, source.data[piece.base : piece.end])
    if found is None:  # PostgreSQL refuses it
        return JudgedBody(source.slice(piece.start, piece.end))
    if MARK.encode() in found.text and has_all_guards(found.text):  # of a dump
        written = bare(found.text)
        found = replace(found, text=written, origin=Origin(b"''", piece.base + found.start, written))
    return _Judge(source, piece, root, found, parse).judged()


def trees_of_body(root: Node, data: bytes) -> Iterator[tuple[Node, Callable[[int], int]]]:
    """Yield the parse trees of the SQL in a body that can be read, each with the place in `data` of its offsets."""
    found = body(root, data)
    if found is None:
        return
    for fragment in read(found.text).fragments:
        for raw in libpg_query.parse(fragment.sql):
            yield raw["stmt"], partial(_place, found.origin, fragment)


def _place(origin: Origin, fragment: Fragment, at: int) -> int:
    return origin.at(fragment.start + max(at - len(fragment.prefix), 0))


class _Judge:
    def __init__(
        self, source: Source, piece: Piece, root: Node, found: Body, parse: Callable[[str], Script]
    ) -> None:
        self._source = source
        self._piece = piece
        self._body = found
        self._parse = parse
        self._written = source.slice(piece.start, piece.end)
        self._is_do = "funcname" not in root
        self._is_procedure = bool(root.get("is_procedure"))

    def judged(self) -> JudgedBody:
        try:
            reading = read(self._body.text)
            if (mark := self._body.text.find(MARK.encode())) >= 0:
                raise PlpgsqlSyntaxError(f"a body must not contain {MARK}", mark)
        except PlpgsqlSyntaxError as error:
            return JudgedBody(self._written, findings=(self._syntax_error(error.message, error.at),))
        statements: list[Statement] = []
        findings: list[Finding] = []
        for fragment in reading.fragments:
            script = self._parse(fragment.sql.decode())
            statements += script.statements
            findings += self._findings(fragment, script)
        traits = NO_TRAITS.joined(*(each.traits for each in statements))
        traits = traits.joined(UNKNOWN_WRITES) if _may_do_more(reading, statements) else traits
        sql = self._written if findings else self._guarded(reading, traits)
        return JudgedBody(sql, tuple(statements), tuple(findings), traits, frozenset(reading.row_types))

    def _findings(self, fragment: Fragment, script: Script) -> Iterator[Finding]:
        """Yield the refusals of a fragment: those of its SQL, and those of what a body may not have."""
        if len(script.statements) != 1:
            yield self._syntax_error(f'syntax error at or near "{fragment.text.decode()}"', fragment.start)
            return
        if script.findings:
            text = Source(fragment.sql.decode())
            for each in script.findings:
                byte = _place(self._body.origin, fragment, len(text.text[: each.position.offset].encode()))
                yield replace(each, position=self._source.position(self._piece.base + byte))
            return
        (statement,) = script.statements
        values = {"node": statement.node, "verb": statement.transaction}
        if fragment.kind is FragmentKind.CONTROL:
            rule = COMMIT_IN_DO if self._is_do else None if self._is_procedure else COMMIT_IN_FUNCTION
        else:
            rule = None if _may_be_here(fragment, statement) else STATEMENT
        if rule is not None:
            yield Finding(rule, rule.text.format(**values), self._position(fragment.start))

    def _syntax_error(self, message: str, at: int) -> Finding:
        return Finding(SYNTAX, message, self._position(at))

    def _position(self, at: int) -> Position:
        return self._source.position(self._piece.base + self._body.origin.at(at))

    def _guarded(self, reading: Reading, traits: Traits) -> str:
        """Return the statement with guards in its body, and without NOWAIT and SKIP LOCKED: no lock blocks."""
        piece, data, text = self._piece, self._source.data, self._body.text
        start, end = piece.base + self._body.start, piece.base + self._body.end
        if traits.skip_locked or traits.nowait:
            text = without_lock_waits(text.decode()).encode()
            reading = read(text)
        written = guarded(text, reading)
        literal = data[start:end] if written == self._body.text else quoted(written)
        return (data[piece.start : start] + literal + data[end : piece.end]).decode()


def _may_be_here(fragment: Fragment, statement: Statement) -> bool:
    if fragment.kind is not FragmentKind.STATEMENT:
        return statement.node == "Select"
    return may_be_in_a_body(statement)


def _may_do_more(reading: Reading, statements: list[Statement]) -> bool:
    """Return whether a body may do what no text of it shows."""
    return reading.is_dynamic or any(each.node == "Call" for each in statements)
