"""Shapes of statements as data: a text with named places, which a random generator fills.

`{id}` is a value of the pool `id`; `{id2}` is another value of the same pool; the same name twice is the same value.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.local_dsql.differential.conflict_rule import Strength
from tests.local_dsql.differential.oracle import Lock
from tests.local_dsql.differential.wire_session import Protocol, Request

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Mapping

    Pool = Callable[[random.Random], str | None]

_PLACE = re.compile(r"\{([a-z]+)(\d*)\}")


@dataclass(frozen=True)
class LockTail:
    """The rows that a shape locks: a table and the tail of a query over it as `t`, with the shape's places."""

    table: str
    tail: str
    strength: Strength = Strength.WHOLE


@dataclass(frozen=True)
class Shape:
    """A statement with places.

    `ordered`: its rows come in an order. `several`: it may violate several constraints at once, of which PostgreSQL
    reports the one that it meets first. `copy`: a line of COPY's input, with places of its own. `simple`: it has no
    parameters in any protocol. `tags`: kinds by which a run can leave shapes out.
    """

    sql: str
    weight: int = 1
    ordered: bool = False
    several: bool = False
    locks: tuple[LockTail, ...] = ()
    copy: str | None = None
    simple: bool = False
    tags: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Statement:
    """A shape that has been filled."""

    shape: Shape
    request: Request
    locks: tuple[Lock, ...] = ()


@dataclass(frozen=True)
class Family:
    """Tables that belong together, rows to begin with, and shapes of statements over them.

    `touch` are statements that take every row as an UPDATE of columns without a key does.
    """

    name: str
    ddl: tuple[str, ...]
    rows: tuple[str, ...]
    shapes: tuple[Shape, ...]
    touch: tuple[str, ...]
    tables: tuple[str, ...]
    changes: tuple[tuple[str, str], ...] = ()
    """Pairs of DDL statements, of which the second takes back the first."""


def update_lock(table: str, tail: str) -> tuple[LockTail, ...]:
    """Return what FOR UPDATE of these rows takes."""
    return (LockTail(table, tail),)


def share_lock(table: str, tail: str) -> tuple[LockTail, ...]:
    """Return what FOR KEY SHARE of these rows takes."""
    return (LockTail(table, tail, Strength.KEY_SHARE),)


class Filler:
    """Fills shapes with values of pools."""

    def __init__(self, source: random.Random, pools: Mapping[str, Pool]) -> None:
        self._random = source
        self._pools = pools

    def fill(self, shape: Shape) -> Statement:
        """Return a statement of a shape, in any protocol."""
        values: dict[str, str | None] = {}
        protocol = self._random.choices(list(Protocol), (3, 4, 1))[0]
        if shape.simple:
            request = Request(self._numbered(shape.sql, values), protocol=Protocol.SIMPLE)
        elif shape.copy is not None:
            lines = [self._line(shape.copy) for _ in range(self._random.randint(1, 3))]
            request = Request(shape.sql, copy="".join(lines), protocol=Protocol.SIMPLE)
        else:
            sql = self._numbered(shape.sql, values)
            binary = protocol is not Protocol.SIMPLE and self._random.random() < 0.1
            request = Request(sql, tuple(values.values()), protocol=protocol, binary=binary)
        locks = tuple(
            Lock(each.table, _PLACE.sub(lambda place: _quoted(values[place[0]]), each.tail), each.strength)
            for each in shape.locks
        )
        return Statement(shape, request, locks)

    def _numbered(self, sql: str, values: dict[str, str | None]) -> str:
        """Replace each place by its number, or, in a `simple` shape, by its value."""

        def number(place: re.Match[str]) -> str:
            if place[0] not in values:
                values[place[0]] = self._pools[place[1]](self._random)
            return f"${list(values).index(place[0]) + 1}"

        return _PLACE.sub(number, sql)

    def _line(self, template: str) -> str:
        def escaped(place: re.Match[str]) -> str:
            value = self._pools[place[1]](self._random)
            if value is None:
                return "\\N"
            return value.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n")

        return _PLACE.sub(escaped, template) + "\n"


def _quoted(value: str | None) -> str:
    return Request("$1", (value,)).inlined
