"""Conversion of values: rows of many types as dictionaries and as classes, ours and psycopg's."""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING
from uuid import UUID

from psycopg.rows import class_row, dict_row

from benchmarks.harness import Measured, compare, costs
from blocks_runtime import DistributedDatabase, sql

if TYPE_CHECKING:
    from benchmarks.runtime.benchmark_database import BenchmarkDatabase

ROWS = 1_000
COLUMNS = """gen_random_uuid() AS id, n, n * 1.25 AS amount, n % 2 = 0 AS open, 'owner ' || n AS owner,
 now() + n * interval '1 second' AS at, current_date + n AS day, ARRAY[n, n + 1] AS pair"""


@dataclass
class Row:
    """One row; the runtime reads the types of its columns from the annotations."""

    id: UUID
    n: int
    amount: Decimal
    open: bool
    owner: str
    at: datetime
    day: date
    pair: list[int]


def conversion(database: "BenchmarkDatabase") -> list[Measured]:
    """Return the time of rows as dictionaries and as instances of a class."""
    text = f"SELECT {COLUMNS} FROM generate_series(1, {ROWS}) AS n"
    # The text is a constant of this module.
    statement, raw_text = sql(text), text.encode()
    found = []
    with DistributedDatabase("main") as db, database.connect(autocommit=True) as raw:
        dicts = compare(
            {
                "ours": lambda: db.query(statement),
                "psycopg": lambda: (
                    raw.cursor(row_factory=dict_row).execute(raw_text, prepare=True).fetchall()
                ),
            }
        )
        found += costs(f"{ROWS:,} rows of 8 types, dictionaries", dicts, ours="ours", bars={"psycopg": None})
        objects = compare(
            {
                "ours": lambda: db.query(statement, Row),
                "psycopg": lambda: (
                    raw.cursor(row_factory=class_row(Row)).execute(raw_text, prepare=True).fetchall()
                ),
            }
        )
        found += costs(f"{ROWS:,} rows of 8 types, a class", objects, ours="ours", bars={"psycopg": None})
    return found
