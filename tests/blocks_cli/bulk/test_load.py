"""`blocks load`: files as people have them, compared with PostgreSQL's COPY where COPY takes them."""

from __future__ import annotations

import gzip
import io
import json
import re
import sys
from typing import TYPE_CHECKING

import psycopg
import pytest

from blocks_cli.bulk.progress import Progress
from blocks_cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from tests.blocks_cli.migrations.conftest import Project, Result

TABLE = "CREATE TABLE people (id int PRIMARY KEY, name text, born date, note text DEFAULT 'none')"


def load(project: Project, content: bytes | str, *options: str, name: str = "people.csv") -> Result:
    """Load a file into the table people."""
    data = content if isinstance(content, bytes) else content.encode()
    (project.folder / name).write_bytes(data)
    return project.blocks("load", name, "--table", "people", *options)


def rejects(project: Project) -> list[tuple[int, str]]:
    """Return line and reason of each reject."""
    lines = (project.folder / "people.rejects.jsonl").read_text("utf-8").splitlines()
    return [(each["line"], each["reason"]) for each in map(json.loads, lines)]


@pytest.fixture(autouse=True)
def _clean(project: Project) -> None:
    for file in project.folder.glob("people*"):
        file.unlink()
    for file in project.folder.glob(".blocks/loads/*"):
        file.unlink()


SAME_AS_COPY = {
    "plain": "id,name,born\n1,Ana,1990-01-02\n2,Ben,\n",
    "quotes": 'id,name,born\n1,"O""Hara, Ana",1990-01-02\n2,"",\n3,a"b c"d,\n',
    "line ends in values": 'id,name,born\n1,"two\nlines",\n2,"three\n\nlines",\n',
    "CRLF": "id,name,born\r\n1,Ana,\r\n2,Ben,2000-12-31\r\n",
    "no last line end": "id,name\n1,Ana\n2,Ben",
    "other order": "born,id,name\n2000-01-01,1,Ana\n",
    "spaces": "id,name\n 1 , Ana \n",
    "unicode": "id,name\n1,Žofie 🎟\n2,ﷺ\u200f\n",
    "end marker in quotes": 'id,name\n1,"a\n\\.\nb"\n2,"\\."\n3,\\.x\n',
    "an empty file": "id,name\n",
}


@pytest.mark.parametrize("content", SAME_AS_COPY.values(), ids=SAME_AS_COPY)
def test_rows_are_those_of_copy(project: Project, content: str) -> None:
    project.run(TABLE)
    assert load(project, content).code == ExitCode.OK
    found = project.rows("SELECT * FROM people ORDER BY id")
    project.run("DELETE FROM people")
    names = content.splitlines()[0]
    if "\\." in content:  # COPY ends there before PostgreSQL 18
        assert [row[1] for row in found] == ["a\n\\.\nb", "\\.", "\\.x"]
        return
    with psycopg.connect(project.cluster.dsn(), autocommit=True) as connection:
        with connection.cursor().copy(f"COPY people ({names}) FROM STDIN (FORMAT csv, HEADER)") as copy:
            copy.write(content.encode())
    assert project.rows("SELECT * FROM people ORDER BY id") == found


def test_a_byte_order_mark_is_no_part_of_the_first_name(project: Project) -> None:
    project.run(TABLE)
    assert load(project, b"\xef\xbb\xbfid,name\r\n1,Ana\r\n").code == ExitCode.OK
    assert project.rows("SELECT id, name FROM people") == [(1, "Ana")]


BAD_ROWS = {
    "3,Cem": (3, "invalid input syntax for type date"),
    "x,Cem,": (3, "invalid input syntax for type integer"),
    "3,Cem,,,": (3, "extra data after last expected column"),
    "3": (3, 'missing data for column "name"'),
    "3,Cem,yesterday-ish": (3, "invalid input syntax for type date"),
    ",Cem,": (3, 'null value in column "id"'),
    "3,C\0em,": (3, "invalid byte sequence for encoding"),
    b"3,C\xffem,": (3, "invalid byte sequence for encoding"),
    "99999999999,Cem,": (3, "out of range for type integer"),
}


