"""Every scenario of two and more sessions."""

from __future__ import annotations

from tests.local_dsql.proxy.cases_catalog import CATALOG, LIMITS, READS
from tests.local_dsql.proxy.cases_locks import LOCKS
from tests.local_dsql.proxy.cases_references import KEYS
from tests.local_dsql.proxy.cases_writes import WRITES

ALL = [*WRITES, *READS, *LOCKS, *KEYS, *CATALOG, *LIMITS]
