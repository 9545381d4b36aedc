"""A unit as the engine wants it: to be run, and to be run again after it has been undone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from local_dsql.occ.statements import Request
from local_dsql.wire import messages

if TYPE_CHECKING:
    from dsql_dialect import Statement
    from local_dsql.proxy.prepared_statements import Names
    from local_dsql.proxy.units import Unit
    from local_dsql.wire.frames import Frame


def request_for(unit: Unit, statement: Statement, names: Names, rows: bytes = b"") -> Request:
    """Return the request for a unit; `rows` is the data of a COPY, its CopyDone included.

    PostgreSQL ignores Sync while it takes COPY data, so a COPY has one more after the data.
    """
    tail = rows if not rows or unit.simple else rows + messages.SYNC
    surplus: dict[bytes, int] = {}
    prefix = b""
    if not unit.simple:
        prefix, surplus = _repetition(unit.frames, names)
    if rows and unit.goes_on:  # PostgreSQL has lost the portal while it was asked what it thinks of the COPY
        portal, _ = messages.execute_parts(unit.frames[-1][1])
        tail = unit.request() + tail
        data = messages.frame(b"C", b"P" + portal + b"\0") + names.portals.bind_of(portal) + tail
        return Request(statement, data, data, surplus)
    return Request(statement, unit.request() + tail, prefix + unit.request() + tail, surplus, unit.goes_on)


def _repetition(frames: tuple[Frame, ...], names: Names) -> tuple[bytes, dict[bytes, int]]:
    """Return what must be said before a repetition, and how its answer is longer."""
    closes, binds = [], []
    bound = {messages.bind_parts(raw)[0] for kind, raw in frames if kind == b"B"}
    for kind, raw in frames:
        if kind == b"P" and (name := messages.parse_parts(raw)[0]):
            closes.append(messages.frame(b"C", b"S" + name + b"\0"))
        elif kind == b"E" and (portal := messages.execute_parts(raw)[0]) not in bound:
            binds += [names.portals.bind_of(portal)] if names.portals.bind_of(portal) else []
    parses = sum(raw[:1] == b"P" for raw in binds)
    return b"".join([*closes, *binds]), {b"3": len(closes), b"2": len(binds), b"1": parses}
