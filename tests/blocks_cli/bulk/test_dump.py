"""`blocks dump`: what it writes, `blocks load` reads to the same rows, in each format and for each type."""

from __future__ import annotations

import datetime
import decimal
import json
from typing import TYPE_CHECKING

import pytest

from blocks_cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.blocks_cli.migrations.conftest import Project

COLUMNS = """\
(id uuid PRIMARY KEY, small smallint, whole int, large bigint, single real, double double precision,
amount numeric(20, 4), any_amount numeric, fixed char(5), short varchar(20), long text, day date, hour time,
hour_there timetz, moment timestamp, instant timestamptz, span interval, flag boolean, bytes bytea,
doc json, docb jsonb)
"""
ROWS = (
    "('00000000-0000-0000-0000-000000000001', -32768, 2147483647, -9223372036854775808, 1.5e-30, 0.1, 1234.5000, "
    "12345678901234567890.123456789, 'ab', "
    "E'a\"b,c\\nd', E'\\ttab \\\\. \\\\N \\r\\n', '2024-02-29', '23:59:59.999999', "
    "'12:00:00+05:30', '1999-12-31 23:59:59.123456', '2026-11-29 12:00:00+02', '1 year 2 days 03:04:05', true, "
    "'\\x00ff22', '{\"a\": [1, 2.50, null]}', '\"text\"')",
    f"('00000000-0000-0000-0000-000000000002'{', NULL' * 20})",
    "('00000000-0000-0000-0000-000000000003', 0, 0, 0, 'NaN', '-Infinity', 0, 0, '', '', '', '0001-01-01', '00:00', "
    "'00:00+00', '0001-01-01', '0001-01-01 00:00+00', '0', false, '', '[]', '{}')",
    "('00000000-0000-0000-0000-000000000004', 1, 1, 1, 1, 1, 1, 1, 'NULL', 'NULL', ' x ', '9999-12-31', '12:00', "
    "'12:00+00', '2000-01-01', '2000-01-01 00:00+00', '-1 mon', true, '\\x5c2e', '\"\"', 'null')",
)
JSON_NULL_IS_NULL = "UPDATE types SET docb = NULL WHERE docb = 'null'"


@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl", "parquet", "csv.gz", "tsv.gz", "jsonl.gz"])
def test_a_dump_is_loaded_to_the_same_rows(project: Project, suffix: str) -> None:
    project.run(
        f"CREATE TABLE types {COLUMNS}",
        f"CREATE TABLE copies {COLUMNS}",
        f"INSERT INTO types VALUES {', '.join(ROWS)}",
    )
    if suffix.startswith("jsonl"):
        project.run(JSON_NULL_IS_NULL)  # the two are one in JSON lines
    name = f"types.{suffix}"
    dumped = project.blocks("dump", "--table", "types", "--output", name)
    assert dumped.code == ExitCode.OK, dumped.err
    loaded = project.blocks("load", name, "--table", "copies")
    assert loaded.code == ExitCode.OK, loaded.err
    assert project.rows("SELECT t::text FROM copies AS t ORDER BY id") == project.rows(
        "SELECT t::text FROM types AS t ORDER BY id"
    )


def test_a_dump_to_json_lines_names_columns_with_the_json_value_null(project: Project) -> None:
    project.run(
        "CREATE TABLE docs (id int PRIMARY KEY, doc jsonb)", "INSERT INTO docs VALUES (1, 'null'), (2, NULL)"
    )
    assert (
        "doc has the JSON value null in 1 row,"
        in project.blocks("dump", "--table", "docs", "-o", "d.jsonl").err
    )
    assert "JSON value" not in project.blocks("dump", "--table", "docs", "-o", "d.csv").err


@pytest.mark.parametrize(
    ("key", "values"),
    [
        ("n int", [-5, 0, 9, 10, 100, 1000]),
        ("n text", ["", "A", "a", "{k0}", "é", "🎟"]),
        ("n numeric", ["-1.5", "2", "10", "1e30"]),
        ("n timestamptz", ["1999-01-01 00:00+02", "1999-01-01 00:00:00.000001+00", "2026-01-01+00"]),
        ("n double precision", ["-Infinity", "-0.1", "0.30000000000000004", "NaN"]),
        ("n boolean", ["false", "true"]),
    ],
)
def test_pages_continue_after_each_key(
    project: Project, monkeypatch: pytest.MonkeyPatch, key: str, values: list[object]
) -> None:
    monkeypatch.setattr("blocks_cli.bulk.dump.FIRST", 1)
    monkeypatch.setattr("blocks_cli.bulk.pages.BYTES", 1)
    given = ", ".join(f"('{each}', '{each}')" for each in values)
    project.run(
        f'CREATE TABLE "Odd ""name" ({key} PRIMARY KEY, t text)', f'INSERT INTO "Odd ""name" VALUES {given}'
    )
    result = project.blocks("dump", "--table", '"Odd ""name"', "--format", "jsonl")
    assert result.code == ExitCode.OK, result.err
    assert [json.loads(line)["t"] for line in result.out.splitlines()] == [str(each) for each in values]


