"""The extra `parquet`: `blocks load` reads a Parquet file, and `blocks dump` writes one with the same rows."""

import subprocess
import sys
import tempfile
from pathlib import Path

import pyarrow
import pyarrow.parquet

PROGRAM = Path(sys.executable).with_name("blocks")


def blocks(*arguments: str) -> None:
    """Run the command in the current folder."""
    done = subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, check=False, cwd=folder)
    assert done.returncode == 0, (arguments, done.stdout, done.stderr)


with tempfile.TemporaryDirectory() as folder:
    blocks("init", ".")
    migration = Path(folder) / "migrations" / "001_create_orders.sql"
    migration.write_text("CREATE TABLE orders (id int PRIMARY KEY, item text);\n")
    blocks("up")
    rows = pyarrow.table({"id": pyarrow.array([1, 2], pyarrow.int32()), "item": ["tea", "salt"]})
    pyarrow.parquet.write_table(rows, Path(folder) / "orders.parquet")
    blocks("load", "orders.parquet", "--table", "orders")
    blocks("dump", "--table", "orders", "--output", "dumped.parquet")
    assert pyarrow.parquet.read_table(Path(folder) / "dumped.parquet").to_pylist() == rows.to_pylist()
