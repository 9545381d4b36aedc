"""`blocks lint` on files, folders and standard input: what it reads, what it shows, what it says it did not read."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from blocks_cli.exit_codes import ExitCode
from blocks_cli.main import main
from blocks_cli.migrations import lint_formats

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

SERIAL = "CREATE TABLE a (id serial PRIMARY KEY);\n"
SOUND = "CREATE TABLE a (id uuid PRIMARY KEY);\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "cdk.json").write_text("{}")
    monkeypatch.chdir(tmp_path)
    for name in ("BLOCKS_MIGRATIONS", "BLOCKS_DIALECT"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def write(folder: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def lint(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, list[str]]:
    """Run the command; return its exit code, what it printed, and the lines of its messages."""
    with pytest.raises(SystemExit) as ended:
        main(["lint", *arguments])
    printed = capsys.readouterr()
    assert isinstance(ended.value.code, int)
    return ended.value.code, printed.out, printed.err.splitlines()


def test_a_folder_without_migrations_is_not_called_correct(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "migrations").mkdir()
    code, out, err = lint(capsys)
    assert (code, out) == (ExitCode.USAGE, "")
    assert err[-3:] == [
        "error: migrations: nothing to check",
        "  why: it has no file NNN_name.sql",
        "  do:  create the first one with `blocks new NAME`",
    ]


def test_a_folder_of_folders_names_them(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(folder, {"prisma/migrations/0_init/migration.sql": SERIAL})
    code, out, _ = lint(capsys, "--migrations", "prisma/migrations")
    assert code == ExitCode.USAGE
    assert "prisma/migrations:1:1: No migrations in the folder" in out
    assert "`0_init` below it: sub-folders are not read" in out
    code, out, _ = lint(capsys, "prisma/migrations")
    assert code == ExitCode.USAGE
    assert out.startswith("prisma/migrations/0_init/migration.sql:1:20: Serial types")


def test_sub_folders_beside_migrations_are_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(
        folder,
        {"migrations/001_a.sql": SOUND, "migrations/seeds/b.sql": "TRUNCATE a", "migrations/docs/a.md": ""},
    )
    code, _, err = lint(capsys)
    assert code == ExitCode.OK
    assert err[-2:] == [
        "note     sub-folders are not read: migrations/seeds",
        "1 migration, no problems found",
    ]


def test_a_file_as_folder_of_migrations(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(folder, {"schema.sql": SERIAL})
    code, _, err = lint(capsys, "--migrations", "schema.sql")
    assert code == ExitCode.USAGE
    assert err[-3] == "error: schema.sql: not a folder"
    assert "`blocks lint schema.sql` checks the file" in err[-1]


def test_files_are_read_whatever_their_names(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(folder, {"schema.txt": f"BEGIN;\n{SOUND}COMMIT;\nSELECT 1;\n", "b.sql": SERIAL})
    code, out, err = lint(capsys, "schema.txt")
    assert (code, out, err[-1]) == (ExitCode.OK, "", "1 file, no problems found")
    code, out, _ = lint(capsys, "schema.txt", "b.sql", "--json")
    assert code == ExitCode.USAGE
    assert [(each["file"], each["rule"]) for each in json.loads(out)["findings"]] == [("b.sql", "serial")]


def test_standard_input(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(SERIAL.encode())))
    code, out, _ = lint(capsys, "-")
    assert code == ExitCode.USAGE
    assert out.startswith("<stdin>:1:20: Serial types are not supported")


def test_an_empty_standard_input_is_not_called_correct(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a pg_dump that failed."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"")))
    code, out, err = lint(capsys, "-")
    assert (code, out) == (ExitCode.USAGE, "")
    assert err[-3:-1] == ["error: <stdin>: nothing to check", "  why: it is empty"]


def test_files_far_below_a_folder_are_read(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(folder, {"src/main/resources/db/migration/tenants/V1__a.sql": SERIAL})
    code, out, _ = lint(capsys, ".")
    assert code == ExitCode.USAGE
    assert out.startswith("src/main/resources/db/migration/tenants/V1__a.sql:1:20: Serial types")


def test_a_pipe_is_read(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    reader, writer = os.pipe()
    try:
        os.write(writer, SERIAL.encode())
        os.close(writer)
        code, out, _ = lint(capsys, f"/dev/fd/{reader}")
    finally:
        os.close(reader)
    assert code == ExitCode.USAGE
    assert ":1:20: Serial types are not supported" in out


@pytest.mark.skipif(sys.platform != "linux", reason="a file system that takes any bytes as a name")
@pytest.mark.parametrize("style", ["text", "json", "sarif", "github"])
def test_a_file_whose_name_is_not_utf8(folder: Path, style: str) -> None:
    (folder / os.fsdecode(b"a\xff,%\n.sql")).write_text(SERIAL)
    command = [sys.executable, "-m", "blocks_cli.main", "lint", ".", "--format", style]
    ran = subprocess.run(command, capture_output=True, check=False)
    assert ran.returncode == ExitCode.USAGE, ran.stderr
    printed = ran.stdout.decode("utf-8", "surrogateescape")
    if style == "sarif":
        (result,) = json.loads(printed)["runs"][0]["results"]
        assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "a%FF%2C%25%0A.sql"
    elif style == "json":
        assert [each["rule"] for each in json.loads(printed)["findings"]] == ["serial"]
    else:
        assert "Serial types are not supported" in printed


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["nowhere.sql"], "error: nowhere.sql: no such file"),
        (["empty"], "error: empty: nothing to check"),
        (["blank.sql"], "error: blank.sql: nothing to check"),
        (["b.sql", "--migrations", "empty"], "error: --migrations and PATH"),
    ],
)
def test_what_cannot_be_checked(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], what: str
) -> None:
    write(folder, {"b.sql": SOUND, "blank.sql": "\ufeff\r\n"})
    (folder / "empty").mkdir()
    code, out, err = lint(capsys, *arguments)
    assert (code, out, err[-3]) == (ExitCode.USAGE, "", what)


def dump(rows: int) -> str:
    inserts = "".join(f"INSERT INTO a VALUES ({number});\n" for number in range(rows))
    return f"{SOUND}{inserts}TRUNCATE a;\n"


def test_findings_of_one_kind_are_folded_and_summarized(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(folder, {"migrations/001_dump.sql": dump(50)})
    _, out, err = lint(capsys)
    assert out.splitlines()[-1] == "migrations/001_dump.sql: 41 more like this [ddl-beside-dml]"
    assert out.count("[ddl-beside-dml]") == 11
    assert "[truncate]" in out
    assert err[-3:] == [
        "      51 × ddl-beside-dml: DDL and changes of rows in one migration",
        "       1 × truncate: TRUNCATE is not supported",
        "52 findings, explained by `blocks explain-error RULE`",
    ]
    assert lint(capsys, "--max", "0")[1].count("[ddl-beside-dml]") == 51
    assert lint(capsys, "--max", "1")[1].count("\n") == 7


def test_findings_for_programs_are_all_there_unless_a_number_is_given(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(folder, {"migrations/001_dump.sql": dump(50)})
    assert len(json.loads(lint(capsys, "--json")[1])["findings"]) == 52
    limited = json.loads(lint(capsys, "--json", "--max", "2")[1])
    assert len(limited["findings"]) == 3
    assert limited["more"] == [{"file": "migrations/001_dump.sql", "rule": "ddl-beside-dml", "number": 49}]
    for style in sorted({*lint_formats.FORMATS} - {"text", "json"}):
        assert lint(capsys, "--format", style, "--max", "2")[1].count("ddl-beside-dml") < 6


BYTES = 1_800_000
MEASURED = """
import re, resource, sys
from pathlib import Path
from blocks_cli.main import main
try:
    main(["lint", "--dialect", "2026-09"])
except SystemExit as ended:
    code = ended.code
used = resource.getrusage(resource.RUSAGE_SELF)
# ru_maxrss would count the memory of the process that started this one.
kilobytes = int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
print(code, used.ru_utime + used.ru_stime, kilobytes // 1024, file=sys.stderr)
"""


@pytest.mark.slow
def test_a_dump_of_almost_two_megabytes_takes_two_seconds_and_300_megabytes(folder: Path) -> None:
    row = "INSERT INTO line (line_id, invoice_id, price, name) VALUES ({n}, 7, 0.99, N'It''s a name of some length');\n"
    size = len(row.format(n=10_000))
    rows = "".join(row.format(n=number) for number in range(BYTES // size))
    write(folder, {"migrations/001_dump.sql": SOUND + rows})
    ended = subprocess.run([sys.executable, "-c", MEASURED], capture_output=True, text=True, check=True)
    code, seconds, megabytes = ended.stderr.split()[-3:]
    assert int(code) == ExitCode.USAGE
    assert float(seconds) < 2
    assert int(megabytes) < 300
