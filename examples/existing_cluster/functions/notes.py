"""Two handlers: one writes a note, one reads them all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blocks_runtime import DistributedDatabase, sql

if TYPE_CHECKING:
    from collections.abc import Mapping

db = DistributedDatabase("main")


def write(event: Mapping[str, str], context: object) -> dict[str, int]:
    """Keep one note; answer how many there are."""
    del context
    db.execute(sql("INSERT INTO notes (text) VALUES ({text})", text=event["text"]))
    (row,) = db.query(sql("SELECT count(*) AS notes FROM notes"))
    return {"notes": row["notes"]}


def read(event: object, context: object) -> list[str]:
    """Return all notes in the order they were written."""
    del event, context
    return [row["text"] for row in db.query(sql("SELECT text FROM notes ORDER BY written_at, id"))]
