"""Sequences of messages, sent to the proxy and to PostgreSQL itself, whose answers must not differ.

A sequence is a list of *steps*; what a step sends is sent at one go, and its answer is read before the next one.
Both sides have tables of their own, alike at the beginning of every sequence.
"""

from __future__ import annotations

import select
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING

from local_dsql.wire import messages
from local_dsql.wire.frames import BODY, FrameReader
from local_dsql.wire.message_types import COPY, EXTENDED, BackendMessage, FrontendMessage, ObjectKind
from tests.local_dsql.proxy import wire_blocks as blocks
from tests.local_dsql.proxy.raw_client import RawClient
from tests.local_dsql.proxy.wire_blocks import Message

if TYPE_CHECKING:
    from collections.abc import Callable

    from local_dsql.wire.frames import Frame
    from tests.local_dsql.proxy.cluster import Cluster

Step = list[Message]

DATABASE = "compared"
BACKGROUNDS = ("quiet", "others open", "others alter", "parked")
_QUIET = 0.03
"""Seconds without a byte after which an answer that need not end with ReadyForQuery is taken to have ended."""

_CLOSED: Frame = (b"", b"closed")
_REFUSED = ("unsupported", "not supported", "ddl", "row limit", "transaction age", "FunctionCall")
_NOT_READ_AHEAD = (b"FOR UPDATE", b"set_config")
"""Words of texts whose portals a suspension ends: divergence `portal-kept-in-part`."""
_OF_PORTALS = ("25P02", "34000", "55000", "08P01", "26000")
_ATTEMPTS = 100
_ANSWERED = (FrontendMessage.QUERY, FrontendMessage.SYNC, FrontendMessage.FUNCTION_CALL)
"""Messages that are answered with ReadyForQuery."""

_DESCRIPTIONS = (
    BackendMessage.PARAMETER_DESCRIPTION,
    BackendMessage.NO_DATA,
    BackendMessage.ROW_DESCRIPTION,
)
_CHANGED = (b"CREATE", b"ALTER", b"DROP")


class Side:
    """One connection, to the proxy or to PostgreSQL."""

    def __init__(self, connected: socket.socket) -> None:
        self.socket = connected
        self.open = True
        self._reader = FrameReader()

    def send(self, data: bytes, *, bytewise: bool = False) -> None:
        """Send bytes, each in a packet of its own if asked to."""
        try:
            for piece in [data[i : i + 1] for i in range(len(data))] if bytewise else [data]:
                self.socket.sendall(piece)
        except OSError:
            self.open = False

    def read(self, enough: Callable[[list[Frame]], bool], timeout: float) -> list[Frame]:
        """Return what comes until there is enough of it, or nothing comes for so many seconds."""
        frames: list[Frame] = []
        while self.open and not enough(frames):
            if not self._pending() and not select.select([self.socket], [], [], timeout)[0]:
                break
            try:
                data = self.socket.recv(65536)
            except OSError:
                data = b""
            if not data:
                self.open = False
                frames.append(_CLOSED)
                break
            frames += self._reader.feed(data)
        return frames

    def _pending(self) -> bool:
        pending = getattr(self.socket, "pending", None)
        return bool(pending is not None and pending())

    def close(self) -> None:
        """Hang up."""
        self.socket.close()


@dataclass
class Script:
    """Steps, and how they are sent."""

    steps: list[Step]
    background: str = "quiet"
    bytewise: bool = False
    as_is: bool = False
    """Send messages that no driver sends, too."""
    loses_portals: bool = False
    """A suspension may end its portals: divergence `portal-kept-in-part`."""

    def __str__(self) -> str:
        lines = [" | ".join(message.label for message in step) for step in self.steps]
        return f"[{self.background}{', byte by byte' if self.bytewise else ''}]\n  " + "\n  ".join(lines)


@dataclass
class Outcome:
    """Result of a sequence: the first difference, if any, and whether it was compared to the end."""

    mismatch: str = ""
    refused: bool = False
    lost: bool = False
    """A portal could not be read further: divergence `portal-kept-in-part`."""
    steps: int = 0
    frames: int = 0


