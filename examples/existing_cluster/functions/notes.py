"""Two handlers: one inserts a note, one reads all notes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blocks_runtime import DistributedDatabase, sql

if TYPE_CHECKING:
    from collections.abc import Mapping

db = DistributedDatabase("main")


def write(event: Mapping[str, str], context: object) -> dict[str, int]:
    """Insert a note and return the number of notes."""
    del context
    db.execute(sql("INSERT INTO notes (text) VALUES ({text})", text=event["text"]))
    (row,) = db.query(sql("SELECT count(*) AS notes FROM notes"))
    return {"notes": row["notes"]}


def read(event: object, context: object) -> list[str]:
    """Return all notes in order of insertion."""
    del event, context
    return [row["text"] for row in db.query(sql("SELECT text FROM notes ORDER BY written_at, id"))]
