"""Comments that the migrator obeys: `-- blocks: batch` above a statement."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dsql_dialect.position import position_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dsql_dialect.position import Position
    from dsql_dialect.statement import Script, Statement

_COMMENT = re.compile(r"/\*.*?\*/|--(?P<line>[^\n]*)", re.DOTALL)
_DIRECTIVE = re.compile(r"\s*blocks\s*:(?P<word>.*)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Directive:
    """A `-- blocks: <word>` comment, and the statement that it stands above (None: none follows)."""

    word: str
    position: Position
    statement: Statement | None

    @property
    def misuse(self) -> str | None:
        """Why the directive cannot be obeyed, or None."""
        if self.word != "batch":
            return f"`{self.word}` is no directive; the only one is `batch`"
        if self.statement is None:
            return "no statement follows it"
        if not self.statement.is_dml:
            return "only a statement that changes rows can be repeated until it changes none"
        return None


def read_directives(text: str, script: Script) -> Iterator[Directive]:
    """Yield the directives between the statements of a text; comments inside a statement are its own."""
    at = 0
    for statement in (*script.statements, None):
        end = len(text) if statement is None else statement.position.offset
        for comment in _COMMENT.finditer(text, at, end):
            match = _DIRECTIVE.fullmatch(comment["line"] or "")
            if match is not None:
                yield Directive(match["word"].strip(), position_of(text, comment.start()), statement)
        if statement is not None:
            at = end + len(statement.text)
