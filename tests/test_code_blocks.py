"""Code blocks of the pages: a test verifies each of them, and each command line is one that its program accepts."""

from __future__ import annotations

import ast
import functools
import re
import textwrap
from pathlib import Path

import pytest

from blocks_runtime.contract import Access, database_role
from tests.support import code_blocks, guide, shell_page, transcript
from tests.support.code_blocks import VERIFIED, Block
from tests.support.command_lines import Refused, check

ROOT = Path(__file__).parents[1]
SHELLS = ("console", "sh")
HELPERS = {"guide": guide.FENCE, "transcript": transcript.FENCE, "shell_page": shell_page.CONSOLE}
"""Modules that play a page from top to bottom, and find its blocks with these patterns."""
WIDTH = 100
"""Characters of the widest line of a diagram: more would be scrolled on the site."""


def verifiers(block: Block) -> list[str]:
    """Return the tests that verify a block."""
    return [test for test, taken in VERIFIED.items() if any(each.has(block) for each in taken)]


def test_every_block_is_verified_by_one_test() -> None:
    found = {str(block): verifiers(block) for block in code_blocks.every_block()}
    assert len(found) > 250
    assert {block: tests for block, tests in found.items() if len(tests) != 1} == {}


def test_every_fence_belongs_to_a_block() -> None:
    """A fence that is not closed, or indented, would hide a block."""
    for page in code_blocks.page_files():
        fences = re.findall(r"^ *```", page.read_text("utf-8"), re.MULTILINE)
        assert len(fences) == 2 * len(code_blocks.blocks_of(page)), page.name


@functools.cache
def functions(file: str) -> dict[str, ast.FunctionDef]:
    """Return the functions of a module by name."""
    tree = ast.parse((ROOT / file).read_text("utf-8"))
    return {each.name: each for each in tree.body if isinstance(each, ast.FunctionDef)}


@pytest.mark.parametrize("test", VERIFIED, ids=lambda test: test.rpartition("/")[2])
def test_a_test_of_the_inventory_takes_its_blocks_from_it(test: str) -> None:
    """It has the fixture `page_blocks`, or plays the pages with a helper, whose pattern must find the blocks."""
    file, _, name = test.partition("::")
    function = functions(file).get(name)
    assert function is not None, f"{file} has no {name}"
    blocks = code_blocks.taken_by(test)
    assert blocks != []
    if "page_blocks" in {argument.arg for argument in function.args.args}:
        return
    text = (ROOT / file).read_text("utf-8")
    patterns = [
        pattern
        for helper, pattern in HELPERS.items()
        if re.search(rf"import .*\b{helper}\b|\.{helper} import", text)
    ]
    assert [str(each) for each in blocks if not any(it.fullmatch(each.text) for it in patterns)] == []


WRONG = {"blocks up --to one --json"}
"""Command lines whose refusal is shown."""


def lines_of(block: Block) -> list[str]:
    """Return the command lines of a block."""
    if re.search(r"^\$ ", block.body, re.MULTILINE):
        return [line.replace("\\\n", " ") for line in shell_page.commands(block.body)]
    return block.body.replace("\\\n", " ").splitlines() if block.language in SHELLS else []


def refusals(block: Block) -> list[str]:
    """Return the command lines of a block that a program refuses."""
    found = []
    for line in lines_of(block):
        if line in WRONG or "; do " in line:  # a loop of the shell, which a test runs
            continue
        try:
            check(line)
        except Refused as error:
            found.append(f"{block}: {line}\n  {error}")
    return found


def test_every_command_line_is_accepted_by_its_program() -> None:
    blocks = [block for block in code_blocks.every_block() if lines_of(block)]
    assert {block.page for block in blocks} >= {"README.md", "docs/cli.md", "docs/start.md", "docs/proof.md"}
    found = [refused for block in blocks for refused in refusals(block)]
    assert not found, "\n".join(found)


def test_a_command_for_a_person_is_accepted_by_its_program(page_blocks: list[Block]) -> None:
    """It needs AWS, installs packages, does not end, or takes minutes; `REASONS` has why for each program."""
    for block in page_blocks:
        lines = lines_of(block)
        assert lines, str(block)
        assert refusals(block) == []
        assert [line for line in lines if not any(re.search(reason, line) for reason in REASONS)] == []


