"""Three versions of the reference app's migrations, deployed by the command line.

The second one fails; the third one corrects it and adds a migration.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from blocks_cli.exit_codes import ExitCode
from tests.end_to_end.conftest import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping

SECOND = {
    "004_add_branch": "ALTER TABLE accounts ADD COLUMN branch TEXT;\n",
    "005_found_branches": "UPDATE accounts SET branch = 'Head office';\n\n"
    "-- A fee above all balances: the accounts hold 10,000 each.\n"
    "UPDATE accounts SET balance = balance - 20000;\n",
    "006_index_branch": "CREATE INDEX ASYNC accounts_branch ON accounts (branch);\n",
}
THIRD = {
    "005_found_branches": SECOND["005_found_branches"].replace("20000", "0"),
    "007_note": "COMMENT ON COLUMN accounts.branch IS 'where the account was opened';\n",
}


@dataclass(frozen=True)
class App:
    """A copy of the reference app, and `blocks` commands in it."""

    folder: Path

    def write(self, files: Mapping[str, str]) -> None:
        for name, text in files.items():
            (self.folder / "examples/bank/migrations" / f"{name}.sql").write_text(text)

    def blocks(self, *arguments: str, code: ExitCode = ExitCode.OK) -> subprocess.CompletedProcess[str]:
        program = str(Path(sys.executable).parent / "blocks")
        done = subprocess.run(
            [program, *arguments], cwd=self.folder, capture_output=True, text=True, check=False
        )
        assert done.returncode == code, f"{arguments}: {done.stdout}{done.stderr}"
        return done

    def deploy(self, code: ExitCode = ExitCode.OK) -> str:
        """Deploy and return the messages on stderr."""
        return self.blocks("deploy", "--local", "--app", f"{sys.executable} app.py", code=code).stderr

    def status(self) -> dict[str, str]:
        """Return the state of each migration."""
        done = self.blocks("status", "--json", "--migrations", "examples/bank/migrations")
        return {row["name"]: row["state"] for row in json.loads(done.stdout)["migrations"]}

    def accounts(self) -> dict[str, object]:
        """Invoke the function that reads the accounts."""
        answer = self.blocks("invoke", "Accounts", "--event", '{"limit": 1}')
        payload: dict[str, object] = json.loads(answer.stdout)
        return payload


@pytest.fixture
def app(tmp_path: Path) -> App:
    for name in ("app.py", "cdk.json"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / "examples", tmp_path / "examples", ignore=shutil.ignore_patterns("__pycache__"))
    return App(tmp_path)


@pytest.mark.slow
def test_three_versions_of_which_one_fails_and_is_corrected(app: App) -> None:
    app.deploy()
    first = ["001_create_accounts", "002_seed_accounts", "003_index_accounts_owner"]
    assert app.status() == dict.fromkeys(first, "applied")
    before = app.accounts()
    assert before["balance"] == 10_000_000

    app.write(SECOND)
    said = app.deploy(code=ExitCode.MIGRATION_FAILED)
    assert "005_found_branches.sql:4:1: DSQL refused the statement" in said
    assert 'SQLSTATE 23514: new row for relation "accounts" violates check constraint' in said
    assert app.status() == {
        **dict.fromkeys([*first, "004_add_branch"], "applied"),
        "005_found_branches": "failed",
        "006_index_branch": "pending",
    }
    assert app.accounts() == before, "the functions of the first version go on"

    app.write(THIRD)
    app.deploy()
    assert app.status() == dict.fromkeys(sorted({*first, *SECOND, *THIRD}), "applied")
    assert app.accounts() == before
