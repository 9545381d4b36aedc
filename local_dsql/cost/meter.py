"""The meter: what the transactions write, from the write-ahead log, and what scans read, from PostgreSQL's counters."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from local_dsql.cost import formulas
from local_dsql.cost.result import Cost
from local_dsql.cost.row_sizes import written_rows
from local_dsql.cost.tables import read_sizes, read_tables

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from local_dsql.cost.tables import Rows, TableSizes, TableState
    from local_dsql.write_ahead_log.reader import LogReader
    from local_dsql.write_ahead_log.transactions import CommittedTransaction


class CostMeter:
    """Measures one block of time.

    Args:
        rows: runs a query as superuser.
        reader: reader of the log from the begin of the block on, of its own.
        flush: makes the counters current, and returns the position up to which the log is flushed.
        regions: Regions that each write is paid in.
        active: the meters whose blocks have begun and not ended; it enters itself.
    """

    def __init__(
        self,
        rows: Rows,
        reader: LogReader,
        flush: Callable[[], Awaitable[int]],
        regions: int,
        active: set[CostMeter],
    ) -> None:
        self._rows = rows
        self._reader = reader
        self._flush = flush
        self._regions = regions
        self._active = active
        self._before: dict[int, TableState] = {}
        self._seen: dict[int, TableState] = {}
        """Tables by file, also by the files of their large values, as before the last change of the catalog."""

    async def start(self) -> None:
        """Read the counters."""
        await self._flush()
        self._before = await read_tables(self._rows)
        self._note(self._before)
        self._active.add(self)

    async def before_ddl(self) -> None:
        """Note the tables that there are: the statement that follows may drop one, or give it another file."""
        self._note(await read_tables(self._rows))

    def _note(self, tables: dict[int, TableState]) -> None:
        for each in tables.values():
            self._seen |= {file: each for file in (each.file, each.toast_file) if file}

    async def finish(self) -> Cost:
        """Return the cost of what has been committed since `start`.

        Raises:
            LogGap: PostgreSQL has removed log of the block.
        """
        end = await self._flush()
        self._active.discard(self)
        tables = await read_tables(self._rows)
        self._note(tables)
        await asyncio.to_thread(self._reader.advance, end)
        sizes = {each.oid: await read_sizes(self._rows, each) for each in tables.values()}
        cost = Cost(storage_bytes=round(sum(each.stored for each in sizes.values())))
        await asyncio.to_thread(self._add_writes, cost, tables, sizes)
        self._add_reads(cost, tables, sizes)
        self._reader.close()
        return cost

    def close(self) -> None:
        """Forget the block."""
        self._active.discard(self)
        self._reader.close()

    def _add_writes(self, cost: Cost, tables: dict[int, TableState], sizes: dict[int, TableSizes]) -> None:
        dropped = {each.oid: each.sizes_if_dropped for each in self._seen.values() if each.oid not in tables}
        known = sizes | dropped
        for transaction in self._reader.take_committed():
            _add_transaction(cost, _Transaction(self._reader, transaction, self._seen, known), self._regions)

    def _add_reads(self, cost: Cost, tables: dict[int, TableState], sizes: dict[int, TableSizes]) -> None:
        scans = 0
        for oid, now in tables.items():
            before = self._before.get(oid)
            read = now.read - (before.read if before else 0)
            scans += now.scans - (before.scans if before else 0)
            cost.rows_read += read
            cost.bytes_read += round(read * sizes[oid].row)
        of_keys = cost.read_dpu_low  # what unique checks cost at least, transaction by transaction
        scanned = cost.bytes_read * formulas.READ_DPU_PER_BYTE
        least = formulas.read_dpu(cost.bytes_read)
        cost.read_dpu_low = max(of_keys, least)
        most = scans * formulas.LEAST_READ_TRANSACTION * formulas.READ_DPU_PER_BYTE
        cost.read_dpu_high = max(cost.read_dpu_low, of_keys + scanned + (most if cost.rows_read else 0.0))


class _Transaction:
    """Bytes of one committed transaction."""

    def __init__(
        self,
        reader: LogReader,
        transaction: CommittedTransaction,
        files: dict[int, TableState],
        sizes: dict[int, TableSizes],
    ) -> None:
        self.rows = 0
        self.entries = 0
        self.bytes = 0
        self.key_bytes = 0
        for row in written_rows(reader, transaction.operations):
            table = files.get(row.file)
            if table is None:
                continue  # of the catalog
            if row.file == table.file:
                of_table = sizes[table.oid]
                entries = of_table.entries if row.changes_indexes else ()
                self.rows += 1
                self.entries += len(entries)
                self.bytes += formulas.bytes_written([row.size, *map(round, entries)])
                self.key_bytes += round(of_table.key) if row.inserted else 0
            else:
                self.bytes += row.size  # a piece of a long value


def _add_transaction(cost: Cost, transaction: _Transaction, regions: int) -> None:
    if not transaction.bytes:
        return
    cost.transactions += 1
    cost.rows_written += transaction.rows
    cost.index_entries_written += transaction.entries
    cost.bytes_written += transaction.bytes
    cost.write_dpu += formulas.write_dpu(transaction.bytes) * regions
    cost.read_dpu_low += formulas.read_dpu(transaction.key_bytes)
