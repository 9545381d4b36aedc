"""Cost of a workload, and a budget for it."""

from __future__ import annotations

from dataclasses import dataclass


class BudgetExceeded(AssertionError):
    """A workload costs more than its budget."""


@dataclass(slots=True)
class Cost:
    """Cost of the transactions that were committed in a block, complete at its end.

    ComputeDPU is left out: it is the time that DSQL's query processors take. ReadDPU is between two bounds, since the
    local database knows the rows that were read, but not which transaction has read them.
    """

    write_dpu: float = 0.0
    """WriteDPU, in both Regions if the cluster has two."""
    read_dpu_low: float = 0.0
    read_dpu_high: float = 0.0
    transactions: int = 0
    """Committed transactions that have written."""
    rows_written: int = 0
    index_entries_written: int = 0
    bytes_written: int = 0
    """Bytes as billed, before the minimum of a transaction."""
    rows_read: int = 0
    """Rows and index entries that scans have read, those removed by filters included."""
    bytes_read: int = 0
    storage_bytes: int = 0
    """Size of all tables and indexes at the end of the block."""

    @property
    def dpu_low(self) -> float:
        """WriteDPU and the lower bound of ReadDPU."""
        return self.write_dpu + self.read_dpu_low

    @property
    def dpu_high(self) -> float:
        """WriteDPU and the upper bound of ReadDPU."""
        return self.write_dpu + self.read_dpu_high

    def check(self, budget: float) -> None:
        """Compare the cost with a budget in DPU.

        Raises:
            BudgetExceeded: `dpu_high` is more.
        """
        if self.dpu_high > budget:
            raise BudgetExceeded(f"{self}, more than the budget of {budget} DPU")

    def __str__(self) -> str:
        return (
            f"{self.dpu_low:.5f} to {self.dpu_high:.5f} DPU: {self.write_dpu:.5f} for {self.rows_written:,} rows and "
            f"{self.index_entries_written:,} index entries written in {self.transactions:,} transactions, "
            f"{self.read_dpu_low:.5f} to {self.read_dpu_high:.5f} for {self.rows_read:,} rows read"
        )
