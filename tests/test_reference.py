"""The reference pages are those that the code makes, and leave out no variable that the code reads."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tools.reference import PAGES, ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.code_blocks import Block

IMPORTS_CDK = "docs/api.md"
PACKAGES = (
    *("blocks", "blocks_cli", "blocks_settings", "dsql_dialect", "lambda_migrator", "local_dsql"),
    *("local_dynamodb", "runtime/blocks_runtime"),
)


@pytest.mark.parametrize("path", sorted({*PAGES} - {IMPORTS_CDK}))
def test_a_page_is_what_the_code_makes(path: str) -> None:
    assert (ROOT / path).read_text("utf-8") == PAGES[path](), "write it with: python -m tools.reference"


@pytest.mark.slow
def test_the_page_on_public_names_is_what_the_code_makes(page_blocks: list[Block]) -> None:
    """Also its blocks for Sphinx, which fails on a name that it cannot import."""
    made = PAGES[IMPORTS_CDK]()
    assert [block for block in page_blocks if block.text not in made] == []
    assert (ROOT / IMPORTS_CDK).read_text("utf-8") == made


def variables(file: Path) -> list[str]:
    """Return the names of this library's environment variables in a module."""
    return re.findall(r'"((?:BLOCKS|LOCAL_DSQL)_[A-Z_]+)"', file.read_text("utf-8"))


def test_every_variable_is_on_the_page() -> None:
    found = {name for each in PACKAGES for file in (ROOT / each).rglob("*.py") for name in variables(file)}
    assert len(found) > 7
    page = (ROOT / "docs" / "environment.md").read_text("utf-8")
    assert {name for name in found if f"`{name}`" not in page} == set()
