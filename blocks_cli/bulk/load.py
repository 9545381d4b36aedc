"""A load: chunks of files, sent by several connections, each recorded in the journal once it is committed."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from blocks_cli.bulk import marks
from blocks_cli.bulk.journal import Entry, Journal
from blocks_cli.bulk.progress import Progress
from blocks_cli.bulk.ranges import Ranges
from blocks_cli.bulk.records import ROWS, Chunk, cut
from blocks_cli.bulk.sender import Sender, Sent
from blocks_cli.errors import CommandError
from blocks_cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from blocks_cli.bulk.rejects import RejectFile
    from blocks_cli.bulk.statements import Statements
    from lambda_migrator.admin import AdminConnection


@dataclass(slots=True)
class Totals:
    """Result of a load: `resumed` rows were done by earlier runs, `rejected_before` of them were rejected; the other
    numbers are of this run."""

    resumed: int = 0
    rejected_before: int = 0
    inserted: int = 0
    existing: int = 0
    rejected: int = 0
    seconds: float = 0.0

    @property
    def rows(self) -> int:
        """Records of this run."""
        return self.inserted + self.existing + self.rejected

    @property
    def all_rejected(self) -> int:
        """Records that the reject file has, of all runs of the load."""
        return self.rejected_before + self.rejected


class Load:
    """One run of a load.

    Args:
        files: the statements for each file.
        journal: what is done already, open.
        rejects: the reject file.
        connect: returns a new connection, to be opened by a worker.
        dry_run: roll every transaction back.
        max_rejects: rejects after which the load stops; None: no limit.
        rows: rows of a transaction, at most.
    """

    def __init__(
        self,
        files: list[Statements],
        journal: Journal,
        rejects: RejectFile,
        connect: Callable[[], AdminConnection],
        *,
        dry_run: bool,
        max_rejects: int | None,
        rows: int = ROWS,
    ) -> None:
        self._files = files
        self._journal = journal
        self._rejects = rejects
        self._connect = connect
        self._dry_run = dry_run
        self._max_rejects = max_rejects
        self._rows = rows
        self._reading = threading.Lock()
        self._recording = threading.Lock()
        self._stopped = threading.Event()
        self._failure: BaseException | None = None
        self.totals = Totals()

    def run(self, parallel: int) -> Totals:
        """Send all chunks that are not done, with `parallel` connections.

        Raises:
            KeyboardInterrupt: after the chunks that were being sent are committed and recorded.
            DatabaseError: the database refuses all rows, or cannot be reached.
            CommandError: there are too many rejects.
        """
        started = time.monotonic()
        with self._connect().open() as admin:
            done = self._done(admin)
            self.totals.resumed = sum(map(len, done))
            self.totals.rejected_before = sum(each.rejected for each in self._journal.entries)
            total, before = self._sizes()
            self._progress = Progress("load", total, before)
            self._position = before
            self._chunks = self._cut(done)
            try:
                self._work_in_threads(parallel)
            finally:
                self.totals.seconds = time.monotonic() - started
            if self._failure is not None:
                raise self._failure
            if not self._keyed and not self._dry_run:
                marks.remove(admin, self._journal.load)
        return self.totals

    @property
    def _keyed(self) -> bool:
        return self._files[0].key is not None

    def _done(self, admin: AdminConnection) -> list[Ranges]:
        """Return the records of each file that are done, according to the journal and the marks."""
        done = [self._journal.done(number) for number in range(len(self._files))]
        if self._keyed or self._dry_run:
            return done
        marks.create(admin)
        if not self._journal.is_resumed:
            return done
        return [
            Ranges([*ranges, *marks.marked(admin, self._journal.load, number)])
            for number, ranges in enumerate(done)
        ]

    def _sizes(self) -> tuple[int | None, int]:
        """Return the size of all files, and of the part that is done."""
        sizes = [file.source.size for file in self._files]
        before = sum(each.end - each.begin for each in self._journal.entries)
        return (None if None in sizes else sum(filter(None, sizes))), before

    def _cut(self, done: list[Ranges]) -> Iterator[Chunk]:
        for number, (file, ranges) in enumerate(zip(self._files, done, strict=True)):
            entry = self._journal.last(number, ranges.prefix - 1)
            if entry is None:  # the end of the prefix is known by a mark only: read it again
                yield from cut(number, file.source.records(), 0, 0, ranges, self._rows)
            else:
                records = file.source.records(ranges.prefix, entry.end, entry.line)
                yield from cut(number, records, ranges.prefix, entry.end, ranges, self._rows)
            file.source.close()

    def _work_in_threads(self, parallel: int) -> None:
        threads = [threading.Thread(target=self._work, daemon=True) for _ in range(parallel)]
        for each in threads:
            each.start()
        try:
            for each in threads:
                while each.is_alive():
                    each.join(0.5)
        finally:
            self._stopped.set()
            for each in threads:
                each.join()

    def _work(self) -> None:
        try:
            with self._connect().open() as admin:
                sender = Sender(admin, self._journal.load, dry_run=self._dry_run)
                while (chunk := self._next()) is not None:
                    self._record(chunk, sender.send(chunk, self._files[chunk.file]))
        except BaseException as error:
            self._failure = self._failure or error
            self._stopped.set()

    def _next(self) -> Chunk | None:
        with self._reading:
            return None if self._stopped.is_set() else next(self._chunks, None)

    def _record(self, chunk: Chunk, sent: Sent) -> None:
        with self._recording:
            self._rejects.write(sent.rejects)
            totals = self.totals
            totals.inserted += sent.inserted
            totals.existing += sent.existing
            totals.rejected += len(sent.rejects)
            entry = Entry(
                *(chunk.file, chunk.first, chunk.last, chunk.after, chunk.begin, chunk.end),
                *(sent.inserted, sent.existing, len(sent.rejects), self._rejects.state),
            )
            self._position += chunk.end - chunk.begin
            self._journal.add(entry)
            self._progress.show(totals.rows, self._position)
            if self._max_rejects is not None and totals.rejected > self._max_rejects:
                raise too_many(self._rejects, self._max_rejects)


def too_many(rejects: RejectFile, limit: int) -> CommandError:
    """Return the error for more rejects than `--max-rejects`."""
    return CommandError(
        f"more than {limit:,} records were rejected",
        "so many records of another shape usually are a wrong column, delimiter or table",
        f"see the reasons in {rejects.path}; --max-rejects allows more, and the load continues where it stopped",
        ExitCode.MIGRATION_FAILED,
    )
