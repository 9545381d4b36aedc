"""The README as a newcomer reads it: its stack and handler are deployed, and each of its commands is run."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import psycopg
import pytest

from blocks_cli.local import LocalDeployment
from blocks_cli.synth import synthesize
from tests.end_to_end.conftest import REGION, ROOT
from tests.support import shell_page
from tests.support.code_blocks import Block, blocks_of

if TYPE_CHECKING:
    from pathlib import Path

APP = """

import aws_cdk
app = aws_cdk.App()
Shop(app, "Shop")
app.synth()
"""
TABLE = "CREATE TABLE orders (id INT PRIMARY KEY, status TEXT NOT NULL);\n"
ROWS = "INSERT INTO orders VALUES (7, 'shipped');\n"


def blocks(language: str) -> list[str]:
    """Return the code blocks of the README in a language."""
    return [block.body for block in blocks_of(ROOT / "README.md") if block.language == language]


def test_the_smallest_stack_runs_the_smallest_handler(tmp_path: Path, page_blocks: list[Block]) -> None:
    stack, handler = (block.body for block in page_blocks)
    for name, text in {
        "app.py": stack + APP,
        "functions/orders.py": handler,
        "migrations/001_orders.sql": TABLE,
        "migrations/002_rows.sql": ROWS,
    }.items():
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8")
    assembly = synthesize(tmp_path, tmp_path / "cdk.out", REGION, f"{sys.executable} app.py")
    with LocalDeployment.deploy(assembly, tmp_path, region=REGION) as deployment:
        assert deployment.invoke("Orders", {"id": 7}).payload == {"status": "shipped"}
        assert deployment.invoke("Orders", {"id": 8}).payload is None


README = (ROOT / "README.md").read_text("utf-8")
DEMO = "make demo"


def transcripts() -> dict[str, str]:
    """Return each command of the README, without its comment, and the output that is shown below it."""
    found = {}
    for block in blocks("console"):
        for command, output in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", block, re.MULTILINE):
            found[command.partition("#")[0].strip()] = output
    return found


def shell(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a command as it is written."""
    return subprocess.run(
        ["/bin/sh", "-c", command], cwd=folder, capture_output=True, text=True, check=False, timeout=500
    )


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of the app of this repository, with the virtual environment that `make setup` has made."""
    for name in ("app.py", "cdk.json", "Makefile"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(
        ROOT / "examples", tmp_path / "examples", ignore=shutil.ignore_patterns("cdk.out", ".blocks")
    )
    (tmp_path / "node_modules").symlink_to(ROOT / "node_modules")
    (tmp_path / ".venv").symlink_to(sys.prefix)
    return tmp_path


def test_every_command_of_the_readme_is_run(page_blocks: list[Block]) -> None:
    commands = {*transcripts()}
    assert commands == {DEMO, REFUSED, *DEPLOYMENT, DATABASE}
    assert len(commands) == sum(block.body.count("$ ") for block in page_blocks)


def demo_command() -> str:
    """Return the last command of `make demo`."""
    return shell(
        f"make --no-print-directory --dry-run --assume-old=.venv/.ready {DEMO.split()[1]}", ROOT
    ).stdout.splitlines()[-1]


def test_make_demo_starts_the_demo() -> None:
    assert "-m examples.bank.demo" in demo_command()
    assert set(re.findall(r"`make ([a-z-]+)", README)) <= set(
        re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE)
    )


@pytest.mark.slow
def test_the_demo_prints_what_the_readme_shows(checkout: Path) -> None:
    """Line by line; the page leaves out the lines of progress, and of the deploy after the first one.

    With BLOCKS_WRITE_DOCS set, the lines are written into the README.
    """
    command = re.sub(r"^.*-m", ".venv/bin/python -u -m", demo_command())
    ran = shell(f"{command} 2>&1", checkout)
    assert ran.returncode == 0, ran.stdout
    kept = [line for line in ran.stdout.splitlines() if not re.fullmatch(r"demo: +\d+ done", line)]
    if "BLOCKS_WRITE_DOCS" in os.environ:
        steps = [number for number, line in enumerate(kept) if line.startswith("demo:   ")]
        kept[steps[0] + 1 : steps[-1] + 1] = ["  …"]
        (ROOT / "README.md").write_text(README.replace(transcripts()[DEMO], "\n".join([*kept, ""])), "utf-8")
        return
    printed, shown = (
        shell_page.shape(f"```console\n{text}```") for text in ("\n".join([*kept, ""]), transcripts()[DEMO])
    )
    begin, _, end = (part.splitlines() for part in shown.partition(" …\n"))
    lines = printed.splitlines()
    assert lines[: len(begin)] == begin
    assert lines[-len(end) :] == end


MAKEFILE = (ROOT / "Makefile").read_text("utf-8")
REFUSED = ".venv/bin/python app.py"


@pytest.mark.slow
def test_a_refused_migration_fails_the_synth_as_shown(tmp_path: Path) -> None:
    stack, handler = blocks("python")
    for name, text in {
        "app.py": stack + APP,
        "functions/orders.py": handler,
        "migrations/001_orders.sql": TABLE,
        "migrations/005_clear.sql": "-- Remove the orders of last year.\n\nTRUNCATE orders;\n",
    }.items():
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8")
    (tmp_path / ".venv").symlink_to(sys.prefix)
    ran = shell(REFUSED, tmp_path)
    assert ran.returncode == 1
    shown = transcripts()[REFUSED].partition("…\n")[2]
    assert shown.count("\n") == 4
    assert ran.stderr.endswith(shown)


DEPLOYMENT = (
    ".venv/bin/blocks deploy --local",
    """.venv/bin/blocks invoke Accounts --event '{"limit": 3}'""",
    ".venv/bin/blocks destroy --local",
)


@pytest.mark.slow
def test_the_app_is_deployed_invoked_and_destroyed_by_the_commands(checkout: Path) -> None:
    deploy, invoke, destroy = DEPLOYMENT
    for command in (deploy, invoke):
        ran = shell(command, checkout)
        assert ran.returncode == 0, ran.stderr
    answer = json.loads(ran.stdout)
    assert (len(answer["ids"]), answer["accounts"], answer["overdrawn"]) == (3, 1_000, 0)
    ran = shell(destroy, checkout)
    assert ran.returncode == 0, ran.stderr
    ran = shell(invoke, checkout)
    assert "nothing is deployed" in ran.stderr


DATABASE = ".venv/bin/python -m local_dsql"


@pytest.mark.slow
def test_the_database_alone_prints_a_connection_string(checkout: Path) -> None:
    server = subprocess.Popen(
        DATABASE.split(), cwd=checkout, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert server.stdout is not None
    with server:
        try:
            url = next(line.strip() for line in server.stdout if line.startswith("postgresql://"))
            with psycopg.connect(url, autocommit=True) as connection:
                assert connection.execute("SELECT 6 * 7").fetchone() == (42,)
        finally:
            server.send_signal(signal.SIGINT)
        assert server.wait(60) == 0