class DifferentialRunner:
    """Both servers with their tables."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        with cluster.direct() as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {DATABASE}")
            connection.execute(f"CREATE DATABASE {DATABASE} TEMPLATE template0")
        self._portals: set[bytes] = set()
        self._status = messages.IDLE
        self._proxy = self._proxy_side()
        self._direct = self._direct_side()
        self._other = self._proxy_side()
        self._ask(
            self._direct, "RESET SESSION AUTHORIZATION; ALTER SCHEMA public OWNER TO admin; SET ROLE admin"
        )
        self._rebuild(drop=False)

    def close(self) -> None:
        """Hang up and take the tables away."""
        for sql in blocks.DROPS:
            self._ask(self._proxy, sql)
        for side in (self._proxy, self._direct, self._other):
            side.close()
        with self.cluster.direct() as connection:
            connection.execute(f"DROP DATABASE {DATABASE} WITH (FORCE)")

    def _proxy_side(self) -> Side:
        client = RawClient(self.cluster)
        client.log_in(self.cluster)
        return Side(client.socket)

    def _direct_side(self) -> Side:
        connected = socket.socket(socket.AF_UNIX)
        connected.connect(f"{self.cluster.sockets}/.s.PGSQL.{self.cluster.postgres.port}")
        connected.sendall(
            messages.startup({"user": "postgres", "database": DATABASE, "application_name": ""})
        )
        side = Side(connected)
        side.read(_ended(1), 10)
        self._ask(side, "SET SESSION AUTHORIZATION admin")
        return side

    @staticmethod
    def _ask(side: Side, sql: str) -> list[Frame]:
        side.send(messages.query(sql))
        frames = side.read(_ended(1), 30)
        assert frames[-1][0] == BackendMessage.READY_FOR_QUERY, (sql, frames)
        return frames

    def both(self, sql: str) -> None:
        """Run a statement on both sides before sequences."""
        for side in (self._proxy, self._direct):
            assert self._ask(side, sql)[0][0] == BackendMessage.COMMAND_COMPLETE, sql

    def _rebuild(self, *, drop: bool) -> None:
        for side in (self._proxy, self._direct):
            for sql in (*(blocks.DROPS if drop else ()), *blocks.TABLES):
                frames = self._ask(side, sql)
                if "extra" in sql and frames[0][0] == BackendMessage.ERROR_RESPONSE:
                    self._ask(side, "DROP VIEW extra")
        self.refill()

    def refill(self) -> None:
        """Let both sides have the same rows again."""
        self._fill(self._proxy)
        for _ in range(_ATTEMPTS):  # PostgreSQL may be busy yet with what a client said before it left
            if self._fill(self._direct):
                return
        raise AssertionError("another session writes to the tables")

    def _fill(self, side: Side) -> bool:
        failed = any(kind == BackendMessage.ERROR_RESPONSE for kind, _ in self._ask(side, blocks.ROWS))
        assert not failed or side is self._direct
        return not failed

    def play(self, sequence: Script, *, patient: bool = False) -> Outcome:
        """Send a sequence to both sides."""
        proxy, direct = self._proxy_side(), self._direct_side()
        outcome = Outcome()
        self._portals, self._status = set(), messages.IDLE
        changed = [False]
        try:
            self._begin_background(sequence.background)
            for number, step in enumerate(sequence.steps, 1):
                self._step(number, step, sequence, (proxy, direct), outcome, changed, patient=patient)
                if outcome.mismatch or outcome.refused or outcome.lost or not direct.open:
                    break
                if sequence.background == "parked":
                    self._disturb()
        finally:
            proxy.close()
            direct.close()
            self._end_background()
        if changed[0]:
            self._rebuild(drop=True)
        else:
            self.refill()
        return outcome

    def _step(
        self,
        number: int,
        step: Step,
        sequence: Script,
        sides: tuple[Side, Side],
        outcome: Outcome,
        changed: list[bool],
        *,
        patient: bool,
    ) -> None:
        proxy, direct = sides
        status = self._status
        step = _synchronised(step if sequence.as_is else self._sensible(step))
        data = b"".join(message.data for message in step)
        for side in sides:
            side.send(data, bytewise=sequence.bytewise)
        due = sum(message.data[:1] in _ANSWERED for message in step)
        want = direct.read(_ended(due), 0.3 if patient else _QUIET)
        there = len(_shown(want))
        got = proxy.read(lambda frames: len(_shown(frames)) >= there, 2 if want else 0.01)
        changed[0] |= any(
            kind == BackendMessage.COMMAND_COMPLETE and raw[BODY:].startswith(_CHANGED)
            for kind, raw in got + want
        )
        self._status = next(
            (raw[BODY:] for kind, raw in reversed(want) if kind == BackendMessage.READY_FOR_QUERY),
            self._status,
        )
        outcome.steps += 1
        outcome.frames += len(want)
        if any(kind == BackendMessage.ERROR_RESPONSE and _is_refusal(raw) for kind, raw in got):
            outcome.refused = True
            return
        if _loses_portal(sequence, number, got):
            outcome.lost = True
            return
        if any(message.data[:1] == FrontendMessage.TERMINATE for message in step):
            return  # the client has disconnected
        ordered = sequence.background != "parked"
        left, right = (
            _without_dead_portals(_comparable(frames, want, ordered=ordered), status)
            for frames in (got, want)
        )
        if left != right:
            outcome.mismatch = (
                f"step {number}:\n  proxy {_show(left, right)}\n  PostgreSQL {_show(right, left)}"
            )

    def _sensible(self, step: Step) -> Step:
        """Leave out what no driver does, and may be answered otherwise: divergence `errors-of-portals`.

        That is to use a portal without a Bind, to bind a named one twice, and in a transaction that has failed any
        portal, and the unnamed statement, of a step before.
        """
        found: Step = []
        if self._status == messages.FAILED:
            self._portals.clear()
        parsed = self._status != messages.FAILED
        for message in step:
            kind, body = message.data[:1], message.data[BODY:]
            name = body[kind in (FrontendMessage.DESCRIBE, FrontendMessage.CLOSE) :].split(b"\0")[0]
            parsed = parsed or (kind == FrontendMessage.PARSE and not name)
            over = kind == FrontendMessage.EXECUTE and name not in self._portals
            over |= (
                kind == FrontendMessage.DESCRIBE
                and body[:1] == ObjectKind.PORTAL
                and name not in self._portals
                and name != b"missing"
            )
            unnamed = (
                body.split(b"\0")[1:2] == [b""]
                if kind == FrontendMessage.BIND
                else kind == FrontendMessage.DESCRIBE and body == ObjectKind.STATEMENT + b"\0"
            )
            again = kind == FrontendMessage.BIND and name in self._portals - {b""}
            if over or again or (unnamed and not parsed):
                continue
            found.append(message)
            if kind == FrontendMessage.BIND:
                self._portals.add(name)
            elif kind == FrontendMessage.QUERY:
                self._portals.discard(b"")
        return found

    # what others do meanwhile

    def _begin_background(self, background: str) -> None:
        if background == "others open":
            self._ask(self._other, "BEGIN")
            self._ask(self._other, "UPDATE w SET n = n WHERE id < 4")
        elif background == "others alter":
            self._ask(self._other, "BEGIN")
            self._ask(self._other, "CREATE TABLE elsewhere (id int)")

    def _end_background(self) -> None:
        self._ask(self._other, "ROLLBACK")

    def _disturb(self) -> None:
        """Write over everything, and take it back."""
        for sql in ("BEGIN", "UPDATE w SET n = n", "UPDATE k SET n = n", "DELETE FROM child", "ROLLBACK"):
            self._ask(self._other, sql)


def _synchronised(step: Step) -> Step:
    """Return a step with a Sync where extended messages end without one: before that no answer is due."""
    found: Step = []
    open_ = False
    for message in step:
        kind = message.data[:1]
        if open_ and kind == FrontendMessage.TERMINATE:
            found.append(blocks.SYNC)
        open_ = kind in EXTENDED if kind not in COPY else open_
        found.append(message)
    return [*found, blocks.SYNC] if open_ else found


def _ended(due: int) -> Callable[[list[Frame]], bool]:
    return lambda frames: (
        bool(due)
        and frames[-1:] != []
        and frames[-1][0] == BackendMessage.READY_FOR_QUERY
        and _readies(frames) >= due
    )


def _readies(frames: list[Frame]) -> int:
    return sum(kind == BackendMessage.READY_FOR_QUERY for kind, _ in frames)


def _shown(frames: list[Frame]) -> list[Frame]:
    return [frame for frame in frames if frame[0] != BackendMessage.PARAMETER_STATUS]


def _loses_portal(script: Script, number: int, got: list[Frame]) -> bool:
    """Return whether the answer to a step is the conflict of a portal that is not kept."""
    steps = script.steps[:number]
    conflict = any(
        kind == BackendMessage.ERROR_RESPONSE and messages.read_fields(raw)["M"].endswith("(OC000)")
        for kind, raw in got
    )
    texts = b"".join(message.data for step in steps for message in step)
    executes = any(message.data[:1] == FrontendMessage.EXECUTE for message in steps[-1])
    return conflict and executes and (script.loses_portals or any(word in texts for word in _NOT_READ_AHEAD))


def _is_refusal(raw: bytes) -> bool:
    fields = messages.read_fields(raw)
    return any(word in fields["M"] for word in _REFUSED)


def _comparable(frames: list[Frame], like: list[Frame], *, ordered: bool) -> list[Frame]:
    """Leave out what may differ: where errors come from, hints of ours, tables' numbers, the order of parameters."""
    hinted = {
        messages.read_fields(raw).get("M")
        for kind, raw in like
        if kind in (BackendMessage.ERROR_RESPONSE, BackendMessage.NOTICE_RESPONSE) and b"\0H" in raw
    }
    found = sorted(frame for frame in frames if frame[0] == BackendMessage.PARAMETER_STATUS)
    rows: list[Frame] = []
    for kind, raw in frames:
        if kind == BackendMessage.DATA_ROW and not ordered:
            rows.append((kind, raw))
            continue
        found += sorted(rows)
        rows = []
        if kind in (BackendMessage.ERROR_RESPONSE, BackendMessage.NOTICE_RESPONSE):
            fields = messages.read_fields(raw)
            if fields["M"].startswith("skipping cleanup for portal"):
                continue  # PostgreSQL's surprise at a portal of a failed transaction
            kept = {key: value for key, value in fields.items() if key not in "FLR"}
            if "unexpected message type" in fields["M"]:
                kept.pop("W", None)
            if fields.get("M") not in hinted:
                kept.pop("H", None)
            found.append((kind, messages.error(kept)))
        elif kind == BackendMessage.ROW_DESCRIPTION:
            found.append((kind, _without_tables(raw)))
        elif kind != BackendMessage.PARAMETER_STATUS:
            found.append((kind, raw))
    return found + sorted(rows)


