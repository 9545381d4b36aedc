"""AWS's formulas for the cost of a transaction. Source: AWS user guide, "How billing works in Aurora DSQL"."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

WRITE_DPU_PER_BYTE = 0.00004883
READ_DPU_PER_BYTE = 0.00000183105

LEAST_ROW = 128
"""Bytes that a row or an index entry counts at least, when it is written."""

LEAST_READ = 128
"""Bytes that a read from one storage partition counts at least."""

LEAST_WRITE_TRANSACTION = 1_024
LEAST_READ_TRANSACTION = 2_048
"""Bytes that a transaction counts at least, if it writes or reads anything."""


def bytes_written(rows: Iterable[int]) -> int:
    """Return the bytes of a transaction, given the sizes of the rows and index entries that it writes."""
    return sum(max(size, LEAST_ROW) for size in rows)


def write_dpu(written: int) -> float:
    """Return the WriteDPU of a transaction that writes so many bytes, 0 if it writes none."""
    return max(written, LEAST_WRITE_TRANSACTION) * WRITE_DPU_PER_BYTE if written else 0.0


def bytes_read(partitions: Iterable[int]) -> int:
    """Return the bytes of a transaction, given those that it reads from each storage partition."""
    return sum(max(size, LEAST_READ) for size in partitions)


def read_dpu(read: int) -> float:
    """Return the ReadDPU of a transaction that reads so many bytes, 0 if it reads none."""
    return max(read, LEAST_READ_TRANSACTION) * READ_DPU_PER_BYTE if read else 0.0
