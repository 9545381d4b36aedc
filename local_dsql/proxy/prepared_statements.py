"""Names of prepared statements and portals, and the texts that they refer to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from local_dsql.proxy.encodings import UTF8
from local_dsql.proxy.parse_cache import ParsedQuery, parsed, parser
from local_dsql.proxy.portals import Portals
from local_dsql.wire import messages
from local_dsql.wire.frames import BODY
from local_dsql.wire.message_types import FrontendMessage, ObjectKind

if TYPE_CHECKING:
    from dsql_dialect import Profile
    from local_dsql.parsing.long_texts import LongTexts


def parses_unnamed(kind: bytes, raw: bytes) -> bool:
    """Return whether a message is a Parse of the unnamed statement."""
    return kind == FrontendMessage.PARSE and raw[BODY : BODY + 1] == b"\0"


def refers_to_unnamed(kind: bytes, raw: bytes) -> bool:
    """Return whether a message is a Bind or a Describe of the unnamed statement."""
    if kind == FrontendMessage.BIND:
        return not messages.bind_parts(raw)[1]
    return kind == FrontendMessage.DESCRIBE and messages.target_parts(raw) == (ObjectKind.STATEMENT, b"")


class PreparedStatements:
    """The prepared statements and portals of one session.

    A name must never refer to a plain read here and to another statement in PostgreSQL. So a definition is valid at
    once only for the rest of its batch (`register`), and for later batches after PostgreSQL has accepted it
    (`keep_batch`). `forget_batch` drops the definitions of a batch that was not sent.
    """

    __slots__ = (
        "_ahead",
        "_codec",
        "_defined",
        "_parse_text",
        "_parses",
        "_parsing",
        "_portals",
        "_profile",
        "_statements",
        "_tentative",
        "portals",
        "unnamed",
    )

    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        self._statements: dict[bytes, ParsedQuery] = {}
        self._portals: dict[bytes, ParsedQuery] = {}
        self._tentative: dict[bytes, ParsedQuery] = {}
        self._parses: dict[bytes, bytes] = {}
        self._defined: list[bytes] = []
        self._ahead: dict[bytes, ParsedQuery] = {}
        self.portals = Portals()
        self._parsing = b""
        self.codec = UTF8
        self.unnamed = b""
        """The last Parse of the unnamed statement. PostgreSQL drops it at every Query, also at those of the proxy."""

    @property
    def codec(self) -> str:
        """Python's name of the encoding of the client's texts."""
        return self._codec

    @codec.setter
    def codec(self, codec: str) -> None:
        self._codec = codec
        self._parse_text = parser(self._profile, codec)

    def parse(self, sql: bytes) -> ParsedQuery:
        """Parse a text in the client's encoding."""
        return (self._ahead and self._ahead.get(sql)) or self._parse_text(sql)

    async def parse_ahead(self, sql: bytes, long_texts: LongTexts) -> None:
        """Parse a long text in another process for `parse`, which then has it until `forget_ahead`.

        Raises:
            TooComplex: it cannot be parsed.
        """
        script = await long_texts.parse(sql.decode(self.codec, "surrogateescape"), self._profile)
        self._ahead[sql] = parsed(script)

    def forget_ahead(self) -> None:
        """Forget the long texts: their batch has been processed."""
        self._ahead.clear()

    def for_backend(self, raw: bytes) -> bytes:
        """Return a Parse as PostgreSQL is to receive it; a malformed one as it is."""
        try:
            name, sql = messages.parse_parts(raw)
        except ValueError:
            return raw
        query = self.parse(sql)
        if query.only is None or query.handled_locally or query.only.backend_sql == query.only.text:
            return raw
        text = query.for_backend(sql.decode(self.codec, "surrogateescape")).encode(
            self.codec, "surrogateescape"
        )
        types = raw[BODY:].split(b"\0", 2)[2][2:]
        return messages.parse(text, name, types)

    def accepted(self, name: bytes) -> ParsedQuery | None:
        """Return the prepared statement of a name that PostgreSQL has accepted; None for the unnamed statement."""
        return self._statements.get(name) if name else None

    def parse_of(self, name: bytes) -> bytes:
        """Return the Parse of a prepared statement, empty if there is no such statement."""
        return self._parses.get(name, b"")

    def register_read(self, query: ParsedQuery) -> None:
        """Register a batch that binds the unnamed portal and reads it to its end."""
        self._portals[b""] = query
        self.portals.closed(b"")

    def register(self, kind: bytes, raw: bytes) -> ParsedQuery | None:
        """Register one extended message; return the text that it refers to, None if its name is unknown.

        Raises:
            ValueError: the message is malformed.
        """
        if kind == FrontendMessage.BIND:
            portal, name = messages.bind_parts(raw)
            bound = self._statement(name)
            taken = portal and self.portals.bind_of(portal)  # then PostgreSQL refuses it
            if bound is not None and not taken:
                self._portals[portal] = bound
                self.portals.bound(portal, raw if name else (self._parsing or self.unnamed) + raw, bound.only)
            return bound
        if kind == FrontendMessage.EXECUTE:
            return self._portals.get(messages.execute_parts(raw)[0])
        if kind == FrontendMessage.PARSE:
            name, sql = messages.parse_parts(raw)
            query = self.parse(sql)
            self._defined.append(name)
            if not name:
                self._parsing = raw
            if not name or name not in self._statements:
                self._tentative[name] = query
                self._parses[name] = raw
            return query
        if kind in (FrontendMessage.DESCRIBE, FrontendMessage.CLOSE):
            return self._target(kind, raw)
        return None

    def _target(self, kind: bytes, raw: bytes) -> ParsedQuery | None:
        target, name = messages.target_parts(raw)
        if target == ObjectKind.PORTAL:
            found = self._portals.get(name)
            if kind == FrontendMessage.CLOSE:
                self._close_portal(name)
            return found
        found = self._statement(name)
        if kind == FrontendMessage.CLOSE:
            self._tentative.pop(name, None)
            self._statements.pop(name, None)
            self._parses.pop(name, None)
            if not name:
                self.unnamed = b""
        return found

    def _close_portal(self, name: bytes) -> None:
        self._portals.pop(name, None)
        self.portals.closed(name)

    def _statement(self, name: bytes) -> ParsedQuery | None:
        found = self._tentative.get(name)
        return self._statements.get(name) if found is None else found

    def keep_batch(self, accepted: int | None = None) -> None:
        """Keep the definitions of the batch; `accepted` is how many of its Parse succeeded, None: all.

        A Parse of the unnamed statement drops it even if PostgreSQL refuses it.
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
        """Forget the definitions of the batch, as if none had been registered."""
        self.portals.forget_fresh()
        self._tentative.clear()
        self._defined.clear()
        self._parsing = b""

    def forget_bound(self) -> None:
        """Forget the portals that the batch has bound: PostgreSQL has not received their Bind."""
        for portal in self.portals.fresh:
            self._portals.pop(portal, None)

    def forget_unnamed(self) -> None:
        """Forget the unnamed statement, as PostgreSQL does at a Query."""
        if self.unnamed:
            self.unnamed = b""
            self._statements.pop(b"", None)

    def forget_by_query(self, query: ParsedQuery) -> None:
        """Forget what a Query drops: the unnamed statement, and the unnamed portal unless its text is empty."""
        self.forget_unnamed()
        if query.statements:
            self.forget_unnamed_portal()

    def forget_unnamed_portal(self) -> None:
        """Forget the unnamed portal, which a Query has replaced."""
        if self._portals:
            self._close_portal(b"")

    def forget_portals(self) -> None:
        """Forget all portals: the transaction has ended."""
        if self._portals:
            self._portals.clear()
        self.portals.clear()

    def forget_all(self) -> None:
        """Forget all prepared statements but the unnamed one, as DEALLOCATE ALL does."""
        for name in [name for name in self._parses if name]:
            self._statements.pop(name, None)
            self._tentative.pop(name, None)
            del self._parses[name]
