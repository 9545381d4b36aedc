"""What a case is: statements, and what a real cluster answered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

Protocol = Literal["simple", "extended"]


@dataclass(frozen=True, slots=True)
class Result:
    """A statement that succeeded: its command tag, column names, and rows in PostgreSQL's text form.

    In a fact, `rows` is None where the rows differ from one run to the next and are not compared.
    """

    tag: str
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str | None, ...], ...] | None = ()

    def matches(self, fact: Answer) -> bool:
        """Return whether this is what `fact` says."""
        if not isinstance(fact, Result) or (self.tag, self.columns) != (fact.tag, fact.columns):
            return False
        return fact.rows is None or self.rows == fact.rows


@dataclass(frozen=True, slots=True)
class Refusal:
    """A statement that failed: its SQLSTATE and primary message."""

    sqlstate: str
    message: str

    def matches(self, fact: Answer) -> bool:
        """Return whether this is what `fact` says."""
        return self == fact


Answer = Result | Refusal


@dataclass(frozen=True, slots=True)
class Step:
    """One string sent to the server, and the answers to the statements in it."""

    sql: str
    answers: tuple[Answer, ...]


@dataclass(frozen=True, slots=True)
class Case:
    """Steps of one session, and what they need: tables by name, statements before and after them.

    `protocol` is what the recording used.
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
    """Two sessions of one statement each between BEGIN and COMMIT.

    `losers` says how many of the two failed at COMMIT, over all recorded races.
    """

    id: str
    uses: tuple[str, ...]
    steps: Mapping[str, Step]
    losers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Interleaving:
    """Who does what in which order up to the COMMITs, and the orders of these."""

    moves: tuple[tuple[str, str], ...]
    commit_orders: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Table:
    """How to make a table and its rows, and the tables that it references."""

    name: str
    create: str
    rows: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
