"""Options on files, and the sources and statements that they describe."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from blocks_cli.bulk.csv_format import CsvDialect
from blocks_cli.bulk.source import FORMATS, STANDARD_INPUT, Options, Source, format_of
from blocks_cli.bulk.statements import Statements
from blocks_cli.errors import CommandError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from blocks_cli.bulk.table import Table

format = click.option(
    "--format", type=click.Choice(FORMATS), help="Format of the file (default: by its suffix; csv for -)."
)
delimiter = click.option(
    "--delimiter",
    metavar="CHARACTER",
    help="Character between the values of CSV (default: comma; tab for .tsv).",
)
null = click.option(
    "--null",
    metavar="TEXT",
    default="",
    help="Text that stands for NULL in CSV if it is not quoted (default: an empty one, as in COPY).",
)
_NOT_A_DELIMITER = '"\r\n\\.'


def dialect(delimiter: str | None, null: str) -> CsvDialect:
    """Return the CSV dialect of the options.

    Raises:
        CommandError: COPY does not take one of them.
    """
    if delimiter is not None and (len(delimiter.encode()) != 1 or delimiter in _NOT_A_DELIMITER):
        raise CommandError(
            f"--delimiter {delimiter!r}",
            "COPY takes one single-byte character, no quote and no line end",
            "pass another one; a tab is $'\\t' in bash",
        )
    mark = delimiter or ","
    if any(each in null for each in ('"', "\r", "\n", mark)):
        raise CommandError(
            f"--null {null!r}",
            "it has a quote, a line end or the delimiter",
            "pass the text as it is in the file",
        )
    return CsvDialect(mark, null)


def source_options(
    format: str | None, columns: str | None, header: bool | None, delimiter: str | None, null: str
) -> Options:
    """Return the options of all files.

    Raises:
        CommandError: they contradict each other.
    """
    names = None if columns is None else tuple(each.strip() for each in columns.split(","))
    if header is False and names is None:
        raise CommandError(
            "--no-header without --columns", "the columns of the file are not known", "pass --columns"
        )
    return Options(format, names, header, dialect(delimiter, null), delimiter is not None)


def statements(table: Table, sources: Sequence[Source]) -> list[Statements]:
    """Return the statements for each file.

    Raises:
        CommandError: the columns of a file are not those of the table or of the first file.
    """
    found: list[Statements] = []
    for source in sources:
        columns = table.writable(source.read_columns(), source.name)
        found.append(Statements(table, columns, table.key_within(source.columns), source))
        if found[-1].key != found[0].key:
            raise CommandError(
                f"{source.name}: other columns than {sources[0].name}",
                "only one of them has the key of the table",
                "load the files one by one",
            )
    return found


def output_format(output: Path | None, format: str | None) -> str:
    """Return the format of a dump.

    Raises:
        CommandError: the suffix is unknown, or Parquet is to be written to standard output.
    """
    kind = format or format_of(STANDARD_INPUT if output is None else str(output))
    if kind == "parquet" and output is None:
        raise CommandError(
            "--format parquet without --output",
            "Parquet is written to a file only",
            "pass --output FILE.parquet",
        )
    return kind
