"""List the rooms with their guests."""

from __future__ import annotations

from blocks_runtime import DistributedDatabase, sql

db = DistributedDatabase("main")


def handler(event: dict[str, object], context: object) -> dict[str, str | None]:
    return {row["number"]: row["guest"] for row in db.query(sql("SELECT number, guest FROM rooms"))}
