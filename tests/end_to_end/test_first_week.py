"""The first week of a new user: each step leads to the next one, and each fault to its remedy."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from blocks_cli.exit_codes import ExitCode
from tests.support.dev_process import ROOT, DevProcess
from tests.support.http_requests import fetch
from tests.support.processes import processes_of

if TYPE_CHECKING:
    from pathlib import Path

HOME, PEER, OTHER = "us-east-1", "us-east-2", "eu-west-1"
MIGRATIONS = 13
TOTALS = """
from blocks_runtime import DistributedDatabase, sql

db = DistributedDatabase("main")

def handler(event, context):
    return {"orders": db.query_value(sql("SELECT count(*) FROM orders"))}
"""


class Week:
    """Runs the commands of a project, each in its own process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def run(self, module: str, *arguments: str, code: int = ExitCode.OK) -> str:
        """Return the output of a module, after a check of the exit code."""
        return self._run(["-m", module, *arguments], code)

    def _run(self, command: list[str], code: int = ExitCode.OK) -> str:
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "AWS_REGION": HOME}
        ended = subprocess.run(
            [sys.executable, "-P", *command],
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        output = ended.stdout + ended.stderr
        assert ended.returncode == code, output
        assert "Traceback" not in output
        if code != ExitCode.OK:
            parts = [line[:6] for line in ended.stderr.splitlines()]
            assert {"error:", "  why:", "  do: "} <= set(parts), output
        return output

    def blocks(self, *arguments: str, code: int = ExitCode.OK) -> str:
        """Return the output of `blocks`."""
        return self.run("blocks_cli.main", *arguments, code=code)

    def local_dsql(self, *arguments: str) -> str:
        """Return the output of `local-dsql`."""
        program = "from local_dsql.cli import main; main()"
        return self._run(["-c", program, *arguments])

    def write(self, name: str, text: str) -> None:
        """Write a file of the project."""
        (self.folder / name).write_text(text, "utf-8")


@pytest.mark.slow
def test_the_first_week(tmp_path: Path) -> None:
    week = Week(tmp_path)
    assert "next     cd shop && blocks dev" in week.blocks("init", "shop")
    week.folder = tmp_path / "shop"
    _add_a_function(week)
    _add_migrations(week)
    assert "7 passed" in week.run("pytest", "-q")
    _develop(week)
    _deploy(week)
    _use_two_regions(week)
    _reset(week)
    _try_another_region(week)
    _damage_files(week)
    _clean(week)
    assert processes_of(tmp_path) == []


def _add_a_function(week: Week) -> None:
    week.write("functions/totals.py", TOTALS)
    app = (week.folder / "app.py").read_text()
    start, end = app.index("        orders = lambda_.Function"), app.index("        db = Dist")
    second = app[start:end].replace("orders", "totals").replace("Orders", "Totals")
    app = app[:end] + second + app[end:]
    grant = "        db.grant_connect(orders)\n"
    week.write("app.py", app.replace(grant, grant + grant.replace("orders", "totals")))


def _add_migrations(week: Week) -> None:
    assert "created  migrations/002_add_t2.sql" in week.blocks("new", "add_t2")
    for number in range(2, MIGRATIONS + 1):
        week.write(
            f"migrations/{number:03}_add_t{number}.sql", f"CREATE TABLE t{number} (id UUID PRIMARY KEY);\n"
        )
    assert "13 migrations, no problems found" in week.blocks("lint")
    assert "13 pending" in week.blocks("status")


def _develop(week: Week) -> None:
    dev = DevProcess(week.folder, "--region", HOME)
    try:
        url = dev.url()
        dev.wait_for("ready    each saved change is deployed; Ctrl-C ends")
        assert fetch(url, data=b'{"item": "tea"}', headers={"content-type": "application/json"})[0] == 201
        source = (week.folder / "functions/orders.py").read_text()
        week.write("functions/orders.py", source.replace("return response(200", "return response(203"))
        assert "functions/orders.py: " in dev.wait_for("deployed ")
        assert fetch(url)[0] == 203
        week.write("functions/orders.py", source)
        dev.wait_for("deployed ")
        week.write("migrations/014_bad.sql", "TRUNCATE orders;\n")
        assert "TRUNCATE" in dev.wait_for("error: ")
        week.write("migrations/014_bad.sql", "CREATE TABLE t14 (id UUID PRIMARY KEY);\n")
        assert "applied 014_bad" in dev.wait_for("deployed ")
        assert "`blocks dev` is running" in week.blocks("deploy", "--local", code=ExitCode.USAGE)
    finally:
        assert dev.end() == ExitCode.OK


def _deploy(week: Week) -> None:
    assert "next     blocks invoke Shop/Totals --event '{}'" in week.blocks("deploy", "--local")
    assert json.loads(
        week.blocks("invoke", "Shop/Totals", "--json").partition("\ntarget")[0].split("ok  ")[0]
    )
    assert '"orders": 1' in week.blocks("invoke", "Shop/Totals", "--event", "{}")
    assert "did you mean Shop/Totals?" in week.blocks("invoke", "Totls", code=ExitCode.USAGE)
    assert "14 applied" in week.blocks("status")
    assert "no differences" in week.blocks("verify")
    assert "nothing to repair" in week.blocks("repair")


def _use_two_regions(week: Week) -> None:
    project = (week.folder / "pyproject.toml").read_text()
    setting = 'migrations = "migrations"\n'
    week.write("pyproject.toml", project.replace(setting, f'{setting}regions = ["{HOME}", "{PEER}"]\n'))
    assert f"{HOME}, {PEER}" in week.blocks("config")
    assert "deployed no changes" in week.blocks("deploy", "--local")
    week.local_dsql("start")
    ports = {
        word
        for region in (HOME, PEER)
        for word in week.local_dsql("dsn", "--region", region).split()
        if word.startswith("port=")
    }
    assert len(ports) == 2
    assert "stopped" in week.local_dsql("stop")
    assert '"orders": 1' in week.blocks("invoke", "Totals")


def _reset(week: Week) -> None:
    assert "the database is empty" in week.local_dsql("reset")
    told = week.blocks("invoke", "Totals", code=ExitCode.USAGE)
    assert "the database was reset since the deploy" in told
    assert "run `blocks deploy --local`" in told
    assert "deployed 3 changes" in week.blocks("deploy", "--local")
    assert '"orders": 0' in week.blocks("invoke", "Totals")


def _try_another_region(week: Week) -> None:
    told = week.blocks("deploy", "--local", "--region", OTHER, code=ExitCode.USAGE)
    assert f"its Region was {HOME}, not {OTHER}" in told
    assert f"deploy with --region {HOME}" in told
    assert '"orders": 0' in week.blocks("invoke", "Totals"), "nothing was changed"


DAMAGES = {
    "local/main/built.json": (ExitCode.CANNOT_CONNECT, "restore the file from a copy"),
    "local/main/cluster.json": (
        ExitCode.CANNOT_CONNECT,
        "remove the file; the cluster gets a new identifier",
    ),
    "stacks/Shop.json": (ExitCode.USAGE, "or remove it and deploy again"),
    "local/main/ca.pem": (ExitCode.OK, ""),
    "local/main/tls/server.key": (ExitCode.OK, ""),
    "local/main/server.json": (ExitCode.OK, ""),
}
"""Exit code and remedy by damaged file; what can be made again is made again without a word."""


def _damage_files(week: Week) -> None:
    for name, (code, remedy) in DAMAGES.items():
        file = week.folder / ".blocks" / name
        kept = week.folder / "kept"
        if file.exists():
            shutil.copy2(file, kept)
        file.write_text("garbage")
        told = week.blocks("invoke", "Totals", code=code)
        assert remedy in told, name
        assert code == ExitCode.OK or file.name in told
        if code != ExitCode.OK:
            shutil.copy2(kept, file)
        assert '"orders": 0' in week.blocks("invoke", "Totals"), name


def _clean(week: Week) -> None:
    shown = week.blocks("clean", "--dry-run")
    assert "compiled modules" in shown
    assert "would free" in shown
    assert "freed" in week.blocks("clean")
    assert '"orders": 0' in week.blocks("invoke", "Totals")
    assert "deployed no changes" in week.blocks("deploy", "--local")
    week.blocks("destroy", "--local", "--purge")
    assert "nothing is deployed" in week.blocks("invoke", "Totals", code=ExitCode.USAGE)
