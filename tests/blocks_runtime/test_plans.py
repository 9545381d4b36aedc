"""Plans: the grammar of DSQL's plans, and the advice on plans of the local database."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import psycopg
import pytest

from blocks_runtime import DistributedDatabase, sql
from blocks_runtime.database.fragments import Sql
from blocks_runtime.database.plan_advice import advised
from blocks_runtime.database.plan_scans import FULL_SCAN, INDEX_ONLY_SCAN, INDEX_SCAN, scans
from blocks_runtime.database.plans import StatementDpu, plan
from dsql_dialect import parse, profile

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local_dsql import LocalCluster

# The grammar is that of AWS's user guide, "Reading Aurora DSQL EXPLAIN plans" and "Understanding DPUs".
ON_A_CLUSTER = {
    "full scan": """\
Full Scan (btree-table) on public.trips  (cost=1..9 rows=33333 width=16) (actual time=1..2 rows=90 loops=1)
   Filter: (trips.remark ~~ '%late%'::text)
   Rows Removed by Filter: 410
   -> Storage Scan on trips (cost=1..9 rows=66666 width=16) (actual rows=500 loops=1)
        Projections: driver, remark
        Filters: (trips.day > '2026-01-01'::date)
        -> B-Tree Scan on trips (cost=1..9 rows=100000 width=30) (actual rows=7000 loops=1)
Planning Time: 1.5 ms
Execution Time: 10.2 ms
Statement DPU Estimate:
  Compute: 0.01200 DPU
  Read: 0.40300 DPU
  Write: 0.00000 DPU
  Total: 0.41500 DPU""",
    "index scan": """\
Index Scan using trips_driver_idx on public.trips  (cost=1..9 rows=3 width=18) (actual time=1..2 rows=4 loops=1)
   Filter: (trips.fare > '100'::numeric)
   Index Cond: (trips.driver = 7)
   -> Storage Scan on trips_driver_idx (cost=1..9 rows=8 width=16) (actual rows=800 loops=1)
        Projections: fare
        -> B-Tree Scan on trips_driver_idx (cost=1..9 rows=10 width=30) (actual rows=900 loops=1)
            Index Cond: (trips.driver = 7)
   -> Storage Lookup on trips (cost=1..9 rows=4 width=16) (actual rows=4 loops=1)
        Filters: (trips.day > '2026-01-01'::date)
        -> B-Tree Lookup on trips (cost=1..9 rows=8 width=30) (actual rows=800 loops=1)""",
    "index only scan": """\
Index Only Scan using trips_driver_idx on public.trips  (cost=1..9 rows=8 width=18) (actual time=1..2 rows=9 loops=1)
   Index Cond: (trips.driver = 7)
   -> Storage Scan on trips_driver_idx (cost=1..9 rows=9 width=16) (actual rows=9 loops=1)
        Projections: fare
        -> B-Tree Scan on trips_driver_idx (cost=1..9 rows=10 width=30) (actual rows=9 loops=1)
            Index Cond: (trips.driver = 7)""",
    "all of the primary key": """\