@pytest.mark.parametrize("bad", BAD_ROWS, ids=repr)
def test_a_bad_row_is_rejected_and_the_others_are_loaded(project: Project, bad: str | bytes) -> None:
    project.run(TABLE)
    if bad == "3,Cem":
        bad = "3,Cem,2001-02-30"
    line, reason = BAD_ROWS.get(bad, (3, "date/time field value out of range"))
    middle = bad if isinstance(bad, bytes) else bad.encode()
    result = load(project, b"id,name,born\n1,Ana,\n" + middle + b"\n2,Ben,\n")
    assert result.code == ExitCode.MIGRATION_FAILED
    ((found_line, found_reason),) = rejects(project)
    assert found_line == line
    assert reason in found_reason
    assert project.rows("SELECT id FROM people ORDER BY id") == [(1,), (2,)]


def test_the_rejects_can_be_corrected_and_loaded(project: Project) -> None:
    project.run(TABLE)
    content = "id,name\n" + "".join(f"{'x' if n % 700 == 0 else ''}{n},n {n}\n" for n in range(1, 7001))
    assert load(project, content, "--json").code == ExitCode.MIGRATION_FAILED
    lines = (project.folder / "people.rejects.jsonl").read_text("utf-8").splitlines()
    records = [json.loads(each)["record"].removeprefix("x") for each in lines]
    assert len(records) == 10
    assert load(project, "\n".join(records), "--columns", "id,name").code == ExitCode.OK
    assert project.rows("SELECT count(*), count(DISTINCT name) FROM people") == [(7000, 7000)]


WITH_A_REJECT = {
    "people.csv": "name,id\nAna,1\nBen,x2\n",
    "people.tsv": "id\tname\n1\tAna\nx2\tBen\n",
    "people.jsonl": '{"id": 1, "name": "Ana"}\n{"id": "x2", "name": "Ben"}\n',
}
"""A file of each format, whose second row can be corrected."""


@pytest.mark.parametrize("name", WITH_A_REJECT)
def test_the_remedy_for_rejects_loads_them(project: Project, name: str) -> None:
    project.run(TABLE)
    result = load(project, WITH_A_REJECT[name], name=name)
    assert result.code == ExitCode.MIGRATION_FAILED
    told = re.search(r"jq -r \.record (\S+) > (\S+); load it(?: with (--columns \S+),)?", result.err)
    assert told is not None
    lines = (project.folder / told[1]).read_text("utf-8").splitlines()
    corrected = "".join(f"{json.loads(each)['record']}\n" for each in lines).replace("x2", "2")
    assert load(project, corrected, *(told[3] or "").split(), name=told[2]).code == ExitCode.OK
    assert project.rows("SELECT id, name FROM people ORDER BY id") == [(1, "Ana"), (2, "Ben")]


def test_the_load_stops_at_too_many_rejects(project: Project) -> None:
    project.run(TABLE)
    content = "id,name\n" + "".join(f"x{n},\n" for n in range(50)) + "1,Ana\n"
    result = load(project, content, "--max-rejects", "20")
    assert result.code == ExitCode.MIGRATION_FAILED
    assert "error: more than 20 records were rejected" in result.err


def test_a_continued_load_tells_the_rejects_of_earlier_runs(project: Project) -> None:
    """They are in no table, even if this run has rejected nothing."""
    project.run(TABLE)
    content = "id,name\nx,Ana\n1,Ben\n"
    assert "more than 0 records were rejected" in load(project, content, "--max-rejects", "0").err
    continued = project.blocks("load", "people.csv", "--table", "people", "--json")
    assert continued.code == ExitCode.MIGRATION_FAILED
    assert json.loads(continued.out)["rejected"] == 1
    assert len(rejects(project)) == 1