def _without_dead_portals(frames: list[Frame], status: bytes) -> list[Frame]:
    """Leave out why a portal of a failed transaction is refused: divergence `errors-of-portals`."""
    found: list[Frame] = []
    for kind, raw in frames:
        if kind == BackendMessage.READY_FOR_QUERY:
            status = raw[BODY:]
        if status == messages.FAILED and kind in _DESCRIPTIONS:
            continue  # what it was, where it still is
        dead = (
            kind == BackendMessage.ERROR_RESPONSE
            and status == messages.FAILED
            and messages.read_fields(raw)["C"] in _OF_PORTALS
        )
        found.append((kind, b"") if dead else (kind, raw))
    return found


def _without_tables(raw: bytes) -> bytes:
    position, parts = BODY + 2, [raw[: BODY + 2]]
    while position < len(raw):
        end = raw.index(b"\0", position) + 1
        table = raw[end : end + 4]
        parts += [raw[position:end], b"\0\0\0\1" if any(table) else table, raw[end + 4 : end + 18]]
        position = end + 18
    return b"".join(parts)


def _show(frames: list[Frame], other: list[Frame]) -> str:
    """Return the kinds of all frames, and the first one in full that the other has not."""
    kinds = b"".join(kind or b"!" for kind, _ in frames).decode()
    for mine, its in zip(frames, [*other, *[_CLOSED] * len(frames)], strict=False):
        if mine != its:
            return f"{kinds[:200]}: {mine[1][:300]!r}"
    return kinds[:200]
