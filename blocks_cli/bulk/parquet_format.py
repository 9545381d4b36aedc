"""Parquet, read and written through CSV records: pyarrow converts whole batches.

pyarrow (Apache-2.0) is the extra `parquet`; it is imported with the first file.
"""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING

from blocks_cli.bulk import csv_format
from blocks_cli.bulk.records import ROWS, Record
from blocks_cli.errors import CommandError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path
    from types import ModuleType
    from typing import Any

    from blocks_cli.bulk.table import Column


def pyarrow() -> ModuleType:
    """Return the module pyarrow, with its parts for Parquet, CSV and computation.

    Raises:
        CommandError: it is not installed.
    """
    try:
        import pyarrow as found
        import pyarrow.compute
        import pyarrow.csv
        import pyarrow.parquet
    except ImportError:
        raise CommandError(
            "Parquet needs the package pyarrow",
            "it is not installed; it is larger than all others together, so it is an extra",
            "run `pip install 'blocks-dsql[parquet]'`",
        ) from None
    module: ModuleType = found
    return module


def columns(path: Path) -> tuple[str, ...]:
    """Return the names of a file's columns.

    Raises:
        CommandError: it is no Parquet file.
    """
    return tuple(_opened(path).schema_arrow.names)


def records(path: Path, start: int) -> Iterator[Record]:
    """Yield the rows of a file from the row `start` on, as CSV records in which every value is quoted."""
    file, number = _opened(path), 0
    for group in range(file.num_row_groups):
        rows = file.metadata.row_group(group).num_rows
        if number + rows > start:
            for batch in file.iter_batches(ROWS, row_groups=[group]):
                if number + batch.num_rows > start:
                    yield from _records(batch, number, start)
                number += batch.num_rows
        else:
            number += rows


def size(path: Path) -> int:
    """Return the number of rows."""
    return int(_opened(path).metadata.num_rows)


class ParquetWriter:
    """Writes rows of PostgreSQL texts to a Parquet file, in the types that fit the columns.

    Args:
        path: the file.
        columns: the columns in the order of the rows.
    """

    def __init__(self, path: Path, columns: Sequence[Column]) -> None:
        arrow = pyarrow()
        self._texts = arrow.schema([(each.name, arrow.string()) for each in columns])
        self._schema = arrow.schema([(each.name, _arrow_type(arrow, each)) for each in columns])
        self._writer = arrow.parquet.ParquetWriter(str(path), self._schema)

    def write(self, rows: Sequence[Sequence[str | None]]) -> None:
        """Write rows as one row group."""
        arrow = pyarrow()
        columns = list(zip(*rows, strict=True))
        table = arrow.table([arrow.array(column, arrow.string()) for column in columns], schema=self._texts)
        arrays = [
            _converted(arrow, table.column(number).combine_chunks(), field)
            for number, field in enumerate(self._schema)
        ]
        self._writer.write_table(arrow.table(arrays, schema=self._schema))

    def close(self) -> None:
        """Write the footer."""
        self._writer.close()


_SIMPLE = {
    "smallint": "int16",
    "integer": "int32",
    "bigint": "int64",
    "real": "float32",
    "double precision": "float64",
    "boolean": "bool_",
    "date": "date32",
    "bytea": "binary",
}


def _arrow_type(arrow: ModuleType, column: Column) -> Any:
    if column.base in _SIMPLE:
        return getattr(arrow, _SIMPLE[column.base])()
    if column.base == "timestamp without time zone":
        return arrow.timestamp("us")
    if column.base == "timestamp with time zone":
        return arrow.timestamp("us", "UTC")
    return arrow.string()


def _converted(arrow: ModuleType, texts: Any, field: Any) -> Any:
    """Return a column in the type of a field.

    Raises:
        CommandError: the type has no such value.
    """
    if field.type == arrow.binary():
        return arrow.array(
            [None if each is None else bytes.fromhex(each[2:]) for each in texts.to_pylist()],
            field.type,
        )
    try:
        return arrow.compute.cast(texts, field.type)
    except arrow.ArrowInvalid:
        value = next(each for each in texts if not _is_castable(arrow, each, field.type))
        raise CommandError(
            f"column {field.name}: Parquet has no value for {value}",
            f"the column is written as {field.type}, which cannot hold it",
            "dump to CSV or JSON lines, which keep each value of PostgreSQL",
        ) from None


def _is_castable(arrow: ModuleType, text: Any, kind: Any) -> bool:
    try:
        arrow.compute.cast(text, kind)
    except arrow.ArrowInvalid:
        return False
    return True


def _opened(path: Path) -> Any:  # pyarrow has no types
    arrow = pyarrow()
    try:
        return arrow.parquet.ParquetFile(str(path))
    except arrow.ArrowInvalid as error:
        raise CommandError(
            f"{path}: not a Parquet file", str(error), "pass --format for another format"
        ) from None


def _records(batch: Any, number: int, start: int) -> Iterator[Record]:
    arrow = pyarrow()
    arrays = [_as_texts(arrow, column) for column in batch.columns]
    plain = arrow.RecordBatch.from_arrays(arrays, names=batch.schema.names)
    body = io.BytesIO()
    options = arrow.csv.WriteOptions(include_header=False, quoting_style="all_valid")
    arrow.csv.write_csv(plain, body, options)
    body.seek(0)
    for row, record in enumerate(csv_format.records(body, 0, 1, many_columns=False), number):
        if row >= start:
            yield Record(record.raw, row + 1, row + 1, row + 2, record.fault)


def _as_texts(arrow: ModuleType, column: Any) -> Any:
    """Return a column as texts that CSV can hold: bytes as PostgreSQL's hexadecimal text, nested values as JSON."""
    kind = column.type
    types = arrow.types
    if types.is_binary(kind) or types.is_large_binary(kind) or types.is_fixed_size_binary(kind):
        texts = [None if each is None else "\\x" + each.hex() for each in column.to_pylist()]
        return arrow.array(texts, arrow.string())
    if types.is_nested(kind):
        texts = [None if each is None else json.dumps(each, default=str) for each in column.to_pylist()]
        return arrow.array(texts, arrow.string())
    if types.is_dictionary(kind):
        return _as_texts(arrow, column.dictionary_decode())
    return arrow.compute.cast(column, arrow.string())
