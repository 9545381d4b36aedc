"""Group the messages of an extended query batch by the statement that they execute."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from local_dsql.proxy.prepared_statements import parses_unnamed, refers_to_unnamed
from local_dsql.wire.message_types import COPY, FrontendMessage

if TYPE_CHECKING:
    from local_dsql.proxy.parse_cache import ParsedQuery
    from local_dsql.wire.frames import Frame

_M = FrontendMessage
_ONE_STATEMENT = _M.CLOSE + b"*" + _M.PARSE + b"?[" + _M.BIND + _M.DESCRIBE + b"]*" + _M.EXECUTE + b"?"
_IN_ORDER = re.compile(_ONE_STATEMENT + _M.SYNC).fullmatch
_ONE_GROUP = re.compile(_ONE_STATEMENT + b"[" + _M.CLOSE + b"".join(sorted(COPY)) + b"]*" + _M.SYNC).fullmatch


def is_in_order(batch: list[Frame]) -> bool:
    """Return whether the number of ParseComplete in PostgreSQL's response shows how many messages it has processed."""
    return _IN_ORDER(b"".join([kind for kind, _ in batch])) is not None


def is_several(batch: list[Frame]) -> bool:
    """Return whether the implicit transaction of a batch consists of more than one Execute."""
    return _ONE_GROUP(b"".join([kind for kind, _ in batch])) is None


@dataclass(slots=True)
class MessageGroup:
    """Messages that are sent to PostgreSQL together, or, if `local`, answered by the proxy."""

    frames: list[Frame] = field(default_factory=list)
    query: ParsedQuery | None = None
    local: bool = False
    binds: bool = False
    borrows: bool = False
    """It refers to the unnamed statement without a Parse of it."""

    @property
    def only_closes(self) -> bool:
        """True if no message in it can fail."""
        return all(kind == FrontendMessage.CLOSE for kind, _ in self.frames)

    @property
    def takes_rows(self) -> bool:
        """True if it executes a COPY FROM STDIN."""
        only = self.query.only if self.query is not None else None
        return only is not None and only.takes_rows

    def add(self, kind: bytes, raw: bytes, query: ParsedQuery | None, *, local: bool) -> None:
        """Add a message, which refers to the text `query`."""
        self.frames.append((kind, raw))
        self.local = local
        self.query = self.query if query is None else query
        self.binds = self.binds or kind in (FrontendMessage.BIND, FrontendMessage.EXECUTE)
        if refers_to_unnamed(kind, raw):
            self.borrows |= not any(parses_unnamed(*each) for each in self.frames)
