"""The page on `AtomicTable`: every example is run, and prints the output on the page."""

from __future__ import annotations

import contextlib
import doctest
import io
import re
import shlex
import signal
import subprocess
import sys
import types
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from blocks_runtime import AtomicTable, Item, sql
from blocks_runtime.contract import TableVariables
from blocks_runtime.errors import AccessDenied
from local_dynamodb.divergences import DIVERGENCES, markdown
from local_dynamodb.faults import Fault

if TYPE_CHECKING:
    from local_dsql import LocalCluster
    from local_dynamodb import LocalDynamo
    from tests.support.code_blocks import Block

aws_cdk = pytest.importorskip(
    "aws_cdk", reason="the page has a stack; other Pythons are tested without the CDK"
)

PAGE = Path(__file__).parents[3] / "docs" / "atomic-table.md"
TEXT = PAGE.read_text(encoding="utf-8")
_OVER_DATABASE = "DistributedDatabase("


def test_the_examples_print_the_output_on_the_page(
    dynamodb_table: AtomicTable,
    dynamo: LocalDynamo,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    dsql: LocalCluster,
    page_blocks: list[Block],
) -> None:
    module = types.ModuleType("example")
    monkeypatch.setitem(sys.modules, "example", module)
    names, stacks = vars(module), dict[str, Any]()
    runner = doctest.DocTestRunner(verbose=False)
    said: list[str] = []
    shown = 0
    (tmp_path / "functions").mkdir()
    for block in page_blocks:
        text = block.body
        if _OVER_DATABASE in text:
            check_over_database(text, dsql, monkeypatch)
        elif block.language == "python":
            here = text.replace('"functions"', repr(str(tmp_path / "functions")))
            exec(compile(here, str(PAGE), "exec"), stacks if "aws_cdk" in text else names)
        else:
            example = doctest.DocTestParser().get_doctest(text, names, str(block), str(PAGE), block.line)
            runner.run(example, out=said.append, clear_globs=False)
            names.update(example.globs)
            shown += 1
    assert not said, "".join(said)
    assert shown > 5
    names["test_a_throttled_write_is_repeated"](dynamo, monkeypatch)
    stacks["Jobs"](aws_cdk.App(outdir=str(tmp_path / "out")), "Jobs")


def check_over_database(example: str, dsql: LocalCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run the example that prints the statement of a migration; its table takes items after the statement."""
    names, printed = dict[str, Any](), io.StringIO()
    with monkeypatch.context() as patch:
        for name, value in dsql.environment("main").items():
            patch.setenv(name, value)
        with contextlib.redirect_stdout(printed):
            exec(compile(example, str(PAGE), "exec"), names)
        with names["db"] as db, names["table"] as table:
            db.execute(sql(printed.getvalue()))
            table.set(Item("user#1", "profile", "Ann"))
            assert table.get(("user#1", "profile")).data == "Ann"


def test_the_refusal_of_a_write_is_the_one_on_the_page(
    dynamo: LocalDynamo, monkeypatch: pytest.MonkeyPatch, page_blocks: list[Block]
) -> None:
    """As a role without permissions on the table."""
    (shown,) = (block.body for block in page_blocks)
    dynamo.create_table("items")
    dynamo.identity("ASIAREPORT", "arn:aws:iam::123456789012:role/Report", [])
    variables = dynamo.environment() | TableVariables("items", "us-east-1").environment("locks")
    for name, value in {**variables, "AWS_ACCESS_KEY_ID": "ASIAREPORT"}.items():
        monkeypatch.setenv(name, value)
    with AtomicTable("locks") as table, pytest.raises(AccessDenied) as refused:
        table.set(Item("user#1", "profile", "Ann"))
    pattern = re.escape(" ".join(shown.split())).replace("…", ".*")
    assert re.match(pattern, " ".join(f"AccessDenied: {refused.value}".split())), str(refused.value)


def test_the_server_prints_the_variable_on_the_page(tmp_path: Path, page_blocks: list[Block]) -> None:
    ((command, shown),) = (block.body.removeprefix("$ ").splitlines() for block in page_blocks)
    server = subprocess.Popen(
        [sys.executable, *shlex.split(command)[1:]],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        text=True,
    )
    with server:
        assert server.stdout is not None
        printed = server.stdout.readline().strip()
        server.send_signal(signal.SIGINT)
        assert server.wait(20) == 0
    assert re.sub(r"\d+$", "PORT", printed) == re.sub(r"\d+$", "PORT", shown)


def test_the_page_lists_every_difference() -> None:
    assert markdown() in TEXT
    assert len({each.id for each in DIVERGENCES}) == len(DIVERGENCES)


@pytest.mark.parametrize("fault", Fault)
def test_the_page_lists_every_fault(fault: Fault) -> None:
    assert f"`{fault.value}`" in TEXT
