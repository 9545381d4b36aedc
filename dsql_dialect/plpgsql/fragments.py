"""Result of reading a PL/pgSQL body: the SQL in it, each piece with its place."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field


class PlpgsqlSyntaxError(Exception):
    """The body is not PL/pgSQL: the message, and the byte offset in the body."""

    def __init__(self, message: str, at: int) -> None:
        super().__init__(message)
        self.message = message
        self.at = at


class FragmentKind(enum.Enum):
    """Kind of a piece of SQL: the way in which PL/pgSQL runs it."""

    STATEMENT = "a statement that runs as it is"
    EXPRESSION = "an expression, which runs as SELECT …"
    DYNAMIC = "an expression whose value runs as SQL: EXECUTE"
    CONTROL = "COMMIT or ROLLBACK"


@dataclass(frozen=True, slots=True)
class Fragment:
    """A piece of SQL between two byte offsets of a body.

    `text` is as long as the source: PL/pgSQL's INTO clause is blanked, and PERFORM is SELECT. So an offset in it plus
    `start` is an offset in the body. `by` is the PL/pgSQL statement that has it.
    """

    kind: FragmentKind
    text: bytes
    start: int
    end: int
    by: str

    @property
    def sql(self) -> bytes:
        """The SQL to check: the text behind `prefix`."""
        return self.prefix + self.text

    @property
    def prefix(self) -> bytes:
        """The word that PL/pgSQL puts before the text to run it."""
        return b"" if self.kind in (FragmentKind.STATEMENT, FragmentKind.CONTROL) else b"SELECT "


@dataclass(slots=True)
class Reading:
    """All SQL of a body, in its order.

    `handlers` are the byte offsets behind WHEN … THEN of its exception handlers. `row_types` are the tables and views
    whose columns or rows are the type of a variable (`t.v%TYPE`, `t%ROWTYPE`), in lower case and without schema; they
    must be there when the function is created, other tables only when it runs.
    """

    fragments: list[Fragment] = field(default_factory=list)
    handlers: list[int] = field(default_factory=list)
    row_types: set[str] = field(default_factory=set)

    def of(self, kind: FragmentKind) -> list[Fragment]:
        """Return the fragments of a kind."""
        return [each for each in self.fragments if each.kind is kind]

    @property
    def is_dynamic(self) -> bool:
        """Return whether it runs SQL that is in no text: EXECUTE."""
        return bool(self.of(FragmentKind.DYNAMIC))