Index Only Scan using trips_pkey on public.trips  (cost=1..9 rows=7000 width=36) (actual time=1..2 rows=7000 loops=1)
  Output: id, driver
  -> Storage Scan on trips_pkey (cost=1..9 rows=7000 width=36) (actual rows=7000 loops=1)
      Projections: id, driver
      -> B-Tree Scan on trips_pkey (cost=1..9 rows=7000 width=36) (actual rows=7000 loops=1)""",
}  # fmt: skip
COLUMNS = {"id": "uuid", "driver": "integer", "fare": "numeric", "day": "date", "remark": "text"}
FACTS = [("public.trips", "column", name, kind) for name, kind in COLUMNS.items()]


@pytest.mark.parametrize(
    ("name", "access", "read", "returned", "kinds"),
    [
        ("full scan", FULL_SCAN, 7000, 90, ["full scan"]),
        ("index scan", INDEX_SCAN, 900, 4, ["filter after scan", "no covering index"]),
        ("index only scan", INDEX_ONLY_SCAN, 9, 9, []),
        ("all of the primary key", FULL_SCAN, 7000, 7000, ["full scan"]),
    ],
)
def test_scans_of_a_cluster(name: str, access: str, read: int, returned: int, kinds: list[str]) -> None:
    found = advised(plan(ON_A_CLUSTER[name].splitlines()), FACTS)
    (scan,) = scans(found)
    assert (scan.access, scan.rows_read, scan.rows_returned) == (access, read, returned)
    assert [each.kind for each in found.warnings] == kinds


def test_the_index_for_a_plan_of_a_cluster() -> None:
    found = advised(plan(ON_A_CLUSTER["index scan"].splitlines()), FACTS)
    index = found.warnings[0].index
    assert index is not None
    assert index.startswith("CREATE INDEX ASYNC trips_driver_fare_")
    assert "_idx ON public.trips (driver, fare) INCLUDE (" in index


def test_the_estimate_in_dpu_is_read() -> None:
    found = advised(plan(ON_A_CLUSTER["full scan"].splitlines()), FACTS)
    assert found.dpu == StatementDpu(compute=0.012, read=0.403, write=0.0, total=0.415)
    assert "DPU: 0.41500 (compute 0.01200, read 0.40300, write 0.00000)" in found.tree
    assert not any("DPU" in each for each in found.root.details)
    minimum = ON_A_CLUSTER["full scan"].replace("0.40300 DPU", "0.00307 DPU (Transaction minimum: 0.00375)")
    assert plan(minimum.splitlines()).dpu == StatementDpu(0.012, 0.00307, 0.0, 0.415)


@pytest.fixture(scope="module")
def bank(dsql_cluster: LocalCluster) -> Iterator[DistributedDatabase]:
    """A table with rows of four columns that a query filters by."""
    dsql_cluster.start().reset()
    with psycopg.connect(dsql_cluster.dsn(), autocommit=True) as connection:
        connection.execute(
            "CREATE TABLE accounts (id int, kind varchar(20), region char(2), status varchar(10), created timestamp, "
            'balance numeric(10, 2), tier varchar(50), note text, "Odd ""name" int, doc bytea, '
            "PRIMARY KEY (id, created))"
        )
        for first in (1, 2501):
            connection.execute(
                "INSERT INTO accounts SELECT n, CASE n % 2 WHEN 0 THEN 'savings' ELSE 'checking' END, "
                "(ARRAY['US', 'UK', 'DE', 'FR'])[n / 2 % 4 + 1], CASE WHEN n % 5 = 0 THEN 'closed' ELSE 'open' END, "
                "now() - n % 700 * interval '1 day', n, 'tier_' || n % 10, 'note ' || n, n % 50 "
                f"FROM generate_series({first}, {first + 2499}) AS n"
            )
        connection.execute("ANALYZE accounts")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in dsql_cluster.environment().items():
            patch.setenv(name, value)
        with DistributedDatabase("main") as db:
            yield db


FOUR_COLUMNS = (
    "SELECT tier, note FROM accounts WHERE kind = 'savings' AND region = 'US' AND status = 'open' AND tier = 'tier_2' "
    "AND created <= now() AND created > now() - interval '1 year'"
)
QUERIES = {
    FOUR_COLUMNS: (
        "accounts_kind_region_status_tier_created_note_idx",
        "(kind, region, status, tier, created) INCLUDE (note)",
    ),
    "SELECT id, balance FROM accounts WHERE balance > 4990 ORDER BY balance LIMIT 5": (
        "accounts_balance_id_idx",
        "(balance) INCLUDE (id)",
    ),
    'SELECT note FROM accounts WHERE "Odd ""name" = 7': (
        '"accounts_Odd ""name_note_idx"',
        '("Odd ""name") INCLUDE (note)',
    ),
    "SELECT a.note FROM accounts AS a WHERE a.note = 'it''s AND (so' AND a.balance = 3": (
        "accounts_note_balance_idx",
        "(note, balance)",
    ),
    "SELECT count(*) FROM accounts WHERE status = 'none' AND lower(note) = 'x'": (
        "accounts_status_note_idx",
        "(status) INCLUDE (note)",
    ),
    "SELECT a.note FROM accounts a JOIN accounts b ON b.id = a.id WHERE a.tier = 'tier_3' AND a.balance < 300": (
        "accounts_tier_balance_id_note_idx",
        "(tier, balance) INCLUDE (id, note)",
    ),
}


@pytest.mark.parametrize("query", QUERIES, ids=range(len(QUERIES)))
def test_the_index_helps_and_dsql_accepts_it(
    bank: DistributedDatabase, dsql_cluster: LocalCluster, query: str
) -> None:
    before = bank.explain(Sql((query,)), analyze=True)
    (warning,) = [each for each in before.warnings if each.index and "CREATE" in each.index]
    assert warning.kind == "full scan"
    index = str(warning.index)
    name, columns = QUERIES[query]
    assert index == f"CREATE INDEX ASYNC {name} ON public.accounts {columns}"
    assert not parse(index, profile("2026-09")).findings
    with psycopg.connect(dsql_cluster.dsn(), autocommit=True) as connection:
        (job,) = connection.execute(index).fetchone() or ()
        connection.execute(f"CALL sys.wait_for_job('{job}')")
        connection.execute("ANALYZE accounts")
        after = bank.explain(Sql((query,)), analyze=True)
        connection.execute(f"DROP INDEX {name}")
    assert max(each.rows_read or 0 for each in scans(after) if each.index) * 5 <= 5000


@pytest.mark.parametrize(
    "query",
    [
        "SELECT note FROM accounts WHERE balance > 10",  # nearly all rows
        "SELECT note FROM accounts WHERE doc = '\\x00'",  # no key of bytea
        "SELECT note FROM accounts WHERE kind <> 'x' AND note LIKE '%x%'",
        "SELECT count(*) FROM accounts",
    ],
)
def test_no_index_would_help(bank: DistributedDatabase, query: str) -> None:
    found = bank.explain(Sql((query,)), analyze=True)
    assert [(each.kind, each.index) for each in found.warnings] == [("full scan", None)]


def test_a_long_name_of_an_index_is_cut() -> None:
    """PostgreSQL would cut it, and the migrator would not find the index by its name."""
    long = "ü" * 30
    text = ON_A_CLUSTER["index scan"].replace("trips.fare", f'trips."{long}"')
    found = advised(plan(text.splitlines()), [*FACTS, ("public.trips", "column", long, "numeric")])
    index = f'CREATE INDEX ASYNC "trips_driver_{"ü" * 23}_idx" ON public.trips (driver, "{long}")'
    assert str(found.warnings[0].index).startswith(index)


SMALL = {
    "SELECT * FROM small WHERE code = 'a'": "exists with the key (code), but is not used; the table is small",
    "SELECT * FROM small WHERE id = 1": "exists with the key (id), but is not used; the table is small",
    "SELECT * FROM small WHERE note = 'a'": (
        "CREATE INDEX ASYNC small_note_id_code_idx ON public.small (note) INCLUDE (id, code)"
    ),
    "SELECT * FROM small WHERE code = 'a' AND note = 'a'": (
        "CREATE INDEX ASYNC small_code_note_id_idx ON public.small (code, note)"
    ),
}


def test_an_index_that_exists_is_not_proposed(bank: DistributedDatabase, dsql_cluster: LocalCluster) -> None:
    """PostgreSQL reads all rows of a small table, although an index has the key."""
    with psycopg.connect(dsql_cluster.dsn(), autocommit=True) as connection:
        connection.execute("CREATE TABLE small (id int PRIMARY KEY, code text, note text)")
        (job,) = connection.execute("CREATE UNIQUE INDEX ASYNC ON small (code)").fetchone() or ()
        connection.execute(f"CALL sys.wait_for_job('{job}')")
        connection.execute("INSERT INTO small VALUES (1, 'a', 'a')")
        connection.execute("ANALYZE small")
        try:
            for query, expected in SMALL.items():
                (warning,) = bank.explain(Sql((query,))).warnings
                assert (warning.kind, str(warning.index)[: len(expected)]) == ("full scan", expected), query
        finally:
            connection.execute("DROP TABLE small")


def test_few_rows_are_no_warning(bank: DistributedDatabase) -> None:
    assert bank.explain(sql("SELECT * FROM accounts WHERE id = 7"), analyze=True).warnings == ()
    assert bank.explain(sql("SELECT 1")).warnings == ()


def test_a_sort_on_disk_is_a_warning() -> None:
    text = "Sort  (cost=1..2 rows=9 width=8)\n  Sort Key: n\n  Sort Method: external merge  Disk: 4096kB"
    assert [each.kind for each in advised(plan(text.splitlines()), []).warnings] == ["sort on disk"]


def test_the_tree(bank: DistributedDatabase) -> None:
    found = bank.explain(
        sql("SELECT count(*) FROM accounts a JOIN accounts b USING (id) WHERE a.status = 'closed'"),
        analyze=True,
    )
    tree = re.sub(r"estimated [\d,]*\d", "estimated 9", re.sub(r"[\d.]+ ms", "1 ms", found.tree))
    assert "└─ Full Scan on accounts a   rows: estimated 9, read 5,000, returned 1,000" in tree
    assert "filter: ((a.status)::text = 'closed'::text)" in tree
    assert "warning: full scan: all 5,000 rows of accounts are read to return 1,000" in tree
    assert (
        "  index: CREATE INDEX ASYNC accounts_status_id_idx ON public.accounts (status) INCLUDE (id)" in tree
    )


def test_versions_of_rolled_back_transactions_are_not_rows_read() -> None:
    """A bitmap counts versions; those of a load that was run again are not visible."""
    text = """\
Bitmap Heap Scan on public.accounts  (cost=35.04..379.29 rows=38 width=230) (actual time=0.2..1.0 rows=38 loops=1)
  Filter: (region = 'US'::text)
  Rows Removed by Filter: 2462
  ->  Bitmap Index Scan on accounts_kind  (cost=0.00..35.03 rows=2500 width=0) (actual time=0.2..0.2 rows=3500 loops=1)
        Index Cond: (kind = 'savings'::text)
Execution Time: 1.089 ms"""
    (scan,) = scans(plan(text.splitlines()))
    assert (scan.rows_read, scan.rows_returned) == (2500, 38)