@pytest.mark.parametrize(
    ("options", "content", "what", "remedy"),
    [
        ([], "id,nam\n1,Ana\n", "people.csv: table people has no column 'nam'", "did you mean name?"),
        ([], "id,name,id\n1,A,2\n", "people.csv: column id twice", "name it once"),
        ([], "name\nAna\n", "people.csv: no column id", "add it to the file, or give the column a default"),
        ([], "", "people.csv: no header", "write the names of the columns into the first line, or pass --columns"),
        (["--columns", "id,name"], "id,name\n1,Ana\n", "people.csv: the first line has the names of the columns",
         "pass --header as well, or omit --columns"),
        (["--delimiter", "||"], "id,name\n", "--delimiter '||'", "pass another one; a tab is $'\\t' in bash"),
    ],
)  # fmt: skip
def test_mistakes_are_found_before_anything_is_loaded(
    project: Project, options: list[str], content: str, what: str, remedy: str
) -> None:
    project.run(TABLE)
    result = load(project, content, *options)
    assert result.code == ExitCode.USAGE
    assert f"error: {what}" in result.err
    assert f"do:  {remedy}" in result.err
    assert project.rows("SELECT count(*) FROM people") == [(0,)]


def test_other_encodings_are_named(project: Project) -> None:
    project.run(TABLE)
    result = load(project, "id,name\n1,Ana\n".encode("utf-16"))
    assert result.code == ExitCode.USAGE
    assert "iconv -f UTF-16 -t UTF-8" in result.err


def test_rows_whose_key_exists_are_left_unchanged(project: Project) -> None:
    project.run(TABLE, "INSERT INTO people VALUES (2, 'old')")
    result = load(project, "id,name\n1,Ana\n2,new\n1,again\n3,Cem\n", "--json")
    assert result.code == ExitCode.OK
    summary = json.loads(result.out)
    assert (summary["inserted"], summary["existing"]) == (2, 2)
    assert project.rows("SELECT id, name FROM people ORDER BY id") == [(1, "Ana"), (2, "old"), (3, "Cem")]


def test_another_unique_column_rejects_a_row(project: Project) -> None:
    project.run(
        "CREATE TABLE people (id int PRIMARY KEY, name text UNIQUE)", "INSERT INTO people VALUES (1, 'Ana')"
    )
    assert load(project, "id,name\n2,Ben\n3,Ana\n").code == ExitCode.MIGRATION_FAILED
    ((line, reason),) = rejects(project)
    assert line == 3
    assert "duplicate key value violates unique constraint" in reason
    assert project.rows("SELECT id FROM people ORDER BY id") == [(1,), (2,)]


def test_a_value_of_20_mb_is_rejected_alone(project: Project) -> None:
    project.run(TABLE)
    content = f'id,name\n1,Ana\n2,"{"x" * 20_000_000}"\n3,Cem\n'
    assert load(project, content).code == ExitCode.MIGRATION_FAILED
    ((line, reason),) = rejects(project)
    assert (line, reason) == (3, "20,000,005 bytes, more than the 10,420,224 that one transaction may hold")
    assert (project.folder / "people.rejects.jsonl").stat().st_size < 10_000
    assert project.rows("SELECT id FROM people ORDER BY id") == [(1,), (3,)]


def test_wide_rows_are_cut_by_bytes(project: Project) -> None:
    project.run(TABLE)
    content = "id,name\n" + "".join(f"{n},{n % 10}{'y' * 400_000}\n" for n in range(40))
    assert load(project, content).code == ExitCode.OK
    assert project.rows("SELECT count(*), sum(length(name)) FROM people") == [(40, 40 * 400_001)]


def test_null_text_and_delimiter(project: Project) -> None:
    project.run(TABLE)
    content = 'id;name;born\n1;NULL;NULL\n2;"NULL";\n3;;NULL\n'
    result = load(project, content, "--delimiter", ";", "--null", "NULL")
    assert result.code == ExitCode.MIGRATION_FAILED  # "" is no date
    assert [line for line, _ in rejects(project)] == [3]
    assert project.rows("SELECT id, name FROM people ORDER BY id") == [(1, None), (3, "")]


def test_a_tsv_file_has_tabs(project: Project) -> None:
    project.run(TABLE)
    assert load(project, "id\tname\n1\tAna, B.\n", name="people.tsv").code == ExitCode.OK
    assert project.rows("SELECT name FROM people") == [("Ana, B.",)]


def test_a_table_without_a_key_gets_every_row_once(project: Project) -> None:
    project.run("CREATE TABLE people (name text, n int)")
    content = "name,n\n" + "same,1\n" * 4_000
    assert load(project, content).code == ExitCode.OK
    assert project.rows("SELECT count(*) FROM people") == [(4000,)]
    assert project.rows("SELECT count(*) FROM _loads") == [(0,)]
    assert "_loads" not in project.blocks("schema").out


