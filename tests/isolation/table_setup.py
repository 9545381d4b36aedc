"""Creation of tables, with retries: a background index build changes the catalog, which may fail a statement."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from psycopg.errors import SerializationFailure

if TYPE_CHECKING:
    import psycopg


def execute(admin: psycopg.Connection[Any], *statements: str) -> None:
    """Run statements in autocommit mode with retries after OC001, and wait for index builds."""
    for sql in statements:
        job = _one(admin, sql)
        if "ASYNC" in sql and job is not None:
            _one(admin, f"CALL sys.wait_for_job('{job}')")


def _one(admin: psycopg.Connection[Any], sql: str) -> str | None:
    while True:
        try:
            cursor = admin.execute(sql)
        except SerializationFailure as error:
            if "OC001" not in str(error):
                raise
        else:
            row = cursor.fetchone() if "ASYNC" in sql and cursor.description else None
            return None if row is None else str(row[0])
