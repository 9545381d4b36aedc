"""Pictures of the pages: a command makes each of them, a page shows it with a text, and it is small."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.code_blocks import VERIFIED, page_files
from tools.screenshots import CASTS, LARGEST, PICTURES, ROOT, main

_IMAGE = re.compile(r"!\[([^\]]*)\]\((?!https?:)([^)\s]+)\)")
_SUFFIXES = {".png", ".svg", ".jpg", ".gif"}
LONG_ENOUGH = 25
"""Characters of a text that describes a picture to a reader who does not see it."""


def shown() -> dict[str, list[str]]:
    """Return the texts of each picture that a page shows, by its path."""
    found: dict[str, list[str]] = {}
    for page in page_files():
        for text, name in _IMAGE.findall(page.read_text("utf-8")):
            path = (page.parent / name).resolve().relative_to(ROOT).as_posix()
            found.setdefault(path, []).append(text)
    return found


def made() -> set[str]:
    """Return the pictures that commands make."""
    return {file for each in PICTURES.values() for file in each.files}


def test_a_command_makes_every_picture_of_a_page() -> None:
    assert shown() != {}
    assert {*shown()} - made() == set()


def test_no_picture_of_the_docs_is_left_over() -> None:
    folders = [ROOT / "docs", *{(ROOT / file).parent for file in made()}]
    found = {path for each in folders for path in each.rglob("*") if path.suffix in _SUFFIXES}
    assert {path.relative_to(ROOT).as_posix() for path in found} == made()


@pytest.mark.parametrize("path", sorted(made()))
def test_a_picture_is_small_and_shown_with_a_text(path: str) -> None:
    assert 1_000 < (ROOT / path).stat().st_size < LARGEST
    texts = shown().get(path, [])
    assert texts, "no page shows it"
    assert [text for text in texts if len(text) < LONG_ENOUGH] == []


@pytest.mark.parametrize("name", CASTS)
def test_a_cast_is_written_and_compared_by_a_test(name: str) -> None:
    cast = CASTS[name]
    test = cast.by.rpartition(" ")[2]
    file, _, function = test.partition("::")
    source = (ROOT / file).read_text("utf-8")
    assert f"def {function}(" in source
    assert "BLOCKS_WRITE_DOCS" in source.partition(f"def {function}(")[2]
    assert any(Path(file).name in each for each in VERIFIED)
    assert all((ROOT / page).exists() for page in cast.files)


def test_an_unknown_name_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["moonseat"]) == 2
    assert "there are worldseat" in capsys.readouterr().err
