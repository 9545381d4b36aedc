"""A project with the migrations of several databases, before its first deploy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from blocks_cli.exit_codes import ExitCode
from blocks_cli.main import main

if TYPE_CHECKING:
    from pathlib import Path

SETTINGS = """
[tool.blocks.databases.main]
migrations = "migrations/main"
[tool.blocks.databases.audit]
migrations = "migrations/audit"
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "cdk.json").write_text("{}")
    for name in ("audit", "main"):
        folder = tmp_path / "migrations" / name
        folder.mkdir(parents=True)
        (folder / "001_a.sql").write_text("CREATE TABLE a (id int PRIMARY KEY);")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(capfd: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    with pytest.raises(SystemExit) as ended:
        main([*arguments])
    assert isinstance(ended.value.code, int)
    return ended.value.code, capfd.readouterr().err


@pytest.mark.parametrize("command", ["lint", "status", "plan", "up"])
@pytest.mark.usefixtures("project")
def test_each_database_has_its_own_folder(capfd: pytest.CaptureFixture[str], command: str) -> None:
    code, err = run(capfd, command)
    assert code == ExitCode.USAGE
    assert "each database has its own: migrations/audit, migrations/main" in err
    for remedy in (
        "--migrations migrations/audit",
        "[tool.blocks.databases.audit]",
        "`blocks deploy --local`",
    ):
        assert remedy in err


def test_lint_names_what_it_did_not_check(project: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (project / "pyproject.toml").write_text(SETTINGS)
    code, err = run(capfd, "lint")
    assert code == ExitCode.OK
    assert "not checked, of other databases: migrations/audit; pass --migrations" in err
    assert "not checked" not in run(capfd, "lint", "--migrations", "migrations/audit")[1]
