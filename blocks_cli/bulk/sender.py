"""Sends chunks: one transaction each, retried after conflicts and lost replies; bad records are found by halving."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from blocks_cli.bulk import marks
from blocks_cli.bulk.ranges import Ranges
from blocks_cli.bulk.records import halves
from blocks_cli.bulk.rejects import Reject
from blocks_runtime.errors import (
    CommitOutcomeUnknown,
    DatabaseError,
    FeatureNotSupported,
    TransactionRowLimitExceeded,
    TransactionSizeLimitExceeded,
    UniqueConstraintViolation,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from blocks_cli.bulk.records import Chunk
    from blocks_cli.bulk.statements import Numbered, Statements
    from blocks_runtime import Sql
    from blocks_runtime.database.session import Session
    from lambda_migrator.admin import AdminConnection

_OF_THE_DATA = ("22", "23")
"""Classes of SQLSTATE that a single record causes: data exceptions and violated constraints."""

_LIMITS_OF_A_ROW = ("54000",)
"""SQLSTATE of a row, a value or a key that is too large."""
MAX_UNANSWERED = 12
"""Lost replies to one transaction before the load fails."""


@dataclass(slots=True)
class Sent:
    """Result of a chunk."""

    inserted: int = 0
    existing: int = 0
    rejects: list[Reject] = field(default_factory=list)


@dataclass(slots=True)
class Piece:
    """A chunk that is being sent: its file, the statements for it, and the result so far."""

    file: int
    statements: Statements
    sent: Sent = field(default_factory=Sent)

    @property
    def key(self) -> tuple[str, ...] | None:
        """The columns that identify existing rows."""
        return self.statements.key


class _Marked(Exception):
    """Ends a transaction whose first record is in the table already."""


class _RolledBack(Exception):
    """Ends a transaction of a dry run."""

    def __init__(self, inserted: int) -> None:
        super().__init__()
        self.inserted = inserted


class Sender:
    """Sends the chunks of one load through one connection.

    Args:
        admin: the connection.
        load: id of the load, for the marks.
        dry_run: roll every transaction back.
    """

    def __init__(self, admin: AdminConnection, load: str, *, dry_run: bool) -> None:
        self._admin = admin
        self._load = load
        self._dry_run = dry_run
        self._copies = True

    def send(self, chunk: Chunk, statements: Statements) -> Sent:
        """Insert the records of a chunk.

        Raises:
            DatabaseError: the database refuses all rows, or cannot be reached.
        """
        piece = Piece(chunk.file, statements)
        name = statements.source.name
        piece.sent.rejects += [Reject(name, record, record.fault) for record in chunk.faulty]
        self._send(piece, chunk.records)
        piece.sent.rejects.sort(key=lambda each: each.record.line)
        return piece.sent

    def _send(self, piece: Piece, records: Numbered, *, copy: bool = True) -> None:
        """Copy records; or insert them if COPY cannot read them, if one exists already, or if the reply was lost."""
        if not records:
            return
        if copy and self._copies and piece.statements.can_copy(records):
            try:
                piece.sent.inserted += self._copy(piece, records)
                return
            except FeatureNotSupported:
                self._copies = False
            except DatabaseError as error:
                if not (piece.key and isinstance(error, (UniqueConstraintViolation, CommitOutcomeUnknown))):
                    self._halve(piece, records, error, copy=True)
                    return
        good, array, rejects = piece.statements.array(records)
        piece.sent.rejects += rejects
        if not good:
            return
        try:
            inserted = self._insert(piece, good, array)
        except DatabaseError as error:
            self._halve(piece, good, error, copy=False)
            return
        piece.sent.inserted += inserted
        piece.sent.existing += len(good) - inserted

    def _halve(self, piece: Piece, records: Numbered, error: DatabaseError, *, copy: bool) -> None:
        """Send both halves of records that were refused, or reject the only one."""
        if not _is_of_the_data(error):
            raise error
        if len(records) > 1:
            for half in halves(records):
                self._send(piece, half, copy=copy)
            return
        ((_, record),) = records
        piece.sent.rejects.append(
            Reject(piece.statements.source.name, record, _reason(error), error.sqlstate or "")
        )

    def _copy(self, piece: Piece, records: Numbered) -> int:
        statement, body = piece.statements.copy, piece.statements.body(records)
        return self._transaction(
            piece, records, lambda session: session.copy(statement, body), piece.key is None
        )

    def _insert(self, piece: Piece, records: Numbered, array: str) -> int:
        statement = piece.statements.insert(array)
        return self._transaction(piece, records, lambda session: session.run(statement).count, True)

    def _transaction(
        self, piece: Piece, records: Numbered, act: Callable[[Session], int], repeatable: bool
    ) -> int:
        """Run `act` in a transaction, with the mark if the table has no key; return the number of rows inserted.

        If the reply to COMMIT is lost, it is repeated where that inserts nothing twice.
        """
        marked: list[Sql] = []
        if piece.key is None and not self._dry_run:
            # Not of the records between them: a reject has no mark, so that a run after a kill finds it again.
            ranges = Ranges((number, number) for number, _ in records)
            marked = [marks.insert(self._load, piece.file, first, last) for first, last in ranges]

        def run(session: Session) -> int:
            if any(session.run(mark).count == 0 for mark in marked):
                raise _Marked
            inserted = act(session)
            if self._dry_run:
                raise _RolledBack(inserted)
            return inserted

        unanswered = 0
        while True:
            try:
                if not marked and not self._dry_run:  # the statement is the transaction
                    return self._admin.autocommit(act)
                return self._admin.write(run)
            except _RolledBack as done:
                return done.inserted
            except _Marked:
                return self._remainder(piece, records)
            except CommitOutcomeUnknown:
                unanswered += 1
                if not repeatable or unanswered > MAX_UNANSWERED:
                    raise
                self._admin.back_off(unanswered)

    def _remainder(self, piece: Piece, records: Numbered) -> int:
        """Send the records without a mark, and return the number of the others: a lost transaction has committed."""
        there = marks.marked(self._admin, self._load, piece.file)
        self._send(piece, [each for each in records if each[0] not in there])
        return sum(number in there for number, _ in records)


def _is_of_the_data(error: DatabaseError) -> bool:
    if isinstance(error, (TransactionSizeLimitExceeded, TransactionRowLimitExceeded)):
        return True
    state = error.sqlstate or ""
    return state[:2] in _OF_THE_DATA or state in _LIMITS_OF_A_ROW


def _reason(error: DatabaseError) -> str:
    """Return the server's message with its values, which the runtime's error leaves out; the reject file has them."""
    said = getattr(getattr(error.__cause__, "diag", None), "message_primary", None)
    return said if isinstance(said, str) else str(error.args[0]).strip()
