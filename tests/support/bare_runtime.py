"""The runtime with psycopg alone: a program, run by `tests.support.pythons` in such an environment.

Without arguments it looks at the packages and at the errors that name the way to more. With a database in its
environment it reads and writes: `tests/blocks_runtime/test_bare.py` gives it one.
"""

from __future__ import annotations

import asyncio
import importlib.metadata
import os
import sys

from blocks_runtime import AsyncDistributedDatabase, DistributedDatabase, errors, sql

BESIDE = {"blocks-dsql", "psycopg", "psycopg-binary", "typing_extensions", "tzdata"}


def only_the_driver_is_there() -> None:
    """The bare install is the runtime and its driver."""
    there = {package.name for package in importlib.metadata.distributions()}
    assert there <= BESIDE | {"pip", "setuptools"}, there - BESIDE


def what_is_missing_is_named() -> None:
    """No variables, no credentials, no dialect: each error says what to install or set."""
    environ = {
        name: os.environ.pop(name) for name in list(os.environ) if name.startswith(("AWS_", "BLOCKS_"))
    }
    try:
        DistributedDatabase("main").query(sql("SELECT 1"))
        raise AssertionError("a database out of nowhere")
    except errors.ConfigurationError as missing:
        assert "pip install 'blocks-dsql[local]'" in str(missing), missing
    os.environ |= {"BLOCKS_MAIN_ENDPOINT": "h", "BLOCKS_MAIN_REGION": "us-east-1", "BLOCKS_MAIN_ROLE": "app"}
    try:
        DistributedDatabase("main").query(sql("SELECT 1"))
        raise AssertionError("a token out of nothing")
    except errors.ConfigurationError as missing:
        assert "pip install boto3" in str(missing), missing
    try:
        DistributedDatabase("main").sqlalchemy_engine()
        raise AssertionError("an engine without SQLAlchemy")
    except errors.ConfigurationError as missing:
        assert "pip install 'blocks-dsql[sqlalchemy]'" in str(missing), missing
    os.environ |= environ


def reads_and_writes() -> None:
    """Statements, a transaction, bulk, and the same under asyncio."""
    with DistributedDatabase("main") as db:
        assert db.query_one(sql("SELECT {x}::text AS x", x="1' OR 1=1")) == {"x": "1' OR 1=1"}
        db.transaction(lambda tx: tx.execute(sql("UPDATE items SET n = n + 1")), retry_on_conflict=True)
        db.load("items", [{"id": 10, "n": 1}, {"id": 11, "n": 2}])
        assert len(db.query(sql("SELECT * FROM items"))) == 4

    async def twin() -> None:
        async with AsyncDistributedDatabase("main") as db:
            assert await db.query_one(sql("SELECT n FROM items WHERE id = {id}", id=1)) == {"n": 101}

    asyncio.run(twin())


if __name__ == "__main__":
    if "BLOCKS_MAIN_ENDPOINT" in os.environ:
        reads_and_writes()
    else:
        only_the_driver_is_there()
        what_is_missing_is_named()
    print(f"bare runtime: 1 passed, 0 failed, Python {sys.version.split()[0]}")