REASONS = {
    r"\bcdk\b|\baws\b|^psql|^export PG|--stack\b|--endpoint\b|--function\b|--dsn": "needs a cluster on AWS",
    r"blocks acceptance": "deploys to AWS",
    r"blocks deploy --local --cluster": "test_operations.py deploys this way, by the API",
    r"^(python3 -m venv|pip|npm) |pre-commit|make setup": "installs packages; test_install.py tests the extras",
    r"^make [a-z]+": "takes minutes; tests/proof and tests/cloudformation run the same",
    r"blocks dev$": "does not end; tests/blocks_cli/dev and the cast run it",
    r"^(blocks (baseline|verify)|\.venv/bin/python -m pytest|pytest|cat|cd|export PATH)": "the page has no output",
}
"""Reasons for a person to run a command, by a pattern of the line."""


@pytest.mark.parametrize(
    "line",
    [
        "blocks deploy --locally",
        "blocks statuses",
        "blocks up --to",
        "blocks lint --format xml",
        "bank stress --workers many",
        "make tests",
        "make faults MINUTES=5",
        "aws dsql update-cluster --identifier C --no-deletion-protection",
        "aws dsql delete-cluster",
        "aws dsql remove-cluster --identifier C",
        "npx cdk deploy --no-roll-back",
        "npx cdk deploi",
        "npm install --save-dev aws-cdk@3",
        "pip install 'blocks-dsql[lokal]'",
        "export TOKEN=$(aws dsql generate-db-connect-admin-auth-token --host x)",
        "local-dsql start && local-dsql halt",
        "python -m local_dynamo",
        "frobnicate",
    ],
)
def test_a_wrong_command_line_is_refused(line: str) -> None:
    with pytest.raises(Refused):
        check(line)


def normal(text: str) -> str:
    """Return a text without indentation, comments and spaces at the end of lines."""
    lines = (re.sub(r"\s*(?:#|--) .*", "", line).strip() for line in textwrap.dedent(text).splitlines())
    return "\n".join(line for line in lines if line)


def test_an_excerpt_is_a_part_of_a_file_beside_the_page(page_blocks: list[Block]) -> None:
    for block in page_blocks:
        folder = (ROOT / block.page).parent
        files = [file for file in folder.rglob("*") if file.suffix in (".py", ".sql")]
        assert any(normal(block.body) in normal(file.read_text("utf-8")) for file in files), str(block)


def statements(file: Path) -> set[str]:
    """Return the texts in a module, in one line each, with the same text for each value."""
    texts = (
        each.value for each in ast.walk(ast.parse(file.read_text("utf-8"))) if isinstance(each, ast.Constant)
    )
    return {re.sub(r"\{\w+\}", "?", " ".join(text.split())) for text in texts if isinstance(text, str)}


def test_a_statement_is_one_of_the_functions_beside_the_page(page_blocks: list[Block]) -> None:
    for block in page_blocks:
        functions = (ROOT / block.page).parent / "functions"
        known = set().union(*map(statements, functions.glob("*.py")))
        for statement in block.body.split(";"):
            if statement.strip():
                assert re.sub(r"(?<= = )'\w+'", "?", " ".join(statement.split())) in known, str(block)


_NAME = re.compile(r"\w+::\w+|\b[a-z]+(?:_[a-z]+)+\b|\b\w+\.py\b|\bdsql:\w+")


def test_a_diagram_has_names_of_the_code(page_blocks: list[Block]) -> None:
    source = "".join(
        file.read_text("utf-8")
        for folder in ("blocks", "blocks_cli", "lambda_migrator", "runtime", "examples")
        for file in (ROOT / folder).rglob("*.py")
    )
    packages = {path.name for path in ROOT.iterdir()}
    roles = {database_role("main", access) for access in Access}
    for block in page_blocks:
        assert max(map(len, block.body.splitlines())) <= WIDTH, str(block)
        names = {*_NAME.findall(block.body)}
        assert {name for name in names - packages - roles if name not in source} == set(), str(block)
