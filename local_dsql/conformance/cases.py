"""Test cases: statements, and the responses of a real cluster."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

Protocol = Literal["simple", "extended"]


@dataclass(frozen=True, slots=True)
class Result:
    """Response to a successful statement: command tag, column names, and rows in PostgreSQL's text format.

    In a recording, `rows` is None if the rows differ between runs and are not compared.
    """

    tag: str
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str | None, ...], ...] | None = ()

    def matches(self, fact: Answer) -> bool:
        """Return whether this equals the recorded `fact`."""
        if not isinstance(fact, Result) or (self.tag, self.columns) != (fact.tag, fact.columns):
            return False
        return fact.rows is None or self.rows == fact.rows

    def __str__(self) -> str:
        """Return the tag, and of rows the columns and values."""
        rows = "" if self.rows is None or not self.columns else f" {list(self.rows)}"
        return f"{self.tag} ({', '.join(self.columns)}){rows}" if self.columns else self.tag


@dataclass(frozen=True, slots=True)
class Refusal:
    """Response to a failed statement: SQLSTATE and primary message."""

    sqlstate: str
    message: str

    def matches(self, fact: Answer) -> bool:
        """Return whether this equals the recorded `fact`."""
        return self == fact

    def __str__(self) -> str:
        """Return SQLSTATE and message."""
        return f"{self.sqlstate} {self.message}"


Answer = Result | Refusal


@dataclass(frozen=True, slots=True)
class Step:
    """A query string, and the recorded responses to its statements."""

    sql: str
    answers: tuple[Answer, ...]


@dataclass(frozen=True, slots=True)
class Case:
    """Steps of one session, with the tables that they use, and statements before and after them.

    `protocol` is that of the recording.
    """

    id: str
    topic: str
    steps: tuple[Step, ...]
    protocol: Protocol = "extended"
    uses: tuple[str, ...] = ()
    given: tuple[str, ...] = ()
    cleanup: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RaceCase:
    """A race of two sessions, with one statement each between BEGIN and COMMIT.

    `losers` are the numbers of sessions that failed at COMMIT, over all recorded races.
    """

    id: str
    uses: tuple[str, ...]
    steps: Mapping[str, Step]
    losers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Interleaving:
    """Order of the statements of both sessions before the COMMITs, and the orders of the COMMITs."""

    moves: tuple[tuple[str, str], ...]
    commit_orders: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Table:
    """SQL for a table and its rows, and the tables that it references."""

    name: str
    create: str
    rows: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
