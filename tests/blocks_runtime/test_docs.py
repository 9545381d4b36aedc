"""The pages on the runtime: every example is run, and prints the output on the page."""

from __future__ import annotations

import doctest
import os
import re
import subprocess
import sys
import types
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from local_dsql import LocalCluster
    from tests.support.code_blocks import Block

DOCS = Path(__file__).parents[2] / "docs"


def test_the_examples_print_the_output_on_the_page(
    dsql: LocalCluster, monkeypatch: pytest.MonkeyPatch, page_blocks: list[Block]
) -> None:
    for name, value in dsql.environment("main").items():
        monkeypatch.setenv(name, value)
    module = types.ModuleType("example")
    monkeypatch.setitem(sys.modules, "example", module)
    names = vars(module)
    exec(
        "from blocks_runtime import DistributedDatabase, sql\n"
        "with DistributedDatabase('main') as first:\n"
        "    first.execute(sql('CREATE TABLE accounts (id int PRIMARY KEY, balance int NOT NULL)'))\n"
        "    first.execute(sql('INSERT INTO accounts SELECT n, 100 FROM generate_series(1, 1000) AS n'))\n",
        names,
    )
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS, verbose=False)
    said: list[str] = []
    shown = 0
    for block in page_blocks:
        if block.language == "python":
            exec(compile(block.body, block.page, "exec"), names)
        else:
            example = doctest.DocTestParser().get_doctest(
                block.body, names, str(block), block.page, block.line
            )
            runner.run(example, out=said.append, clear_globs=False)
            names.update(example.globs)
            shown += 1
    names["db"].close()
    assert not said, "".join(said)
    assert shown > 10


@pytest.mark.slow
def test_the_test_of_a_handler_on_the_page_works(tmp_path: Path, page_blocks: list[Block]) -> None:
    migration = "migrations/001_create_accounts.sql"
    assert {block.file for block in page_blocks} == {
        *("", "transfers.py", "conftest.py", "test_transfers.py", "test_budget.py", migration),
    }
    (tmp_path / "migrations").mkdir()
    for block in page_blocks:
        if block.file:
            (tmp_path / block.file).write_text(block.body, encoding="utf-8")
        else:
            passed = block.body.splitlines()[-1]
            assert passed in run_pytest(tmp_path)
    run_pytest(tmp_path)


def run_pytest(folder: Path) -> str:
    """Run all tests of a folder, which must pass, and return the output."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-W", "error"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("page", ["runtime.md", "testing.md"])
def test_links_have_a_target(page: str) -> None:
    for link in re.findall(r"\]\(([\w./-]+\.md)\)", (DOCS / page).read_text(encoding="utf-8")):
        assert (DOCS / link).exists(), link


def test_every_public_name_is_mentioned() -> None:
    """A call that the pages leave out is hard to find."""
    from blocks_runtime import DistributedDatabase

    page = (DOCS / "runtime.md").read_text(encoding="utf-8") + (DOCS / "testing.md").read_text(
        encoding="utf-8"
    )
    for name in vars(DistributedDatabase) | vars(DistributedDatabase.__mro__[1]):
        if not name.startswith("_"):
            assert name in page, name
