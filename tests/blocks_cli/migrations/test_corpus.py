"""Each folder of the corpus has exactly its marked findings, at their places."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from blocks_cli.exit_codes import ExitCode
from dsql_dialect import profiles
from dsql_dialect.migrations import MigrationErrors, compile_folder
from dsql_dialect.migrations import rules as migration_rules
from dsql_dialect.profiles import profile
from dsql_dialect.rule import Rule
from dsql_dialect.rules import RULES
from tests.blocks_cli.migrations.corpus import BYTES, FOLDERS, ONE_FILE
from tests.blocks_cli.migrations.corpus_of_rules import NEWEST, PORTABLE

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.blocks_cli.migrations.conftest import Project

    TargetOptions = tuple[str, int, int, str]

MARK = re.compile("«([a-z0-9-]+)»")
CORPUS: dict[str, dict[str, str | bytes]] = {
    **{name: {"001_x.sql": text} for name, text in (ONE_FILE | PORTABLE).items()},
    **FOLDERS,
}


def marked(name: str, text: str) -> tuple[str, list[TargetOptions]]:
    """Return a text without its marks, and their places as lines and columns from 1."""
    places, plain = [], ""
    parts = MARK.split(text)
    for before, rule in zip(parts[::2], [*parts[1::2], None], strict=True):
        plain += before
        seen = plain.removeprefix("\ufeff").replace("\r\n", "\n")
        if rule is not None:
            places.append((name, seen.count("\n") + 1, len(seen) - seen.rfind("\n"), rule))
    return plain, places


def write(folder: Path, files: Mapping[str, str | bytes]) -> list[TargetOptions]:
    """Write the files, and return the marked places."""
    expected = []
    for name, text in files.items():
        assert isinstance(text, str)
        plain, places = marked(name, text)
        (folder / name).write_bytes(plain.encode())
        expected += places
    return expected


def found(folder: Path, dialect: str = "portable") -> list[TargetOptions]:
    with pytest.raises(MigrationErrors) as caught:
        compile_folder(folder, profile(dialect))
    return [(each.path.name, each.line, each.column, each.rule.id) for each in caught.value.findings]


@pytest.mark.parametrize("files", CORPUS.values(), ids=CORPUS)
def test_findings_are_where_they_are_marked(tmp_path: Path, files: Mapping[str, str | bytes]) -> None:
    expected = write(tmp_path, files)
    assert sorted(found(tmp_path)) == sorted(expected)


@pytest.mark.parametrize(("data", "line", "column"), BYTES.values(), ids=BYTES)
def test_invalid_utf_8_is_reported_at_its_first_byte(
    tmp_path: Path, data: bytes, line: int, column: int
) -> None:
    (tmp_path / "001_x.sql").write_bytes(data)
    assert found(tmp_path) == [("001_x.sql", line, column, "migration-encoding")]


@pytest.mark.parametrize("text", NEWEST.values(), ids=NEWEST)
def test_findings_of_the_newest_dialect_are_where_they_are_marked(tmp_path: Path, text: str) -> None:
    expected = write(tmp_path, {"001_x.sql": text})
    assert sorted(found(tmp_path, profiles.NEWEST.name)) == sorted(expected)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "001_x.sql").symlink_to("nowhere.sql")
    assert found(tmp_path) == [("001_x.sql", 1, 1, "migration-file")]


ELSEWHERE = {
    "migration-encoding": "a file of bytes that are no text has no place for a mark: BYTES",
    "migrations-folder": "there is no file",
    "migrations-in-subfolders": "there is no file: tests/dsql_dialect/test_real_files.py",
    "migration-file": "there is nothing to read: test_a_file_that_cannot_be_read",
    "too-many-rows": "its text has thousands of rows: tests/dsql_dialect/test_row_limit.py",
    "multiple-ddl": "a rule of transactions; in a file it is one-ddl-per-file",
    "ddl-with-dml": "a rule of transactions; in a file it is ddl-beside-dml",
}


def test_every_rule_that_a_file_can_break_has_a_case() -> None:
    texts = [str(text) for files in CORPUS.values() for text in files.values()] + [*NEWEST.values()]
    marks = {rule for text in texts for rule in MARK.findall(text)}
    ours = {rule.id for rule in vars(migration_rules).values() if isinstance(rule, Rule)}
    assert marks == (RULES.keys() | ours) - ELSEWHERE.keys()
    assert len(CORPUS) + len(BYTES) + len(NEWEST) >= 60


FORMATS: dict[str, tuple[list[str], str]] = {
    "text": (["--format", "text"], "migrations/002_b.sql:1:1: TRUNCATE is not supported [truncate]\n  why: "),
    "github": (["--format", "github"], "::error file=migrations/002_b.sql,line=1,col=1,title=truncate::TRUNCATE "),
}  # fmt: skip


@pytest.mark.parametrize(("options", "begins"), FORMATS.values(), ids=FORMATS)
def test_lint_as_text_and_for_github(project: Project, options: list[str], begins: str) -> None:
    write(project.migrations, FOLDERS["a faulty file beside sound ones"])
    result = project.blocks("lint", *options)
    assert result.code == ExitCode.USAGE
    assert result.out.startswith(begins)
    assert result.err.splitlines() == [
        "target   files   migrations   dialect portable",
        "1 finding, explained by `blocks explain-error truncate`",
    ]


def test_lint_as_json(project: Project) -> None:
    expected = write(project.migrations, FOLDERS["everything at once"])
    result = project.blocks("lint", "--json")
    rows = json.loads(result.out)["findings"]
    assert sorted((each["file"], each["line"], each["column"], each["rule"]) for each in rows) == sorted(
        (f"migrations/{name}", line, column, rule) for name, line, column, rule in expected
    )
    assert {*rows[0]} == {"file", "line", "column", "rule", "what", "why", "sqlstate", "remedy"}
    assert project.blocks("lint", "--format", "json").out == result.out


def test_lint_for_code_scanning(project: Project) -> None:
    """The properties that SARIF 2.1.0 requires, and those that code scanning shows."""
    expected = write(project.migrations, FOLDERS["everything at once"])
    log = json.loads(project.blocks("lint", "--format", "sarif").out)
    assert (log["version"], len(log["runs"])) == ("2.1.0", 1)
    driver = log["runs"][0]["tool"]["driver"]
    assert {rule["id"] for rule in driver["rules"]} == {rule for *_, rule in expected}
    places = []
    for result in log["runs"][0]["results"]:
        (location,) = result["locations"]
        where = location["physicalLocation"]
        region = where["region"]
        uri = where["artifactLocation"]["uri"].removeprefix("migrations/")
        places.append((uri, region["startLine"], region["startColumn"], result["ruleId"]))
        assert result["message"]["text"]
    assert sorted(places) == sorted(expected)


def test_no_finding_no_output(project: Project) -> None:
    project.write({"001_a": "CREATE TABLE a (id int PRIMARY KEY);"})
    for style, out in (("text", ""), ("github", ""), ("json", '{\n  "findings": []\n}\n')):
        result = project.blocks("lint", "--format", style)
        assert (result.code, result.out) == (ExitCode.OK, out)
        assert result.err.splitlines()[-1] == "1 migration, no problems found"
