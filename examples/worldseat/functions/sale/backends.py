"""The back ends by name, in the order of the page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blocks_runtime import AtomicTable

from .dsql import Dsql
from .seats import READ_DEADLINE
from .tables import TableSale

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .seats import Backend

_atomic = AtomicTable("seats", request_deadline=READ_DEADLINE)
_replicated = AtomicTable("replicated", request_deadline=READ_DEADLINE)

BACKENDS: Mapping[str, Backend] = {
    "dsql": Dsql(),
    "atomic": TableSale(_atomic, prefix="sale", in_transaction=True),
    "replicated": TableSale(_replicated, prefix="plain", in_transaction=False),
    "replicated-atomic": TableSale(_replicated, prefix="atomic", in_transaction=True),
}
"""`replicated` and `replicated-atomic` write into the replica of their own Region; `atomic` always into one Region."""
