"""Which statement a prepared statement's or a portal's name stands for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from local_dsql.proxy.encodings import UTF8
from local_dsql.proxy.parse_cache import Planned, plan
from local_dsql.proxy.portals import Portals
from local_dsql.wire import messages
from local_dsql.wire.frames import BODY

if TYPE_CHECKING:
    from dsql_dialect import Profile


def parses_unnamed(kind: bytes, raw: bytes) -> bool:
    """Tell whether a message is a Parse of the unnamed statement."""
    return kind == b"P" and raw[BODY : BODY + 1] == b"\0"


def refers_to_unnamed(kind: bytes, raw: bytes) -> bool:
    """Tell whether a message is a Bind or a Describe of the unnamed statement."""
    if kind == b"B":
        return not messages.bind_parts(raw)[1]
    return kind == b"D" and messages.target_parts(raw) == (b"S", b"")


class Names:
    """The names of one session.

    What a batch defines counts at once for the rest of the batch (`note`), and for later ones only when PostgreSQL
    has accepted it (`keep_batch`): a name must never stand for a harmless statement here and for another one there.
    """

    __slots__ = (
        "_defined",
        "_parsing",
        "_portals",
        "_profile",
        "_statements",
        "_tentative",
        "codec",
        "portals",
        "unnamed",
    )

    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        self._statements: dict[bytes, Planned] = {}
        self._portals: dict[bytes, Planned] = {}
        self._tentative: dict[bytes, Planned] = {}
        self._defined: list[bytes] = []
        self.portals = Portals()
        self._parsing = b""
        self.codec = UTF8
        """What Python calls the encoding of the client's texts."""
        self.unnamed = b""
        """The last Parse of the unnamed statement, which every simple query makes PostgreSQL forget, ours too."""

    def plan(self, sql: bytes) -> Planned:
        """Return what there is to know of a text."""
        return plan(sql, self._profile, self.codec)

    def prepared(self, name: bytes) -> Planned | None:
        """Return what a name stands for that PostgreSQL has accepted; the unnamed statement has none."""
        return self._statements.get(name) if name else None

    def read_at_once(self, planned: Planned) -> None:
        """Note that a batch binds the unnamed portal and reads it to its end."""
        self._portals[b""] = planned
        self.portals.closed(b"")

    def note(self, kind: bytes, raw: bytes) -> Planned | None:
        """Take note of one extended message; return what it refers to, if it refers to a text.

        An unknown name refers to nothing.

        Raises:
            ValueError: the message is malformed.
        """
        if kind == b"B":
            portal, name = messages.bind_parts(raw)
            bound = self._statement(name)
            if bound is not None and not (
                portal and self.portals.bind_of(portal)
            ):  # else PostgreSQL refuses it
                self._portals[portal] = bound
                self.portals.bound(portal, raw if name else (self._parsing or self.unnamed) + raw)
            return bound
        if kind == b"E":
            return self._portals.get(messages.execute_parts(raw)[0])
        if kind == b"P":
            name, sql = messages.parse_parts(raw)
            planned = self.plan(sql)
            self._defined.append(name)
            if not name:
                self._parsing = raw
            if not name or name not in self._statements:
                self._tentative[name] = planned
            return planned
        if kind in b"DC":
            return self._target(kind, raw)
        return None

    def _target(self, kind: bytes, raw: bytes) -> Planned | None:
        target, name = messages.target_parts(raw)
        table = self._portals if target == b"P" else None
        found = self._portals.get(name) if table is not None else self._statement(name)
        if kind == b"C":
            if table is not None:
                self._portals.pop(name, None)
                self.portals.closed(name)
            else:
                self._tentative.pop(name, None)
                self._statements.pop(name, None)
                if not name:
                    self.unnamed = b""
        return found

    def _statement(self, name: bytes) -> Planned | None:
        found = self._tentative.get(name)
        return self._statements.get(name) if found is None else found

    def keep_batch(self, accepted: int | None = None) -> None:
        """Keep what the batch defined; `accepted` is how many of its Parse succeeded, None: all.

        A Parse that PostgreSQL has not accepted takes the unnamed statement away, if that is what it was to be.
        """
        self.portals.keep_fresh()
        if self._defined:
            for name in self._defined[:accepted]:
                if name in self._tentative:
                    self._statements[name] = self._tentative[name]
                    self.unnamed = self.unnamed if name else self._parsing
            if accepted is not None and b"" in self._defined[accepted:]:
                self.forget_unnamed()
            self._tentative.clear()
            self._defined.clear()
            self._parsing = b""

    def forget_batch(self) -> None:
        """Forget what the batch defined, as if it had not been looked at."""
        self.portals.forget_fresh()
        self._tentative.clear()
        self._defined.clear()
        self._parsing = b""

    def forget_bound(self) -> None:
        """What the batch has bound PostgreSQL has not been told of."""
        for portal in self.portals.fresh:
            self._portals.pop(portal, None)

    def forget_unnamed(self) -> None:
        """A Query has taken the unnamed statement away."""
        if self.unnamed:
            self.unnamed = b""
            self._statements.pop(b"", None)

    def forget_unnamed_portal(self) -> None:
        """A Query has run, in the unnamed portal."""
        if self._portals:
            self._portals.pop(b"", None)
            self.portals.closed(b"")

    def forget_portals(self) -> None:
        """The transaction is over, and its portals with it."""
        if self._portals:
            self._portals.clear()
        self.portals.clear()

    def forget_all(self) -> None:
        """DEALLOCATE ALL: only the unnamed statement stays."""
        for names in (self._statements, self._tentative):
            for name in [name for name in names if name]:
                del names[name]
