"""Fill a table, query it with an index that helps little, create better ones, and query it again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TypedDict

from blocks_runtime import DistributedDatabase, sql

if TYPE_CHECKING:
    from collections.abc import Iterator

    from blocks_runtime import PlanNode, Sql

db = DistributedDatabase("main")

ROWS = 5_000
TIERS = 10
TYPES = ("savings", "checking")
REGIONS = ("US", "UK", "DE", "FR")
STATUSES = ("active", "active", "active", "inactive")

INDEXES = (
    "CREATE INDEX ASYNC idx_accounts7_metadata ON accounts7 (metadata_key, account_type)",
    "CREATE INDEX ASYNC idx_accounts7_covering ON accounts7 (metadata_key, account_type) "
    "INCLUDE (region_code, status, created_at, metadata_value)",
)


class QueriesEvent(TypedDict, total=False):
    operation: str
    """`setup`, `query`, `optimize` or `query_optimized`."""
    metadata_key: str
    account_type: str
    region_code: str
    status: str
    rows: int
    """Rows of `setup` (default: 5,000)."""


@dataclass(frozen=True)
class Account:
    id: int
    account_type: str
    region_code: str
    status: str
    created_at: datetime
    balance: str
    metadata_key: str
    metadata_value: str


def handler(event: QueriesEvent, context: object) -> dict[str, Any]:
    operations = {"setup": setup, "query": query, "optimize": optimize, "query_optimized": query}
    return operations[event["operation"]](event)


def setup(event: QueriesEvent) -> dict[str, Any]:
    """Drop the indexes of `optimize`, and fill the table; accounts that exist are left unchanged."""
    for statement in INDEXES:
        db.execute(sql("DROP INDEX IF EXISTS {index:i}", index=statement.split()[3]))
    report = db.load("accounts7", accounts(event.get("rows", ROWS)), key=("id", "created_at"))
    db.execute(sql("ANALYZE accounts7"))
    return {"rows": report.rows, "inserted": report.inserted}


def accounts(rows: int) -> Iterator[Account]:
    """Yield accounts, of which every fifth is older than a year. The same number gives the same account each day."""
    today = datetime.combine(datetime.now().date(), datetime.min.time())
    for number in range(rows):
        tier = number % TIERS + 1
        yield Account(
            id=number,
            account_type=TYPES[number // TIERS % len(TYPES)],
            region_code=REGIONS[number // (TIERS * 2) % len(REGIONS)],
            status=STATUSES[number // (TIERS * 8) % len(STATUSES)],
            created_at=today - timedelta(days=number % 455),
            balance=f"{number % 10_000}.50",
            metadata_key=f"account_tier_{tier}",
            metadata_value=f"value {number}: " + "x" * 200,
        )


def optimize(event: QueriesEvent) -> dict[str, Any]:
    """Create the composite index and the covering one, and wait until both are built."""
    for statement in INDEXES:
        job = db.query_value(sql(statement), str)
        db.execute(sql("CALL sys.wait_for_job({job})", job=job))
    db.execute(sql("ANALYZE accounts7"))
    return {"indexes": [statement.split()[3] for statement in INDEXES]}


def query(event: QueriesEvent) -> dict[str, Any]:
    """Run the query, and return its plan with times and rows."""
    statement = selection(event)
    rows = db.query(statement)
    plan = db.explain(statement, analyze=True)
    return {
        "rows_returned": len(rows),
        "rows_scanned": rows_scanned(plan.root),
        "execution_time": milliseconds(plan.summary),
        "scan": plan.root.label,
        "plan": plan.tree,
        "index_only": "Index Only Scan" in plan.tree,
    }


def selection(event: QueriesEvent) -> Sql:
    return sql(
        "SELECT metadata_key, metadata_value FROM accounts7 "
        "WHERE account_type = {account_type} AND region_code = {region_code} AND status = {status} "
        "AND metadata_key = {metadata_key} "
        "AND created_at <= CURRENT_TIMESTAMP AND created_at > CURRENT_TIMESTAMP - INTERVAL '1 year'",
        account_type=event["account_type"],
        region_code=event["region_code"],
        status=event["status"],
        metadata_key=event["metadata_key"],
    )


def rows_scanned(root: PlanNode) -> int:
    """Return the rows that the scan of a plan has read: those returned, and those removed by a filter."""
    read = 0
    for node in root.walk():
        if node.label.startswith(
            "Bitmap Index Scan"
        ):  # counts versions of rows, also those that were rolled back
            continue
        removed = sum(
            int(float(node.detail(name) or 0))
            for name in ("Rows Removed by Filter", "Rows Removed by Index Recheck")
        )
        read = max(read, int((node.rows or 0) * (node.loops or 1)) + removed)
    return read


def milliseconds(summary: tuple[str, ...]) -> float:
    """Return the execution time of a plan."""
    lines = [line for line in summary if line.startswith("Execution Time:")]
    return float(lines[0].split()[2])