def test_a_table_without_a_key_is_dumped_in_one_transaction(project: Project) -> None:
    project.run(
        "CREATE TABLE notes (t text)", "INSERT INTO notes SELECT n::text FROM generate_series(1, 2500) AS n"
    )
    result = project.blocks("dump", "--table", "notes")
    assert sorted(result.out.splitlines()[1:], key=int) == [str(n) for n in range(1, 2501)]
    assert "2,500 rows of notes, of one snapshot" in result.err


def test_generated_columns_are_left_out(project: Project) -> None:
    project.run(
        "CREATE TABLE names (n text PRIMARY KEY, size int GENERATED ALWAYS AS (length(n)) STORED)",
        "INSERT INTO names VALUES ('Ana')",
    )
    assert project.blocks("dump", "--table", "names").out == "n\nAna\n"


def test_pages_of_another_snapshot_are_counted(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each transaction has time for a page at least."""
    monkeypatch.setattr("blocks_cli.bulk.dump.SNAPSHOT_SECONDS", 0.0)
    monkeypatch.setattr("blocks_cli.bulk.dump.FIRST", 1)
    monkeypatch.setattr("blocks_cli.bulk.pages.BYTES", 1)
    project.run("CREATE TABLE notes (t text PRIMARY KEY)", "INSERT INTO notes VALUES ('a'), ('b'), ('c')")
    result = project.blocks("dump", "--table", "notes")
    assert result.out == "t\na\nb\nc\n"
    assert "3 rows of notes, of several snapshots" in result.err


def test_pages_after_a_lost_connection_are_of_another_snapshot(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The transaction is repeated by the connection; the first page was of the one before."""
    from blocks_cli.bulk.dump import Dump

    monkeypatch.setattr("blocks_cli.bulk.dump.FIRST", 1)
    project.run("CREATE TABLE notes (t text PRIMARY KEY)", "INSERT INTO notes VALUES ('a'), ('b'), ('c')")
    write, calls = Dump._write, 0

    def end_all_sessions(self: Dump, rows: Sequence[tuple[str | None, ...]]) -> None:
        nonlocal calls
        write(self, rows)
        calls += 1
        if calls == 1:
            (region,) = project.cluster.regions
            project.cluster.stop_region(region)
            project.cluster.start_region(region)

    monkeypatch.setattr(Dump, "_write", end_all_sessions)
    result = project.blocks("dump", "--table", "notes")
    assert result.out == "t\na\nb\nc\n"
    assert "3 rows of notes, of several snapshots" in result.err


NAMES = ("r", "t", "n", "row", "order", "as", "public", "notes")
"""Names of columns that could also be those of a table, of an alias or of a keyword in a query."""


@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_names_of_columns_are_not_taken_for_others(project: Project, suffix: str) -> None:
    columns = ", ".join(f'"{each}" text' for each in NAMES)
    for name in ("notes", "copies"):
        project.run(f"CREATE TABLE {name} ({columns}, PRIMARY KEY (r, t))")
    project.run(f"INSERT INTO notes VALUES ({', '.join(repr(each) for each in NAMES)})")
    assert project.blocks("dump", "--table", "notes", "-o", f"notes.{suffix}").code == ExitCode.OK
    assert project.blocks("load", f"notes.{suffix}", "--table", "copies").code == ExitCode.OK
    assert project.rows("SELECT * FROM copies") == [NAMES]


@pytest.mark.parametrize(("delimiter", "code"), [(each, 0) for each in "',;|\t x%"] + [("", 2), ('"', 2)])
def test_delimiters(project: Project, delimiter: str, code: int) -> None:
    for name in ("notes", "copies"):
        project.run(f"CREATE TABLE {name} (n int PRIMARY KEY, t text, u text)")
    project.run("INSERT INTO notes VALUES (1, $$a',;|\tx%\"$$, NULL), (2, ' ', '')")
    (project.folder / "notes.csv").unlink(missing_ok=True)
    options = ("--delimiter", delimiter, "--null", "-")
    assert project.blocks("dump", "--table", "notes", "-o", "notes.csv", *options).code == code
    if not code:
        loaded = project.blocks("load", "notes.csv", "--table", "copies", *options)
        assert loaded.code == ExitCode.OK, loaded.err
        assert project.rows("SELECT * FROM copies ORDER BY n") == project.rows(
            "SELECT * FROM notes ORDER BY n"
        )


NOT_IN_PARQUET = {
    "date": ["infinity", "0044-03-15 BC", "5874897-12-31"],
    "timestamp": ["-infinity", "0044-03-15 00:00:00 BC", "294276-12-31 00:00:00"],
    "timestamptz": ["infinity", "0044-03-15 01:02:03+00 BC", "294276-12-31 00:00:00+00"],
}


@pytest.mark.parametrize("kind", NOT_IN_PARQUET)
def test_values_that_parquet_lacks_are_named(project: Project, kind: str) -> None:
    project.run(f"CREATE TABLE dates (id int PRIMARY KEY, v {kind})", "INSERT INTO dates VALUES (1, NULL)")
    (project.folder / "dates.parquet").write_bytes(b"of yesterday")
    for value in NOT_IN_PARQUET[kind]:
        project.run(f"DELETE FROM dates WHERE id = 2; INSERT INTO dates VALUES (2, '{value}')")
        result = project.blocks("dump", "--table", "dates", "-o", "dates.parquet")
        assert result.code == ExitCode.USAGE
        assert f"error: column v: Parquet has no value for {value}" in result.err
        assert "do:  dump to CSV or JSON lines" in result.err
        assert [each.read_bytes() for each in project.folder.glob("dates.parquet*")] == [b"of yesterday"]


def test_parquet_needs_a_file(project: Project) -> None:
    project.run("CREATE TABLE notes (t text PRIMARY KEY)")
    result = project.blocks("dump", "--table", "notes", "--format", "parquet")
    assert result.code == ExitCode.USAGE
    assert "pass --output FILE.parquet" in result.err


def test_a_dump_of_a_table_without_a_key_writes_no_row_twice(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A conflict after the first rows must not begin it again."""
    from blocks_cli.bulk.dump import Dump
    from blocks_runtime.errors import SerializationFailure

    project.run("CREATE TABLE notes (t text)", "INSERT INTO notes VALUES ('a'), ('b')")
    write, calls = Dump._write, 0

    def fail_once(self: Dump, rows: Sequence[tuple[str | None, ...]]) -> None:
        nonlocal calls
        write(self, rows)
        calls += 1
        if calls == 1:
            raise SerializationFailure(
                "schema has been updated by another transaction (OC001)", sqlstate="40001"
            )

    monkeypatch.setattr(Dump, "_write", fail_once)
    result = project.blocks("dump", "--table", "notes")
    assert result.code == ExitCode.MIGRATION_FAILED
    assert "error: table notes: the dump was interrupted" in result.err
    assert result.out == "t\na\nb\n"


def test_parquet_of_other_programs(project: Project) -> None:
    """Dictionaries, nested values, decimals, small and unsigned numbers, nanoseconds, and NULL."""
    import pyarrow
    import pyarrow.parquet

    now = datetime.datetime(2026, 11, 29, 12, 0, 0, 123456)
    columns = {
        "id": pyarrow.array([1, 2], pyarrow.uint8()),
        "kind": pyarrow.array(["a", "b"]).dictionary_encode(),
        "doc": pyarrow.array([{"x": [1, 2]}, None]),
        "amount": pyarrow.array([decimal.Decimal("1.50"), None]),
        "at": pyarrow.array([now, None], pyarrow.timestamp("ns")),
        "raw": pyarrow.array([b'\x00,"', None]),
    }
    pyarrow.parquet.write_table(pyarrow.table(columns), project.folder / "other.parquet", row_group_size=1)
    project.run(
        "CREATE TABLE other (id int PRIMARY KEY, kind text, doc jsonb, amount numeric, at timestamp, raw bytea)"
    )
    result = project.blocks("load", "other.parquet", "--table", "other")
    assert result.code == ExitCode.OK, result.err
    assert project.rows("SELECT * FROM other ORDER BY id") == [
        (1, "a", {"x": [1, 2]}, decimal.Decimal("1.50"), now, b'\x00,"'),
        (2, "b", None, None, None, None),
    ]
