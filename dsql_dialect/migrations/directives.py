"""Directives in comments: `-- blocks: batch` above a statement, and those of other tools."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING

from dsql_dialect.comments import line_comments
from dsql_dialect.migrations.probe import tree_of
from dsql_dialect.position import Source
from migration_manifest import StatementDirective

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from dsql_dialect.position import Position
    from dsql_dialect.statement import Script, Statement

_DIRECTIVE = re.compile(r"\s*blocks\s*:(?P<word>.*)", re.IGNORECASE)
_ALIKE = re.compile(r"\W*(?P<mark>b\w+)\W+(?P<word>\w+)\W*", re.IGNORECASE)
_MARK = "blocks"
_CLOSE = 0.8
"""Similarity of a misspelt word: a letter is missing, or two are in the wrong order."""
_SECTION = re.compile(
    r"[\W_]*(?:goose|micrate|migrate|rambler|dbmate|shmig)\W+(?P<of_tool>downs?|undo|ups?)\b.*"
    r"|\W*@(?P<at>undo)\b.*"
    r"|[\W_]*(?P<plain>downs?|undo|ups?)(?:\W+(?:migrations?|section|script))?\W*"
    r"|[\W_]*(?P<titled>down|up)\s+migration\s*[^\w\s].*"
    r"|\W*create above / (?P<below>drop) below\W*",
    re.IGNORECASE,
)
"""Comments that begin a part of a file for other tools.

Such as dbmate, goose, sql-migrate, micrate, node-pg-migrate, rambler, shmig, Play, MyBatis, dbdeploy and tern. What
follows `--rollback` of Liquibase is a comment itself.
"""


@dataclass(frozen=True, slots=True)
class Directive:
    """A `-- blocks: <word>` comment, and the statement below it (None: none follows).

    `alike` is another comment that is taken for this directive, misspelt.
    """

    word: str
    position: Position
    statement: Statement | None
    alike: str | None = None

    @property
    def misuse(self) -> str | None:
        """The reason for which the directive cannot be followed, or None."""
        if self.alike is not None:
            return f"`{self.alike}` is no directive, and would have no effect; it is written `-- blocks: {self.word}`"
        directive = next((each for each in StatementDirective if each.value == self.word), None)
        if directive is None:
            known = ", ".join(f"`{each.value}`" for each in StatementDirective)
            return f"`{self.word}` is no directive; known is {known}"
        if self.statement is None:
            return "no statement follows it"
        return _MISUSE[directive](self.statement)

    @property
    def endless(self) -> str | None:
        """The reason for which the statement would be repeated without end, or None where none is seen."""
        if self.misuse or self.statement is None or self.word != StatementDirective.BATCH.value:
            return None
        return _endless(self.statement)


def _batch_misuse(statement: Statement) -> str | None:
    return (
        None
        if statement.is_dml
        else "only a statement that changes rows can be repeated until it changes none"
    )


_MISUSE: Mapping[StatementDirective, Callable[[Statement], str | None]] = {
    StatementDirective.BATCH: _batch_misuse
}
"""Checks of a directive and its statement, which return the reason for which it cannot be followed."""


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
        elif (word := _meant(comment)) is not None:
            yield Directive(word, source.at(at), statement, alike=f"--{comment.rstrip()}")


def _meant(comment: str) -> str | None:
    """Return the word of the directive that a comment of two words is like, or None."""
    found = _ALIKE.fullmatch(comment)
    if found is None or not get_close_matches(found["mark"].lower(), [_MARK], cutoff=_CLOSE):
        return None
    words = [each.value for each in StatementDirective]
    return next(iter(get_close_matches(found["word"].lower(), words, cutoff=_CLOSE)), None)


@dataclass(frozen=True, slots=True)
class DownSection:
    """Statements that, for another tool, undo the migration, and the comment that begins them."""

    word: str
    position: Position
    statements: tuple[Statement, ...]


def down_sections(text: str, script: Script) -> Iterator[DownSection]:
    """Yield the parts of a text that other tools run to undo it, each up to its end or to the next part."""
    source = Source(text)
    marks = [(at, *mark) for comment, at, _ in _comments(text, script) if (mark := _mark(comment))]
    offsets = [each.position.offset for each in script.statements]
    ends = [*(at for at, *_ in marks[1:]), len(text)]
    for (at, word, undoes), end in zip(marks, ends, strict=False):
        within = script.statements[bisect_right(offsets, at) : bisect_left(offsets, end)] if undoes else ()
        if within:
            yield DownSection(f"--{word}", source.at(at), within)


def _mark(comment: str) -> tuple[str, bool] | None:
    """Return a comment that begins a part of the file, and whether that part undoes it, or None."""
    found = _SECTION.fullmatch(comment)
    if found is None:
        return None
    word = next(each for each in found.groups() if each is not None)
    return comment.rstrip(), not word.lower().startswith("up")


def _comments(text: str, script: Script) -> Iterator[tuple[str, int, Statement | None]]:
    """Yield the text of every `--` comment between statements, its offset, and the statement that follows it."""
    at = 0
    for statement in (*script.statements, None):
        end = len(text) if statement is None else statement.position.offset
        for comment, offset in line_comments(text, at, end):
            yield comment, offset, statement
        if statement is not None:
            at = end + len(statement.text)