def test_identity_and_generated_columns(project: Project) -> None:
    project.run(
        "CREATE TABLE people (id bigint GENERATED ALWAYS AS IDENTITY (CACHE 65536) PRIMARY KEY, name text,"
        " size int GENERATED ALWAYS AS (length(name)) STORED)"
    )
    assert load(project, "name\nAna\nBen\n").code == ExitCode.OK
    assert project.rows("SELECT name, size FROM people ORDER BY name") == [("Ana", 3), ("Ben", 3)]
    result = load(project, "id,name\n1000000,Cem\n")
    ((statement,),) = [re.findall(r"ALTER TABLE .*", result.err)]
    assert statement.endswith(" RESTART WITH 1000001")
    project.run(statement)
    assert project.rows("SELECT id FROM people WHERE name = 'Cem'") == [(1000000,)]
    refused = load(project, "name,size\nDua,3\n")
    assert refused.code == ExitCode.USAGE
    assert "column size cannot be loaded" in refused.err


def test_json_lines(project: Project) -> None:
    project.run("CREATE TABLE people (id int PRIMARY KEY, name text, doc jsonb, amount numeric(40, 20))")
    content = (
        '{"id": 1, "name": "Ana", "doc": {"a": [1, 2.50]}, "amount": 12345678901234567890.12345678901234567890}\n'
        '\n{"id": 2, "doc": "text"}\r\n'
        '{"id": 3, "nam": "Cem"}\n'
        "[1]\n"
        "{broken\n"
        '{"id": 4, "name": "a\\u0000b"}\n'
    )
    assert load(project, content, name="people.jsonl").code == ExitCode.MIGRATION_FAILED
    assert [line for line, _ in rejects(project)] == [4, 5, 6, 7]
    assert project.rows("SELECT id, name, doc::text, amount::text FROM people ORDER BY id") == [
        (1, "Ana", '{"a": [1, 2.50]}', "12345678901234567890.12345678901234567890"),
        (2, None, '"text"', None),
    ]


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le"])
def test_json_lines_in_other_encodings_are_rejected(project: Project, encoding: str) -> None:
    """Without a byte order mark; the reader must not guess the encoding that the database does not."""
    project.run(TABLE)
    content = b'{"id": 1}\n' + '{"id": 2}'.encode(encoding) + b'\n{"id": 3}\n'
    assert load(project, content, name="people.jsonl").code == ExitCode.MIGRATION_FAILED
    ((line, reason),) = rejects(project)
    assert (line, reason.partition(":")[0]) == (2, "not a JSON object")
    assert project.rows("SELECT id FROM people ORDER BY id") == [(1,), (3,)]


def test_gzip(project: Project) -> None:
    project.run("CREATE TABLE people (id int PRIMARY KEY, name text)")
    (project.folder / "people.csv.gz").write_bytes(
        gzip.compress(b"id,name\n1,Ana\n") + gzip.compress(b"2,Ben\n")
    )
    (project.folder / "people.jsonl.gz").write_bytes(gzip.compress(b'{"id": 3, "name": "Cem"}\n'))
    for name in ("people.csv.gz", "people.jsonl.gz"):
        loaded = project.blocks("load", name, "--table", "people")
        assert loaded.code == ExitCode.OK, loaded.err
    assert project.rows("SELECT id, name FROM people ORDER BY id") == [(1, "Ana"), (2, "Ben"), (3, "Cem")]


COMPRESSED = gzip.compress(b"id,name\n" + b"".join(b"%d,Ana\n" % n for n in range(9_000)))
DAMAGED = {
    "not compressed": (b"id,name\n1,Ana\n", "Not a gzipped file"),
    "cut": (COMPRESSED[:-20], "ended before"),
    "another checksum": (COMPRESSED[:-8] + bytes(8), "CRC check failed"),
}
"""Content of a file, and the reason of its refusal."""


