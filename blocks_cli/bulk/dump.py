"""A dump: pages of a table in key order, written as CSV, JSON lines or Parquet."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from blocks_cli.bulk import csv_format
from blocks_cli.bulk.pages import FIRST, SNAPSHOT_SECONDS, Pages, next_size
from blocks_cli.bulk.progress import Progress
from blocks_cli.errors import CommandError
from blocks_cli.exit_codes import ExitCode
from blocks_runtime.database.row_factories import factory
from blocks_runtime.errors import CommitOutcomeUnknown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from blocks_cli.bulk.csv_format import CsvDialect
    from blocks_cli.bulk.dump_file import DumpFile
    from blocks_cli.bulk.parquet_format import ParquetWriter
    from blocks_cli.bulk.table import Table
    from blocks_runtime.database.session import Session
    from lambda_migrator.admin import AdminConnection

    Row = tuple[str | None, ...]


@dataclass(slots=True)
class Dump:
    """One run of a dump.

    Args:
        table: the table.
        format: `csv`, `jsonl` or `parquet`.
        dialect: of CSV.
        output: the file, open.
        parquet: writes the rows instead, for that format.
    """

    table: Table
    format: str
    dialect: CsvDialect
    output: DumpFile
    parquet: ParquetWriter | None = None
    snapshots: int = 0
    """Transactions that the rows were read in."""
    seconds: float = 0.0
    _size: int = 0
    _rows: int = 0
    _complete: bool = False
    _pages: Pages = field(init=False)

    def __post_init__(self) -> None:
        key = self.table.keys[0] if self.table.keys else ()
        columns = tuple(each for each in self.table.columns if not each.generated)
        self._pages = Pages(self.table, columns, key, self.format == "jsonl")

    @property
    def rows(self) -> int:
        """Rows of this run."""
        return self._rows

    def run(self, admin: AdminConnection) -> None:
        """Write all rows.

        Raises:
            DatabaseError: the database refuses a query, or cannot be reached.
        """
        started = time.monotonic()
        progress = Progress("dump", None)
        if self.format == "csv" and self.output.after is None:
            names = [each.name for each in self._pages.columns]
            self.output.write(csv_format.written(names, self.dialect))
        while not self._complete:
            with contextlib.suppress(CommitOutcomeUnknown):  # of a transaction that has only read
                admin.write(lambda session: self._snapshot(session, progress))
        self.seconds = time.monotonic() - started

    def _snapshot(self, session: Session, progress: Progress) -> None:
        """Write the pages that one transaction has time for."""
        until = time.monotonic() + SNAPSHOT_SECONDS
        before, is_counted = self._rows, False  # a repetition after a lost connection is another transaction
        while True:
            if self._pages.key:
                self._page(session)
            else:
                self._all(session)
            if not is_counted and (self._rows > before or not self.snapshots):
                self.snapshots += 1
                is_counted = True
            progress.show(self._rows, 0)
            if self._complete or time.monotonic() >= until:
                return

    def _page(self, session: Session) -> None:
        wanted = next_size(self._rows, self._size) if self._rows else FIRST
        found = session.run(self._pages.query(self.output.after, wanted), factory(tuple)).all()
        self._write(found)
        self._complete = len(found) < wanted

    def _all(self, session: Session) -> None:
        """Write the rows of a table without a key, in no order; this cannot be continued.

        Raises:
            CommandError: it is called again after some rows were written.
        """
        if self._rows:
            raise CommandError(
                f"table {self.table}: the dump was interrupted",
                "the table has no key, so it is not known which rows are still to come",
                "run the command again, with an empty output",
                ExitCode.MIGRATION_FAILED,
            )
        page: list[Row] = []
        for row in session.stream(self._pages.query(None, None), factory(tuple), None, FIRST):
            page.append(row)
            if len(page) == FIRST:
                self._write(page)
                page = []
        self._write(page)
        self._complete = True

    def _write(self, rows: Sequence[Row]) -> None:
        if not rows:
            return
        keys = len(self._pages.key)
        values = [row[keys:] for row in rows]
        after = tuple(each or "" for each in rows[-1][:keys])
        if self.parquet is not None:
            self.parquet.write(values)
            self.output.after = after
            text = ""
        elif self.format == "jsonl":
            text = "".join(f"{value}\n" for (value,) in values)
        else:
            text = "".join(csv_format.written(row, self.dialect) for row in values)
        self._size += len(text) or sum(len(each or "") for row in values for each in row)
        self._rows += len(rows)
        if self.parquet is None:
            self.output.add(text, len(rows), after)
