"""Directives in comments: `-- blocks: batch` above a statement, and those of other tools."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dsql_dialect.comments import line_comments
from dsql_dialect.migrations.probe import tree_of
from dsql_dialect.position import Source

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from dsql_dialect.position import Position
    from dsql_dialect.statement import Script, Statement

_DIRECTIVE = re.compile(r"\s*blocks\s*:(?P<word>.*)", re.IGNORECASE)
_DOWN = re.compile(r"\s*(migrate:down|\+goose\s+down|\+migrate\s+down|@undo|//@undo)\b.*", re.IGNORECASE)
"""Comments with which dbmate, goose, sql-migrate and MyBatis begin the statements that undo a migration."""


@dataclass(frozen=True, slots=True)
class Directive:
    """A `-- blocks: <word>` comment, and the statement below it (None: none follows)."""

    word: str
    position: Position
    statement: Statement | None

    @property
    def misuse(self) -> str | None:
        """The reason for which the directive cannot be followed, or None."""
        if self.word not in DIRECTIVES:
            known = ", ".join(f"`{name}`" for name in DIRECTIVES)
            return f"`{self.word}` is no directive; known is {known}"
        if self.statement is None:
            return "no statement follows it"
        return DIRECTIVES[self.word](self.statement)

    @property
    def endless(self) -> str | None:
        """The reason for which the statement would be repeated without end, or None where none is seen."""
        if self.misuse or self.statement is None or self.word != "batch":
            return None
        return _endless(self.statement)


def _batch_misuse(statement: Statement) -> str | None:
    return (
        None
        if statement.is_dml
        else "only a statement that changes rows can be repeated until it changes none"
    )


DIRECTIVES: Mapping[str, Callable[[Statement], str | None]] = {"batch": _batch_misuse}
"""Every directive, with the reason for which it cannot be followed above a statement. Each is a key of the manifest."""


def _endless(statement: Statement) -> str | None:
    """Return the reason, seen in the text, for which a statement always changes a row, or None."""
    name, root = tree_of(statement)
    if name == "UpdateStmt" and not {"whereClause", "fromClause"} & root.keys():
        return "an UPDATE without WHERE changes its rows again and again, so it never ends"
    if name == "InsertStmt" and "onConflictClause" not in root:
        source = root.get("selectStmt", {}).get("SelectStmt", {})
        if source.get("op") == "SETOP_NONE" and not {"whereClause", "fromClause"} & source.keys():
            return "an INSERT of the same rows adds them again and again, so it never ends"
    return None


def read_directives(text: str, script: Script) -> Iterator[Directive]:
    """Yield the directives between the statements of a text; comments inside a statement are no directives."""
    source = Source(text)
    for comment, at, statement in _comments(text, script):
        match = _DIRECTIVE.fullmatch(comment)
        if match is not None:
            yield Directive(match["word"].strip(), source.at(at), statement)


def down_sections(text: str, script: Script) -> Iterator[tuple[str, Position]]:
    """Yield the comments that begin, for another tool, statements to undo the migration, with their places."""
    source = Source(text)
    for comment, at, statement in _comments(text, script):
        if statement is not None and _DOWN.fullmatch(comment):
            yield f"--{comment.rstrip()}", source.at(at)


def _comments(text: str, script: Script) -> Iterator[tuple[str, int, Statement | None]]:
    """Yield the text of every `--` comment between statements, its offset, and the statement that follows it."""
    at = 0
    for statement in (*script.statements, None):
        end = len(text) if statement is None else statement.position.offset
        for comment, offset in line_comments(text, at, end):
            yield comment, offset, statement
        if statement is not None:
            at = end + len(statement.text)
