"""Comparison of our findings with those of AWS's linter, and the page with the differences.

`dsql-lint` is a program by AWS (PyPI, MIT-0) with its own rules and parser, so it is independent of our reading of the
dialect. The comparison is whether a file is refused, in the dialect of the recordings: `dsql-lint` has one dialect, and
its newest version, 0.2.22 of October 2026, knows nothing of what is newer.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dsql_dialect import parse
from dsql_dialect.migrations import MigrationErrors, compile_folder
from dsql_dialect.migrations import rules as migration_rules
from dsql_dialect.profiles import RECORDED
from dsql_dialect.rule import Rule
from dsql_dialect.rules import RULES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

DIALECT = RECORDED
PARSE_ERROR = "parse_error"
_DOCUMENTS = ("absent from", "PostgreSQL 16")

OF_FILES = {rule.id for rule in vars(migration_rules).values() if isinstance(rule, Rule)}
"""Rules of migration files and folders, which no linter of statements has."""

GRAMMAR = "open: PostgreSQL 16 has it; no cluster was asked"
GUIDE = "we: AWS user guide, ALTER TABLE, has SET SCHEMA"
SETS_SEARCH_PATH = "ALTER USER admin SET search_path = public"
HIGH_TARGET = "ALTER STATISTICS s SET STATISTICS 101"
BY_RULE = {SETS_SEARCH_PATH: ("unsupported_alter_user",), HIGH_TARGET: ("statistics_target",)}
"""The statements that dsql-lint can parse, and refuses, and that we accept."""

ACCEPTED: Mapping[str, str] = {
    "CREATE TABLE a (v int CHECK (v > 0) NO INHERIT)": GRAMMAR,
    "SELECT JSON_OBJECT('a': 1), '{}' IS JSON": GRAMMAR,
    "CREATE TABLE a (LIKE b INCLUDING ALL)": GRAMMAR,
    "CREATE TABLE a (id int) WITHOUT OIDS": GRAMMAR,
    "ALTER TABLE async ADD COLUMN v int": "we: a table may be called async; ASYNC and then a name is DSQL's form",
    "ALTER TABLE a SET SCHEMA y": GUIDE,
    "ALTER TABLE a SET SCHEMA s": GUIDE,
    "ALTER DOMAIN d DROP CONSTRAINT c": GRAMMAR,
    "GRANT SELECT ON database TO app": "we: a table may be called database; PostgreSQL 16 does not reserve the word",
    "CREATE SCHEMA s CREATE TABLE a (id int)": "we: AWS release notes, 2026-04-24",
    HIGH_TARGET: "dsql-lint: measured by others in October 2026; the dialect `2026-11` refuses it, too",
    SETS_SEARCH_PATH: "we: the tests of AWS's dialects send it to a cluster, which accepts it",
}
"""Statements that we accept and dsql-lint does not: the correct side, and the evidence."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """The rules that each of the two programs reports for one file."""

    name: str
    text: str
    ours: tuple[str, ...]
    theirs: tuple[str, ...]

    @property
    def differs(self) -> bool:
        """True if one program refuses the file and the other does not."""
        return bool(self.ours) != bool(self.theirs)

    @property
    def of_files(self) -> bool:
        """True if all our findings concern the file, not a statement."""
        return bool(self.ours) and OF_FILES.issuperset(self.ours)


def program() -> str | None:
    """Return the path of dsql-lint: beside the interpreter, or on PATH."""
    return shutil.which("dsql-lint", path=Path(sys.executable).parent) or shutil.which("dsql-lint")


def compare_folders(folders: Mapping[str, Path]) -> list[Comparison]:
    """Compare the files of migration folders, given by name."""
    files = [(name, file) for name, folder in folders.items() for file in sorted(folder.iterdir())]
    theirs = lint(file for _, file in files)
    ours: dict[Path, list[str]] = {}
    for folder in folders.values():
        for path, rule in _compiled(folder):
            ours.setdefault(path, []).append(rule)
    return [
        Comparison(_title(name, file, folders[name]), _text(file), tuple(ours.get(file, ())), theirs[file])
        for name, file in files
    ]


def compare_examples(folder: Path) -> list[Comparison]:
    """Compare the refused and accepted examples of every rule of the dialect."""
    examples = {}
    for rule in RULES.values():
        for kind, text in (("refused", rule.refused), ("accepted", rule.accepted)):
            file = folder / f"{rule.id}.{kind}.sql"
            file.write_text(text, "utf-8")
            examples[file] = (f"{rule.id}, {kind}", text)
    theirs = lint(examples)
    return [
        Comparison(
            name, _plain(text), tuple(each.rule.id for each in parse(text, DIALECT).findings), theirs[file]
        )
        for file, (name, text) in examples.items()
    ]


def lint(files: Iterable[Path]) -> dict[Path, tuple[str, ...]]:
    """Return the rules that dsql-lint reports for each file."""
    command = program()
    assert command is not None
    done = subprocess.run(
        [command, "--format", "json", *map(str, files)], capture_output=True, text=True, check=False
    )
    assert done.returncode in (0, 1), done.stderr
    return {
        Path(each["file"]): tuple(found["rule"] for found in each["diagnostics"])
        for each in json.loads(done.stdout)["files"]
    }


def document(comparisons: Sequence[Comparison]) -> str:
    """Return the tables of the page: each difference once, with the correct side and the evidence."""
    different = {each.text: each for each in comparisons if each.differs}.values()
    files = [each for each in different if each.of_files]
    refused = [each for each in different if each.ours and not each.of_files]
    unread = [each for each in different if each.theirs]
    return "\n".join(
        [
            f"{len({each.text for each in comparisons})} files were read, {len(different)} verdicts differ.",
            "",
            "## We refuse a statement, dsql-lint does not",
            "",
            "| file | rule | DSQL answers | who is right, and by what |",
            "|---|---|---|---|",
            *(
                f"| {_code(each.text)} | `{each.ours[0]}` | {_answer(each)} | {_evidence(each)} |"
                for each in refused
            ),
            "",
            "## dsql-lint refuses a statement, we do not",
            "",
            "| file | its finding | who is right, and by what |",
            "|---|---|---|",
            *(f"| {_code(each.text)} | `{each.theirs[0]}` | {ACCEPTED[each.text]} |" for each in unread),
            "",
            "## We refuse a file, each statement of which stands alone",
            "",
            "| file | rule | why |",
            "|---|---|---|",
            *(f"| {_code(each.text)} | `{each.ours[0]}` | {_rule_title(each)} |" for each in files),
            "",
        ]
    )


def _compiled(folder: Path) -> list[tuple[Path, str]]:
    try:
        compile_folder(folder, DIALECT)
    except MigrationErrors as errors:
        return [(each.path, each.rule.id) for each in errors.findings]
    return []


def _title(name: str, file: Path, folder: Path) -> str:
    return name if len([*folder.iterdir()]) == 1 else f"{name}: {file.name}"


def _text(file: Path) -> str:
    return _plain(file.read_bytes().decode("utf-8"))


def _plain(text: str) -> str:
    """Return a file as one line, so that two layouts of a statement are equal."""
    return " ".join(text.removeprefix("-- in line 2\n").split()).removesuffix(";")


def _code(text: str) -> str:
    shown = text.replace("|", "\\|").replace("\0", "\\0")
    return f"`{shown}`" if shown else "(empty)"


def _rule(each: Comparison) -> Rule:
    return next(RULES[rule] for rule in each.ours if rule in RULES)


def _answer(each: Comparison) -> str:
    rule = _rule(each)
    return f"{rule.sqlstate} `{rule.text}`"


def _evidence(each: Comparison) -> str:
    source = _rule(each).source
    return f"we, by documents: {source}" if source.startswith(_DOCUMENTS) else f"we: {source}"


def _rule_title(each: Comparison) -> str:
    rules = {rule.id: rule for rule in vars(migration_rules).values() if isinstance(rule, Rule)}
    return rules[each.ours[0]].title
