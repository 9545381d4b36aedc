"""Recognize batches of plain reads that can be relayed as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from local_dsql.proxy.message_group import is_in_order
from local_dsql.proxy.prepared_statements import parses_unnamed, refers_to_unnamed
from local_dsql.wire import messages
from local_dsql.wire.frames import BODY
from local_dsql.wire.message_types import FrontendMessage

if TYPE_CHECKING:
    from local_dsql.engine.table_catalog import TableCatalog
    from local_dsql.proxy.parse_cache import ParsedQuery
    from local_dsql.proxy.session import ClientSession
    from local_dsql.wire.frames import Frame

_NEEDS_NAME = (FrontendMessage.BIND, FrontendMessage.EXECUTE, FrontendMessage.DESCRIBE)
"""Messages that fail if the name in them is unknown."""


class Skipping(Protocol):
    """The protocol handler, which ignores extended messages after an error."""

    skipping: bool


class PlainReads:
    """The plain reads of one session, in the present state of its transaction and of the catalog."""

    def __init__(self, session: ClientSession, catalog: TableCatalog, protocol: Skipping) -> None:
        self._session = session
        self._engine = session.engine
        self._statements = session.statements
        self._portals = session.statements.portals
        self._catalog = catalog
        self._protocol = protocol

    def _are_relayed(self) -> bool:
        """Return whether the state of the session allows to relay plain reads."""
        if self._protocol.skipping or self._portals.lost:
            return False
        transaction = self._engine.transaction
        return transaction is None or (
            transaction.catalog_version == self._catalog.version
            and transaction.is_active
            and not (transaction.implicit or transaction.replay or transaction.reports_settings)
        )

    def can_relay(self, query: ParsedQuery) -> bool:
        """Return whether a text can be relayed: a Query, or an execution of a prepared statement."""
        if self._engine.transaction is not None:
            return self._is_plain(query) and self._are_relayed()
        # as `_is_plain` and `_are_relayed`, with fewer calls: most statements of an application are just this
        catalog = self._catalog
        known = catalog.reads_are_known_not_to_write or catalog.read_is_known_not_to_write(query.only)
        return query.plain and known and not (self._protocol.skipping or self._portals.lost)

    def register(self, batch: list[Frame]) -> bool:
        """Return whether a batch can be relayed. If so, its messages are registered; if not, none is."""
        if not self._are_relayed():
            return False
        kind, raw = batch[0]
        if kind == FrontendMessage.QUERY:
            return len(batch) == 1 and self._register_query(raw)
        if batch[-1][0] != FrontendMessage.SYNC or not is_in_order(batch):
            return False
        try:
            plain = self._register(batch)
        except ValueError:  # a malformed message
            plain = False
        if not plain:
            self._statements.forget_batch()
        return plain

    def _is_plain(self, query: ParsedQuery) -> bool:
        in_transaction = self._engine.transaction is not None
        return (
            query.plain
            and not (in_transaction and query.outside_transaction)
            and self._catalog.read_is_known_not_to_write(query.only)
        )

    def _register_query(self, raw: bytes) -> bool:
        query = self._statements.parse(raw[BODY:-1])
        if raw[-1:] != b"\0" or not self._is_plain(query):
            return False
        self._statements.forget_by_query(query)
        return True

    def _register(self, batch: list[Frame]) -> bool:
        """Register the messages of a batch; return whether all of them belong to plain reads.

        Raises:
            ValueError: a message is malformed.
        """
        parsed = False
        for kind, raw in batch:
            if kind == FrontendMessage.PARSE:
                parsed = parses_unnamed(kind, raw)
            elif not parsed and refers_to_unnamed(kind, raw):
                return False  # PostgreSQL may have dropped the unnamed statement of an earlier batch
            query = self._statements.register(kind, raw)
            if query is None:
                if kind in _NEEDS_NAME:
                    return False
            elif not self._is_plain(query):
                return False
            if kind == FrontendMessage.EXECUTE:
                self._portals.executed(*messages.execute_parts(raw))
        return True
