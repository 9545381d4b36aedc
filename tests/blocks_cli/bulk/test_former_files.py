"""Files that are there before a dump or load: of an interrupted run, damaged, or of other programs."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from blocks_cli.exit_codes import ExitCode
from tests.blocks_cli.bulk.test_interruptions import start

if TYPE_CHECKING:
    from pathlib import Path

    from tests.blocks_cli.migrations.conftest import Project, Result

DUMP = ("dump", "--table", "notes", "-o", "notes.csv")
WHOLE = b"n,t\n1,a\n2,b\n3,c\n"
FOREIGN = b"precious\n" * 100


@pytest.fixture(autouse=True)
def _clean(project: Project) -> None:
    for file in [*project.folder.glob("*.*"), *project.folder.glob(".blocks/loads/*")]:
        if file.is_file() and file.name != "cdk.json":
            file.unlink()


def interrupt_dump(project: Project, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """Interrupt a dump after its first row; return the partial file and the journal."""
    project.run(
        "CREATE TABLE notes (n int PRIMARY KEY, t text)",
        "INSERT INTO notes VALUES (1, 'a'), (2, 'b'), (3, 'c')",
    )
    with monkeypatch.context() as patched:
        patched.setattr("blocks_cli.bulk.dump.FIRST", 1)
        patched.setattr("blocks_cli.bulk.dump.next_size", _interrupt)
        assert project.blocks(*DUMP).code == ExitCode.INTERRUPTED
    partial, journal = (project.folder / f"notes.csv.{each}" for each in ("partial", "journal"))
    assert partial.read_bytes() == b"n,t\n1,a\n"
    return partial, journal


def _interrupt(*_: int) -> int:
    raise KeyboardInterrupt


CONTINUED: dict[str, tuple[bytes | None, bytes | None]] = {
    "as they were": (b"n,t\n1,a\n", b"same"),
    "more, unrecorded": (b"n,t\n1,a\n2,", b"same"),
    "partial file missing": (None, b"same"),
    "partial file emptied": (b"", b"same"),
    "both missing": (None, None),
    "an empty partial file alone": (b"", None),
    "a damaged journal alone": (None, b""),
}
"""Partial file and journal (b"same": the one of the interrupted run) from which the same command makes the dump."""

REFUSED: dict[str, tuple[bytes, bytes | None, str]] = {
    "a partial file alone": (FOREIGN, None, "notes.csv.partial: is there already"),
    "partial file shorter": (
        b"n,t\n1",
        b"same",
        "notes.csv.partial: is not as the interrupted run has left it",
    ),
    "partial file edited": (b"n,t\n9,z\n", b"same", "notes.csv.partial: is not as"),
    "another partial file": (FOREIGN, b"same", "notes.csv.partial: is not as"),
    "journal empty": (b"n,t\n1,a\n", b"", "notes.csv.journal: damaged"),
    "journal {}": (b"n,t\n1,a\n", b"{}", "notes.csv.journal: damaged"),
    "journal cut": (b"n,t\n1,a\n", b'{"dump": {"tar', "notes.csv.journal: damaged"),
    "journal without a member": (b"n,t\n1,a\n", b'{"dump": {}, "rows": 1}', "notes.csv.journal: damaged"),
}
"""Partial file, journal, and the error, from which --restart makes the dump."""


def put(path: Path, content: bytes | None) -> None:
    if content is None:
        path.unlink(missing_ok=True)
    elif content != b"same":
        path.write_bytes(content)


@pytest.mark.parametrize(("partial", "journal"), CONTINUED.values(), ids=CONTINUED)
def test_the_same_dump_makes_the_whole_file(
    project: Project, monkeypatch: pytest.MonkeyPatch, partial: bytes | None, journal: bytes | None
) -> None:
    files = interrupt_dump(project, monkeypatch)
    put(files[0], partial)
    put(files[1], journal)
    result = project.blocks(*DUMP)
    assert result.code == ExitCode.OK, result.err
    assert (project.folder / "notes.csv").read_bytes() == WHOLE
    assert not any(each.exists() for each in files)


@pytest.mark.parametrize(("partial", "journal", "what"), REFUSED.values(), ids=REFUSED)
def test_another_file_is_refused_and_a_restart_makes_the_whole_file(
    project: Project, monkeypatch: pytest.MonkeyPatch, partial: bytes, journal: bytes | None, what: str
) -> None:
    files = interrupt_dump(project, monkeypatch)
    if partial == FOREIGN:
        files[0].rename(project.folder / "moved.partial")
    put(files[0], partial)
    put(files[1], journal)
    refused = project.blocks(*DUMP)
    assert refused.code == ExitCode.USAGE
    assert f"error: {what}" in refused.err
    assert "--restart" in refused.err.splitlines()[-1]
    assert files[0].read_bytes() == partial
    assert not (project.folder / "notes.csv").exists()
    assert project.blocks(*DUMP, "--restart").code == ExitCode.OK
    assert (project.folder / "notes.csv").read_bytes() == WHOLE
    assert not any(each.exists() for each in files)
    known = journal == b"same" and partial != FOREIGN
    kept = [each.read_bytes() for each in project.folder.glob("notes.csv.partial.*")]
    assert kept == ([] if known else [partial])


@pytest.mark.parametrize("options", [(), ("--restart",)], ids=["", "restart"])
@pytest.mark.parametrize(
    "content", [FOREIGN, b'{"some": "program"}\n', b"\0\xff"], ids=["text", "JSON", "bytes"]
)
def test_a_journal_of_another_program_is_not_overwritten(
    project: Project, content: bytes, options: tuple[str, ...]
) -> None:
    project.run("CREATE TABLE notes (n int PRIMARY KEY, t text)")
    project.run("CREATE TABLE rows (n int PRIMARY KEY)")
    (project.folder / "notes.csv.journal").write_bytes(content)
    refused = project.blocks(*DUMP, *options)
    assert refused.code == ExitCode.USAGE
    assert "notes.csv.journal: not the journal of a dump" in refused.err
    assert (project.folder / "notes.csv.journal").read_bytes() == content
    (project.folder / "rows.csv").write_text("n\n1\n")
    (project.folder / "other.journal").write_bytes(content)
    refused = project.blocks("load", "rows.csv", "--table", "rows", "--journal", "other.journal", *options)
    assert refused.code == ExitCode.USAGE
    assert "other.journal: not the journal of a load" in refused.err
    assert (project.folder / "other.journal").read_bytes() == content


def write(project: Project, name: str, rows: int = 60) -> None:
    """Write a CSV file whose every sixth line is no row, and begins with the name of the file."""
    lines = (f"{name}{n},t" if n % 6 == 1 else f"{n},t" for n in range(rows))
    (project.folder / f"{name}.csv").write_text("\n".join(["n,t", *lines, ""]))


def rejects(path: Path) -> list[str]:
    return [json.loads(line)["record"] for line in path.read_text("utf-8").splitlines()]


def load(project: Project, name: str, *options: str) -> Result:
    return project.blocks("load", f"{name}.csv", "--table", "rows", "--transaction-rows", "10", *options)


def test_each_load_has_a_reject_file_of_its_own(project: Project) -> None:
    """In sequence, dry runs included."""
    project.run("CREATE TABLE rows (n int PRIMARY KEY, t text)")
    expected = {}
    for number, (name, options) in enumerate(
        [("a", ()), ("b", ()), ("a", ("--dry-run",)), ("b", ("--rejects", "mine.jsonl"))], 1
    ):
        write(project, name)
        result = load(project, name, *options)
        path = (
            "mine.jsonl"
            if options[:1] == ("--rejects",)
            else f"rows.{number}.rejects.jsonl".replace(".1.", ".")
        )
        assert f"why: {path} has each with its line" in result.err
        expected[path] = [f"{name}{n},t" for n in range(60) if n % 6 == 1]
    for path, lines in expected.items():
        assert sorted(rejects(project.folder / path)) == sorted(lines), path


def test_loads_at_the_same_time_have_reject_files_of_their_own(project: Project) -> None:
    project.run("CREATE TABLE rows (n int PRIMARY KEY, t text)")
    names = ("a", "b", "c")
    for name in names:
        write(project, name)
    processes = [start(project, "load", f"{name}.csv", "--table", "rows") for name in names]
    with ThreadPoolExecutor() as pool:
        outputs = [*pool.map(lambda each: each.communicate(timeout=60), processes)]
    for name, (_, err) in zip(names, outputs, strict=True):
        path = err.decode().partition("why: ")[2].partition(" has each")[0]
        assert len(found := rejects(project.folder / path)) == 10
        assert {each[0] for each in found} == {name}


def test_a_named_reject_file_that_is_there_is_refused(project: Project) -> None:
    project.run("CREATE TABLE rows (n int PRIMARY KEY, t text)")
    write(project, "a")
    notes = project.folder / "notes.txt"
    notes.write_bytes(FOREIGN)
    refused = load(project, "a", "--rejects", "notes.txt")
    assert refused.code == ExitCode.USAGE
    assert "--rejects notes.txt: is there already" in refused.err
    assert load(project, "a", "--max-rejects", "3", "--parallel", "1").code == ExitCode.MIGRATION_FAILED
    refused = load(project, "a", "--rejects", "notes.txt")
    assert refused.code == ExitCode.USAGE
    assert "the rejects so far are in rows.rejects.jsonl" in refused.err
    assert notes.read_bytes() == FOREIGN
    assert load(project, "a").code == ExitCode.MIGRATION_FAILED
    assert len(rejects(project.folder / "rows.rejects.jsonl")) == 10
    assert load(project, "a", "--rejects", "/dev/null").code == ExitCode.MIGRATION_FAILED


@pytest.mark.parametrize("content", [b"", b"x", None, FOREIGN], ids=["emptied", "short", "missing", "other"])
def test_a_load_does_not_continue_without_its_rejects(project: Project, content: bytes | None) -> None:
    project.run("CREATE TABLE rows (n int PRIMARY KEY, t text)")
    write(project, "a")
    assert load(project, "a", "--max-rejects", "3", "--parallel", "1").code == ExitCode.MIGRATION_FAILED
    path = project.folder / "rows.rejects.jsonl"
    former = path.read_bytes()
    put(path, content)
    refused = load(project, "a")
    assert refused.code == ExitCode.USAGE
    assert "rows.rejects.jsonl: is not as the interrupted run has left it" in refused.err
    assert (path.read_bytes() if path.exists() else None) == content
    if content == FOREIGN:
        assert load(project, "a", "--restart").code == ExitCode.MIGRATION_FAILED
        assert path.read_bytes() == FOREIGN
        path = project.folder / "rows.2.rejects.jsonl"
    else:
        path.write_bytes(former)
        assert load(project, "a").code == ExitCode.MIGRATION_FAILED
    assert len(rejects(path)) == 10


def interrupt_load(project: Project, key: str, others: int) -> None:
    """Interrupt a load after 20 rows of 60; the table also has rows of others."""
    project.run(f"CREATE TABLE rows (n int {key}, t text)")
    if others:
        project.run(f"INSERT INTO rows SELECT -n FROM generate_series(1, {others}) AS n")
    write(project, "a")
    assert load(project, "a", "--max-rejects", "3", "--parallel", "1").code == ExitCode.MIGRATION_FAILED
    assert 0 < len(project.rows("SELECT 1 FROM rows WHERE n >= 0")) < 50


@pytest.mark.parametrize("changed", [False, True], ids=["same file", "changed file"])
@pytest.mark.parametrize(("key", "others"), [("PRIMARY KEY", 0), ("PRIMARY KEY", 5), ("", 0), ("", 5)])
def test_a_restart_loads_no_row_twice(project: Project, key: str, others: int, changed: bool) -> None:
    """Each remedy of a message is followed to its end."""
    interrupt_load(project, key, others)
    if changed:
        with (project.folder / "a.csv").open("a") as file:
            file.write("60,t\n")
        refused = load(project, "a")
        assert refused.code == ExitCode.USAGE
        assert ": of another load" in refused.err
        assert ("do:  pass --restart" in refused.err) == bool(key)
    restarted = load(project, "a", "--restart")
    if key:
        assert restarted.code == ExitCode.MIGRATION_FAILED
        assert "rows inserted" in restarted.err
    else:
        assert restarted.code == ExitCode.USAGE
        assert "rows of it are in the table, and no key tells them" in restarted.err
        project.run("DELETE FROM rows WHERE n >= 0")
        if others:
            (journal,) = (project.folder / ".blocks" / "loads").iterdir()
            assert f"remove .blocks/loads/{journal.name}" in restarted.err
            journal.unlink()
            assert "rows inserted" in load(project, "a").err
        else:
            assert "then pass --restart if the table is empty" in restarted.err
            assert "rows inserted" in load(project, "a", "--restart").err
    expected = 50 + changed
    assert project.rows("SELECT count(*), count(DISTINCT n) FROM rows WHERE n >= 0") == [(expected, expected)]