@pytest.mark.parametrize("key", ["PRIMARY KEY", ""], ids=["key", "no key"])
@pytest.mark.parametrize(("content", "why"), DAMAGED.values(), ids=DAMAGED)
def test_no_row_of_a_damaged_gzip_file_is_loaded(
    project: Project, content: bytes, why: str, key: str
) -> None:
    """So that another copy can be loaded by the same command, also into a table without a key."""
    project.run(f"CREATE TABLE people (id int {key}, name text)")
    refused = load(project, content, "--transaction-rows", "1000", name="people.csv.gz")
    assert refused.code == ExitCode.USAGE
    assert "people.csv.gz: cannot be decompressed" in refused.err
    assert why in refused.err
    assert project.rows("SELECT count(*) FROM people") == [(0,)]
    assert load(project, COMPRESSED, name="people.csv.gz").code == ExitCode.OK
    assert project.rows("SELECT count(*), count(DISTINCT id) FROM people") == [(9_000, 9_000)]


def test_a_file_that_is_damaged_during_the_load_tells_that_rows_are_loaded(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.run("CREATE TABLE people (id int PRIMARY KEY, name text)")
    monkeypatch.setattr("blocks_cli.bulk.compression.check", lambda _: None)  # as if it was whole then
    (project.folder / "people.csv.gz").write_bytes(COMPRESSED[:-20])
    refused = project.blocks("load", "people.csv.gz", "--table", "people", "--json")
    assert refused.code == json.loads(refused.out)["exitCode"] == ExitCode.MIGRATION_FAILED
    assert "run the same command again with unchanged files" in refused.err


def test_rows_of_a_transaction(project: Project) -> None:
    project.run("CREATE TABLE people (id int PRIMARY KEY)")
    (project.folder / "people.csv").write_text("id\n" + "".join(f"{n}\n" for n in range(100)))
    with project.cluster.cost() as cost:
        loaded = project.blocks("load", "people.csv", "--table", "people", "--transaction-rows", "10")
    assert loaded.code == ExitCode.OK, loaded.err
    assert cost.transactions == 10


def test_standard_input(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.run(TABLE)
    data = io.TextIOWrapper(io.BytesIO(b"\xef\xbb\xbfid,name\n1,Ana\n2,Ben\n"))
    monkeypatch.setattr(sys, "stdin", data)
    assert project.blocks("load", "-", "--table", "people").code == ExitCode.OK
    data = io.TextIOWrapper(io.BytesIO(b'{"id": 3}\n{"id": 4}\n'))
    monkeypatch.setattr(sys, "stdin", data)
    assert project.blocks("load", "-", "--table", "people", "--format", "jsonl").code == ExitCode.OK
    assert project.rows("SELECT count(*) FROM people") == [(4,)]


def test_a_dry_run_finds_bad_rows_and_changes_nothing(project: Project) -> None:
    project.run(TABLE)
    result = load(project, "id,name\n1,Ana\nx,Ben\n", "--dry-run")
    assert result.code == ExitCode.MIGRATION_FAILED
    assert "1 rows would be inserted into people, 1 rejected" in result.err
    assert project.rows("SELECT count(*) FROM people") == [(0,)]
    assert not [*project.folder.glob(".blocks/loads/*")]


@pytest.mark.slow
@pytest.mark.parametrize("key", ["PRIMARY KEY", ""], ids=["key", "no key"])
@pytest.mark.parametrize("fault", ["OC000", "OC001", "connection-lost", "outcome-unknown"])
def test_faults_lose_no_row_and_load_none_twice(project: Project, fault: str, key: str) -> None:
    project.run(f"CREATE TABLE people (id int {key}, name text)")
    content = "id,name\n" + "".join(f"{n},n\n" for n in range(10_000))
    injected = project.cluster.inject(fault, times=2, every=2, table="people")
    assert load(project, content).code == ExitCode.OK
    left = project.cluster.injections().get(injected)
    assert left is None or left.times == 1
    project.cluster.clear_injections()
    assert project.rows("SELECT count(*), count(DISTINCT id) FROM people") == [(10_000, 10_000)]


def test_an_endpoint_is_a_target(project: Project, cluster_keys: list[str]) -> None:
    project.run(TABLE)
    assert load(project, "id,name\n1,Ana\n", *cluster_keys).code == ExitCode.OK
    assert project.rows("SELECT count(*) FROM people") == [(1,)]


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("poeple", "--table poeple: no such table"),
        ("gone.people", "--table gone.people: no such table"),
        ("v", "--table v: not a table"),
    ],
)
def test_an_unknown_table_is_named(project: Project, name: str, what: str) -> None:
    project.run(TABLE, "CREATE VIEW v AS SELECT 1 AS one")
    (project.folder / "people.csv").write_text("id\n1\n")
    result = project.blocks("load", "people.csv", "--table", name)
    assert result.code == ExitCode.USAGE
    assert f"error: {what}" in result.err


