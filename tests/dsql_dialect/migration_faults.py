"""The faults of migrations written to a folder, for tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dsql_dialect import profile
from dsql_dialect.migrations import MigrationErrors, compile_folder

if TYPE_CHECKING:
    from pathlib import Path

    from dsql_dialect.migrations import MigrationFinding


def faults(path: Path, files: dict[str, str], dialect: str = "2026-09") -> list[MigrationFinding]:
    for name, text in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text(text)
    try:
        compile_folder(path, profile(dialect))
    except MigrationErrors as errors:
        return list(errors.findings)
    return []


def told(found: list[MigrationFinding]) -> list[tuple[str, int, int, str]]:
    return [(each.path.name, each.line, each.column, each.rule.id) for each in found]
