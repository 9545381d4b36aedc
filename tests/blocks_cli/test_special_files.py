"""Files of the user that are no regular files: each command refuses them at once, with their name."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from blocks_cli.bulk.source import Options, Source
from blocks_cli.commands.invoke import read_event
from blocks_cli.errors import CommandError
from blocks_cli.synth import _read
from blocks_settings import Settings
from dsql_dialect.migrations.files import read_folder
from tests.support.special_files import KINDS, make

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("kind", [each for each in KINDS if each != "folder"])
def test_a_migration_is_a_finding(tmp_path: Path, kind: str) -> None:
    path = make(tmp_path / "001_a.sql", kind)
    (finding,) = read_folder(tmp_path).findings
    assert (finding.path, finding.rule.id, finding.why) == (path, "migration-file", KINDS[kind])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz", "a.jsonl", "a.parquet"])
def test_a_file_to_load_is_refused(tmp_path: Path, kind: str, name: str) -> None:
    path = make(tmp_path / name, kind)
    with pytest.raises(CommandError) as refused:
        Source(str(path), Options()).read_columns()
    assert (refused.value.what, refused.value.why) == (f"{path}: cannot be read", KINDS[kind])


@pytest.mark.parametrize("kind", [each for each in KINDS if each != "dangling link"])
def test_settings_of_the_cdk_are_refused(tmp_path: Path, kind: str) -> None:
    path = make(tmp_path / "cdk.json", kind)
    with pytest.raises(CommandError) as refused:
        _read(path)
    assert refused.value.what == f"{path}: cannot be read"
    assert KINDS[kind] in refused.value.why


@pytest.mark.parametrize("kind", [each for each in KINDS if each != "pipe"])
def test_an_event_is_refused(tmp_path: Path, kind: str) -> None:
    with pytest.raises(CommandError) as refused:
        read_event(f"@{make(tmp_path / 'event.json', kind)}")
    assert refused.value.why == KINDS[kind]


@pytest.mark.parametrize("kind", KINDS)
def test_settings_without_a_regular_file_are_the_defaults(tmp_path: Path, kind: str) -> None:
    make(tmp_path / "pyproject.toml", kind)
    (tmp_path / "cdk.json").write_text("{}")
    assert Settings.of(tmp_path).file.path is None


def test_lint_reads_a_pipe_that_is_named(tmp_path: Path) -> None:
    """As of the shell's `<(command)`."""
    program = "from blocks_cli.main import main; main()"
    shell = f"{sys.executable} -c '{program}' lint <(echo 'SELECT 1;')"
    done = subprocess.run(["bash", "-c", shell], cwd=tmp_path, capture_output=True, text=True, timeout=30)
    assert "1 file, no problems found" in done.stderr