PROPOSED = {
    "poeple": "did you mean people?",
    "findings": "did you mean audit.findings?",
    "audit.finding": "did you mean audit.findings?",
    "login_secret": "create it with a migration first",
    "job": "create it with a migration first",
    "migrations": "create it with a migration first",
}
"""Remedy for a name that is no table."""


def test_only_tables_of_the_app_are_proposed(project: Project) -> None:
    """Not those of the local cluster, which no client may read, nor journal and ledger."""
    project.write({"001_people.sql": TABLE})
    assert project.blocks("up").code == ExitCode.OK
    project.run("CREATE SCHEMA audit", "CREATE TABLE audit.findings (id int PRIMARY KEY)")
    (project.folder / "people.csv").write_text("id\n1\n")
    for name, remedy in PROPOSED.items():
        for command in (["load", "people.csv"], ["dump"]):
            result = project.blocks(*command, "--table", name)
            assert result.code == ExitCode.USAGE
            told = ["  why: the database has audit.findings, people", f"  do:  {remedy}"]
            assert result.err.splitlines()[-2:] == told, (name, command)


def test_odd_names(project: Project) -> None:
    project.run(
        'CREATE TABLE "a/b \'c\'" ("the ""key""" int PRIMARY KEY, "a,b" text, "Ä%s{k0}$1" text)',
        "INSERT INTO \"a/b 'c'\" VALUES (1, 'old')",
    )
    (project.folder / "odd.csv").write_text('"the ""key""","a,b",Ä%s{k0}$1\n1,x,y\n2,x,y\nz,,\n', "utf-8")
    result = project.blocks("load", "odd.csv", "--table", "\"a/b 'c'\"")
    assert result.code == ExitCode.MIGRATION_FAILED, result.err
    assert (project.folder / "a_b__c_.rejects.jsonl").exists()
    assert project.rows("SELECT * FROM \"a/b 'c'\" ORDER BY 1") == [(1, "old", None), (2, "x", "y")]


def test_a_missing_parent_rejects_a_row(project: Project) -> None:
    project.run(
        "CREATE TABLE parents (id int PRIMARY KEY)",
        "INSERT INTO parents VALUES (1)",
        "CREATE TABLE people (id int PRIMARY KEY, parent int REFERENCES parents (id), CHECK (id < 100))",
    )
    assert load(project, "id,parent\n1,1\n2,2\n3,\n200,1\n").code == ExitCode.MIGRATION_FAILED
    assert [line for line, _ in rejects(project)] == [3, 5]
    assert project.rows("SELECT id FROM people ORDER BY id") == [(1,), (3,)]


def test_several_files_and_a_folder(project: Project) -> None:
    project.run(TABLE)
    for number in (1, 2):
        (project.folder / f"people{number}.csv").write_text(f"id,name\n{number},n\n")
    assert project.blocks("load", "people1.csv", "people2.csv", "--table", "people").code == ExitCode.OK
    assert project.rows("SELECT count(*) FROM people") == [(2,)]
    assert project.blocks("load", "migrations", "--table", "people", "--format", "csv").code == ExitCode.USAGE
    assert project.blocks("load", "missing.csv", "--table", "people").code == ExitCode.USAGE


@pytest.mark.parametrize(
    ("rows", "done", "seconds", "line"),
    [
        (0, 0, 0.0, "load     0 rows   0 rows/s   0%"),
        (50_000, 250, 10.0, "load     50,000 rows   5,000 rows/s   25%   30 s left"),
        (50_000, 250, 400.0, "load     50,000 rows   125 rows/s   25%   20 min 0 s left"),
        (50_000, 1_000, 9_000.0, "load     50,000 rows   6 rows/s   100%   0 s left"),
    ],
)
def test_progress(rows: int, done: int, seconds: float, line: str) -> None:
    assert Progress("load", 1_000).text(rows, done, seconds) == line
