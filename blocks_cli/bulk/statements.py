"""Statements that insert a chunk: COPY of CSV records, or an INSERT that leaves existing rows unchanged.

COPY is two to three times as fast, and has no ON CONFLICT. So a chunk is copied first; if a key exists already, or the
reply was lost, it is inserted. Both are documented for Aurora DSQL (AWS user guide, "loading data"; the INSERT reads a
JSON array, as a statement may have 65,535 parameters only).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from blocks_cli.bulk import csv_format
from blocks_cli.bulk.rejects import Reject
from blocks_runtime import sql
from blocks_runtime.database.fragments import Sql

if TYPE_CHECKING:
    from collections.abc import Sequence

    from blocks_cli.bulk.records import Record
    from blocks_cli.bulk.source import Source
    from blocks_cli.bulk.table import Column, Table

    Numbered = Sequence[tuple[int, Record]]

WRONG_NUMBER = "22P04"
"""SQLSTATE of COPY for a record with too few or too many values."""


@dataclass(frozen=True, slots=True)
class Statements:
    """The statements for one file.

    Args:
        table: the table.
        columns: its columns in the order of the file.
        key: columns that identify existing rows; None: the rows have no key.
        source: the file.
    """

    table: Table
    columns: tuple[Column, ...]
    key: tuple[str, ...] | None
    source: Source

    def can_copy(self, records: Numbered) -> bool:
        """Return whether COPY reads these records as they are; it cannot read JSON lines."""
        if self.source.format == "jsonl":
            return False
        return not any(csv_format.END_MARKER in record.raw for _, record in records)

    @property
    def copy(self) -> Sql:
        """The COPY for `body`."""
        return Sql((f"COPY {self.table.sql.text} ({self._names}) FROM STDIN {self.source.dialect.options}",))

    def body(self, records: Numbered) -> bytes:
        """Return the data of the COPY."""
        return csv_format.joined(record.raw for _, record in records)

    def insert(self, array: str) -> Sql:
        """Return the INSERT for `array`."""
        json_text = self.source.format != "jsonl"
        types = ", ".join(
            f"{_quoted(each)} {'text' if json_text and each.is_json else each.type}" for each in self.columns
        )
        values = ", ".join(
            f"r.{_quoted(each)}::{each.type}" if json_text and each.is_json else f"r.{_quoted(each)}"
            for each in self.columns
        )
        always = any(each.identity == "a" for each in self.columns)
        into = f"INSERT INTO {self.table.sql.text} ({self._names})"
        override = " OVERRIDING SYSTEM VALUE" if always else ""
        before = f"{into}{override} SELECT {values} FROM json_to_recordset("  # noqa: S608 (all quoted)
        unless = ""
        if self.key:
            key = ", ".join(sql.identifier(name).text for name in self.key)
            unless = f" ON CONFLICT ({key}) DO NOTHING"
        return Sql((before, f") AS r({types}){unless}"), (array,))

    def array(self, records: Numbered) -> tuple[Numbered, str, list[Reject]]:
        """Return the records that have a value for each column, as a JSON array, and the others."""
        good: list[tuple[int, Record]] = []
        rejects: list[Reject] = []
        texts: list[str] = []
        for number, record in records:
            try:
                texts.append(self._object(record))
                good.append((number, record))
            except UnicodeDecodeError as error:
                reason = f"not UTF-8: {error.reason} at byte {error.start}"
                rejects.append(Reject(self.source.name, record, reason))
            except _WrongNumber as error:
                rejects.append(Reject(self.source.name, record, str(error), WRONG_NUMBER))
        return good, f"[{','.join(texts)}]", rejects

    def _object(self, record: Record) -> str:
        if self.source.format == "jsonl":
            return record.raw.decode()
        values = csv_format.values(record.raw, self.source.dialect)
        if len(values) != len(self.columns):
            raise _WrongNumber(f"{len(values)} values for {len(self.columns)} columns")
        names = (each.name for each in self.columns)
        return json.dumps(dict(zip(names, values, strict=True)), ensure_ascii=False)

    @property
    def _names(self) -> str:
        return ", ".join(map(_quoted, self.columns))


class _WrongNumber(ValueError):
    """A record has another number of values than the table has columns."""


def _quoted(column: Column) -> str:
    return sql.identifier(column.name).text
