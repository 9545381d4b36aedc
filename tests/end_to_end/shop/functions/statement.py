"""Runs the statement in the event, for tests of privileges."""

from __future__ import annotations

from typing import TypedDict

from blocks_runtime import DistributedDatabase, Sql

db = DistributedDatabase("main")


class StatementEvent(TypedDict):
    sql: str


def handler(event: StatementEvent, context: object) -> list[list[str]]:
    """Return the rows as text."""
    return [[str(value) for value in row.values()] for row in db.query(Sql((event["sql"],)))]
