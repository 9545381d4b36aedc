"""Writes whose answer never arrives, on each store."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from blocks_runtime.errors import CommitOutcomeUnknown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from blocks_runtime import AtomicTable


@contextlib.contextmanager
def unanswered(table: AtomicTable, *, made: bool = True) -> Iterator[None]:
    """Lose the answer to each atomic write in the block, after all repetitions; `made`: it took effect.

    The store carries the write out as ever. Aurora DSQL's store finds nearly every outcome by itself, so its answer is
    lost here and not on the wire.
    """
    store: Any = table._connected().store
    write = store.write

    def lose(*arguments: Any) -> None:
        if made:
            write(*arguments)
        raise CommitOutcomeUnknown("the answer to a write was lost")

    store.write = lose
    try:
        yield
    finally:
        store.write = write
