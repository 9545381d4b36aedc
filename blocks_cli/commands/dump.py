"""`blocks dump`."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

import click

from blocks_cli import console
from blocks_cli.bulk import compression
from blocks_cli.bulk import options as bulk_options
from blocks_cli.commands.options import as_json
from blocks_cli.errors import CommandError
from blocks_cli.migrations import options
from blocks_cli.migrations.database import reachable
from blocks_cli.migrations.target import find_target

if TYPE_CHECKING:
    from collections.abc import Iterator

    from blocks_cli.bulk.csv_format import CsvDialect
    from blocks_cli.bulk.dump import Dump
    from blocks_cli.bulk.dump_file import DumpFile
    from blocks_cli.bulk.table import Table
    from blocks_cli.json_value import Json
    from blocks_cli.migrations.target_options import TargetOptions
    from lambda_migrator.admin import AdminConnection


@click.command()
@click.option("--table", "name", required=True, metavar="NAME", help="Table to dump.")
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="File to write (default: standard output).",
)
@bulk_options.format
@bulk_options.delimiter
@bulk_options.null
@click.option("--restart", is_flag=True, help="Forget what an interrupted run has written.")
@options.target_options
@as_json
def dump(
    name: str,
    output: Path | None,
    format: str | None,
    delimiter: str | None,
    null: str,
    restart: bool,
    target_options: TargetOptions,
    as_json: bool,
) -> None:
    """Write the rows of a table in the order of its key, for `blocks load`.

    \b
      blocks dump --table accounts > accounts.csv
      blocks dump --table accounts --output accounts.jsonl.gz

    Reads page by page, so that no transaction gets too old. With --output it can be interrupted: run the same command
    again, and it continues; the file has its name once it is complete. Generated columns are left out.
    """
    from blocks_cli.bulk.dump_file import DumpFile
    from blocks_cli.bulk.table import read_table

    kind = bulk_options.output_format(output, format)
    tabs = (
        "\t" if output is not None and compression.plain_name(output.name).lower().endswith(".tsv") else None
    )
    dialect = bulk_options.dialect(tabs if delimiter is None else delimiter, null)
    if as_json and output is None:
        raise CommandError("--json without --output", "both would print to standard output", "pass --output")
    target = find_target(target_options)
    with reachable(target) as connect, connect().open() as admin:
        table = read_table(admin, name)
        is_continued = bool(table.keys) and kind != "parquet"
        file = DumpFile(output, _identity(target.place, table, kind, dialect), is_continued=is_continued)
        with contextlib.closing(file):
            file.open(restart=restart)
            if file.rows:
                console.print_message(
                    f"resumed  {file.rows:,} rows were written by an interrupted run", "cyan"
                )
            with _writing(table, kind, dialect, file) as dump:
                dump.run(admin)
            file.finish()
        if kind == "jsonl":
            _mention_json_null(admin, table)
    _conclude(dump, file, as_json)


def _mention_json_null(admin: AdminConnection, table: Table) -> None:
    """Print the columns in which JSON lines do not keep the difference of JSON's null and NULL."""
    from blocks_runtime import sql

    for column in table.columns:
        if column.is_json:
            name = sql.identifier(column.name)
            query = sql("SELECT count(*) AS n FROM {t:q} WHERE {c:q}::text = 'null'", t=table.sql, c=name)
            (found,) = admin.read(query)
            if number := int(str(found["n"])):
                rows = f"{number:,} row{'s' * (number != 1)}"
                console.print_message(
                    f"note     {column.name} has the JSON value null in {rows}, which a load of JSON lines reads as "
                    "NULL; CSV and Parquet keep both",
                    "cyan",
                )


@contextlib.contextmanager
def _writing(table: Table, kind: str, dialect: CsvDialect, file: DumpFile) -> Iterator[Dump]:
    from blocks_cli.bulk.dump import Dump
    from blocks_cli.bulk.parquet_format import ParquetWriter

    dump = Dump(table, kind, dialect, file)
    if kind != "parquet":
        yield dump
        return
    columns = [each for each in table.columns if not each.generated]
    dump.parquet = ParquetWriter(file.partial, columns)
    yield dump
    dump.parquet.close()


def _identity(target: str, table: Table, kind: str, dialect: CsvDialect) -> dict[str, Json]:
    return {
        "target": target,
        "table": str(table),
        "object id": table.oid,
        "columns": [each.name for each in table.columns],
        "format": [kind, dialect.delimiter, dialect.null],
    }


def _conclude(dump: Dump, file: DumpFile, as_json: bool) -> None:
    from blocks_cli.bulk.progress import rate

    console.clear()
    rows = dump.rows if file.path is None else max(file.rows, dump.rows)
    if as_json:
        console.print_json({"rows": rows, "snapshots": dump.snapshots, "seconds": round(dump.seconds, 3)})
    read = "of one snapshot" if rows == dump.rows and dump.snapshots == 1 else "of several snapshots"
    console.print_message(f"{rows:,} rows of {dump.table}, {read}   {rate(dump.rows, dump.seconds)}", "green")
