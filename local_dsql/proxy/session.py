"""State of one logged-in client."""

from __future__ import annotations

from typing import TYPE_CHECKING

from local_dsql.proxy.encodings import codec
from local_dsql.wire import messages

if TYPE_CHECKING:
    from local_dsql.engine.session import EngineSession
    from local_dsql.engine.transaction import Transaction
    from local_dsql.proxy.connection import ClientConnection
    from local_dsql.proxy.prepared_statements import PreparedStatements
    from local_dsql.wire.messages import ServerMessage


class ClientSession:
    """A client connection, its session in the engine with its backend and transaction, and its prepared statements."""

    def __init__(
        self, client: ClientConnection, engine: EngineSession, statements: PreparedStatements
    ) -> None:
        self.client = client
        self.engine = engine
        self.backend = engine.backend
        self.statements = statements
        self._reported: dict[str, str] = {}

    @property
    def transaction(self) -> Transaction | None:
        """The open transaction, None outside of one."""
        return self.engine.transaction

    @property
    def status(self) -> bytes:
        """The transaction status for ReadyForQuery."""
        transaction = self.transaction
        if transaction is None or transaction.implicit:
            return messages.IDLE
        return messages.FAILED if transaction.failed else messages.IN_TRANSACTION

    def fail(self) -> bool:
        """Mark the transaction, if any, as failed: only ROLLBACK is left. Return False."""
        if self.transaction is not None:
            self.transaction.failed = True
        return False

    def refuse(self, message: ServerMessage) -> bool:
        """Send an error of the proxy; like any error it fails the transaction. Return False."""
        self.client.send(message.encode())
        return self.fail()

    # parameters

    def start(self) -> None:
        """Record the parameters that the client received at login."""
        self._reported |= self.backend.parameters
        self.update_encoding()
        self.backend.parameters.clear()

    def parameter_changes(self) -> bytes:
        """Return the parameters that changed since the last report; PostgreSQL sends them before ReadyForQuery, too.

        They include what ROLLBACK and COMMIT reset, but not what suspending a transaction resets: resuming sets that
        again.
        """
        reported = self.backend.parameters
        if not reported:
            return b""
        self.update_encoding()
        changed = reported.items() - self._reported.items()
        if changed and self.transaction is not None:
            self.transaction.reports_settings = True
        self._reported |= reported
        reported.clear()
        return b"".join(messages.parameter_status(name, value) for name, value in changed)

    def update_encoding(self) -> None:
        """Decode the client's texts from now on with the client_encoding that PostgreSQL reported last."""
        if (encoding := self.backend.parameters.get("client_encoding")) is not None:
            self.statements.codec = codec(encoding)
