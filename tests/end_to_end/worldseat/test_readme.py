"""Every command of the example's README, run as it is written."""

from __future__ import annotations

import itertools
import os
import shlex
import signal
import subprocess
from typing import TYPE_CHECKING, NamedTuple

import pytest

from examples.worldseat.browser import PICTURES, find_chromium
from examples.worldseat.client import BACKENDS
from examples.worldseat.regions import SIZES
from tests.end_to_end.conftest import ROOT
from tests.end_to_end.worldseat.conftest import EXAMPLE
from tests.support import shell_page
from tests.support.code_blocks import Block, blocks_of
from tests.support.http_requests import fetch

if TYPE_CHECKING:
    from pathlib import Path

README = (EXAMPLE / "README.md").read_text(encoding="utf-8")
COMMANDS = [
    command
    for block in blocks_of(EXAMPLE / "README.md")
    if block.language == "console"
    for command in shell_page.commands(block.body)
]
WORLDSEAT = ".venv/bin/python -m examples.worldseat"
LIMIT = 1800
ROUNDS = 10


class Line(NamedTuple):
    """A line of the table that `burst` prints, as far as it is checked."""

    backend: str
    buyers: int
    rounds: int
    sold: int
    oversold: int
    lost: int
    conflicts: int
    agree: bool


def lines(table: str) -> list[Line]:
    """Return the lines of a table."""
    found = []
    for row in table.splitlines():
        cells = row.split()
        if len(cells) > 10 and cells[1].isdigit():
            buyers, rounds, sold, oversold, lost, conflicts = (
                int(cells[index]) for index in (1, 3, 4, 5, 6, 9)
            )
            agree = cells[-1] == "yes"
            found.append(Line(cells[0], buyers, rounds, sold, oversold, lost, conflicts, agree))
    return found


def test_the_table_of_the_page_has_lines_of_the_command(page_blocks: list[Block]) -> None:
    """The page has the lines that were measured last; the test below measures all."""
    (table,) = (block.body for block in page_blocks)
    found = lines(table)
    assert {"dsql", "atomic"} <= {each.backend for each in found}
    for each in found:
        _check(each)


@pytest.mark.slow
def test_bursts_of_all_sizes_on_all_back_ends() -> None:
    """Measure the table of the page; `BLOCKS_WRITE_DOCS=1` writes it."""
    table = _run(f"{WORLDSEAT} burst")
    found = lines(table)
    assert [(each.backend, each.buyers) for each in found] == [*itertools.product(BACKENDS, SIZES)]
    for each in found:
        _check(each)
        assert each.rounds == ROUNDS
        if each.backend in ("dsql", "atomic"):
            assert each.sold == ROUNDS, "a seat is sold in each round"
    if os.environ.get("BLOCKS_WRITE_DOCS"):
        begin, end = "<!-- burst -->\n", "<!-- /burst -->"
        before, _, rest = README.partition(begin)
        page = f"{before}{begin}```text\n{table.strip()}\n```\n{end}{rest.partition(end)[2]}"
        (EXAMPLE / "README.md").write_text(page, encoding="utf-8")


def _check(line: Line) -> None:
    assert line.lost == 0
    if line.backend in ("dsql", "atomic"):
        assert line.oversold == 0
        assert line.agree
    if line.backend == "replicated":
        assert line.oversold > 0
    if line.backend == "dsql":
        assert line.conflicts > 0


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
def test_commands(command: str, tmp_path: Path, page_blocks: list[Block]) -> None:
    assert any(command in block.body for block in page_blocks)
    if command == "make worldseat":
        _serve(tmp_path)
    elif command.startswith(f"{WORLDSEAT} burst"):
        table = _run(command)
        assert lines(table), table
        for each in lines(table):
            if "--stop" in command:
                assert (each.oversold, each.lost, each.agree) == (0, 0, True)
            else:
                _check(each)
    elif command == f"{WORLDSEAT} pictures":
        if find_chromium() is None:
            pytest.skip("no Chromium on PATH; install the package chromium")
        _run(f"{command} --folder {tmp_path}")
        assert {path.stem for path in tmp_path.glob("*.png")} == set(PICTURES)
    else:
        pytest.fail(f"no test for {command}")


def _run(command: str) -> str:
    ran = subprocess.run(shlex.split(command), cwd=ROOT, capture_output=True, text=True, timeout=LIMIT)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def _serve(folder: Path) -> None:
    """Run what `make worldseat` runs, with a deployment of this test."""
    command = _run("make --dry-run --assume-old=.venv/.ready worldseat").splitlines()[-1]
    process = subprocess.Popen(
        [*shlex.split(command), "--folder", str(folder)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        status, _, body = fetch(url.partition("#")[0])
        assert status == 200
        assert b"<h1>WorldSeat</h1>" in body
        assert process.poll() is None
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
        process.communicate()
