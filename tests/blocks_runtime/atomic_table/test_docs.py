"""The page on `AtomicTable`: every example is run, and prints the output on the page."""

from __future__ import annotations

import doctest
import re
import sys
import types
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from local_dynamodb.divergences import DIVERGENCES, markdown
from local_dynamodb.faults import Fault

if TYPE_CHECKING:
    from blocks_runtime import AtomicTable
    from local_dynamodb import LocalDynamo

aws_cdk = pytest.importorskip(
    "aws_cdk", reason="the page has a stack; other Pythons are tested without the CDK"
)

PAGE = Path(__file__).parents[3] / "docs" / "atomic-table.md"
TEXT = PAGE.read_text(encoding="utf-8")
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_OVER_DATABASE = "DistributedDatabase("


def test_the_examples_print_the_output_on_the_page(
    dynamodb_table: AtomicTable, dynamo: LocalDynamo, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    module = types.ModuleType("example")
    monkeypatch.setitem(sys.modules, "example", module)
    names, stacks = vars(module), dict[str, Any]()
    runner = doctest.DocTestRunner(verbose=False)
    said: list[str] = []
    shown = 0
    (tmp_path / "functions").mkdir()
    for language, text in _BLOCK.findall(TEXT):
        if language == "python" and _OVER_DATABASE not in text:
            here = text.replace('"functions"', repr(str(tmp_path / "functions")))
            exec(compile(here, str(PAGE), "exec"), stacks if "aws_cdk" in text else names)
        elif language == "pycon":
            example = doctest.DocTestParser().get_doctest(text, names, PAGE.name, str(PAGE), 0)
            runner.run(example, out=said.append, clear_globs=False)
            names.update(example.globs)
            shown += 1
    assert not said, "".join(said)
    assert shown > 5
    names["test_a_throttled_write_is_repeated"](dynamo, monkeypatch)
    stacks["Jobs"](aws_cdk.App(outdir=str(tmp_path / "out")), "Jobs")


def test_the_page_lists_every_difference() -> None:
    assert markdown() in TEXT
    assert len({each.id for each in DIVERGENCES}) == len(DIVERGENCES)


@pytest.mark.parametrize("fault", Fault)
def test_the_page_lists_every_fault(fault: Fault) -> None:
    assert f"`{fault.value}`" in TEXT
