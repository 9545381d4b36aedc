"""Pages: every link has a target, every named file exists, and every page can be reached from the README."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from blocks_cli.explanations.explanation import anchor_of

ROOT = Path(__file__).parents[1]
README, ARCHITECTURE, CONTRIBUTING = (
    ROOT / name for name in ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md")
)
PAGES = [README, *sorted({*ROOT.glob("*.md")} - {README}), *sorted((ROOT / "docs").rglob("*.md"))]
EXAMPLES = sorted((ROOT / "examples").rglob("*.md"))
COURSE = sorted((ROOT / "examples" / "bank").rglob("*.md"))
by_page = pytest.mark.parametrize("page", [*PAGES, *EXAMPLES], ids=lambda page: str(page.relative_to(ROOT)))

_LINK = re.compile(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)")
_CODE = re.compile(r"^```.*?^```$|`[^`\n]*`", re.DOTALL | re.MULTILINE)
_PATH = re.compile(r"`((?:\w+/)+[\w.-]*|\w+\.(?:toml|md))`")
"""A path of the repository in a sentence: `folder/`, `folder/file.py`, `file.toml`."""


def anchors(page: Path) -> set[str]:
    """Return the names of a page's headings."""
    without_code = re.sub(r"^```.*?^```$", "", page.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    headings = re.findall(r"^#+ (.+)$", without_code, re.MULTILINE)
    return {anchor_of(heading) for heading in headings}


@by_page
def test_links_have_a_target(page: Path) -> None:
    for name, anchor in _LINK.findall(_CODE.sub("", page.read_text("utf-8"))):
        target = (page.parent / name).resolve() if name else page
        assert target.exists(), f"{page.name}: {name}"
        if anchor:
            assert anchor in anchors(target), f"{page.name}: {name}#{anchor}"


def test_every_page_can_be_reached_from_the_readme() -> None:
    """In at most two steps: by its own link, or by the index of the documentation."""
    reached = linked(README) | linked(ROOT / "docs" / "index.md")
    assert ROOT / "docs" / "index.md" in linked(README)
    assert sorted({*PAGES[1:], COURSE[0]} - reached) == []


def linked(page: Path) -> set[Path]:
    """Return the files that a page links to."""
    return {(page.parent / name).resolve() for name, _ in _LINK.findall(page.read_text("utf-8")) if name}


def test_every_page_of_the_course_can_be_reached_from_its_first_page() -> None:
    first, *others = COURSE
    assert sorted({*others} - linked(first)) == []


@pytest.mark.parametrize(
    "page", [ARCHITECTURE, CONTRIBUTING, ROOT / "SECURITY.md"], ids=lambda page: page.name
)
def test_named_files_exist(page: Path) -> None:
    named = set(_PATH.findall(page.read_text("utf-8")))
    assert named
    assert sorted(path for path in named - NOT_IN_THE_REPOSITORY if not (ROOT / path).exists()) == []


NOT_IN_THE_REPOSITORY = {
    *("cdk.out/", "tests/support/", "build/release/"),
    # The folders of the second block.
    *("blocks/table/", "runtime/blocks_runtime/table/"),
}


@pytest.mark.parametrize(
    "title",
    [
        "Path of a migration",
        "Path of `db.query`",
        "Path of a prepared SELECT through the proxy",
        "Path of a conflicting UPDATE through the proxy",
    ],
)
def test_a_path_names_each_file_once(title: str) -> None:
    section = ARCHITECTURE.read_text("utf-8").partition(f"## {title}\n")[2].partition("\n## ")[0]
    steps = re.findall(r"^(\d+)\. `([\w/.]+)`", section, re.MULTILINE)
    assert [int(number) for number, _ in steps] == list(range(1, len(steps) + 1))
    files = [file for _, file in steps]
    assert sorted(set(files)) == sorted(files) != []


def wheel_packages() -> list[str]:
    """Return the paths of the packages that are released."""
    built = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["hatch"]["build"]
    packages: list[str] = built["targets"]["wheel"]["packages"]
    return packages


def test_the_architecture_names_every_package() -> None:
    packages = {f"{name}/" for name in wheel_packages()}
    table = ARCHITECTURE.read_text("utf-8").partition("## Interfaces")[0]
    assert packages == packages & set(_PATH.findall(table))


def test_the_architecture_names_every_folder() -> None:
    roots = [ROOT / name for name in wheel_packages()]
    folders = {path.parent.relative_to(ROOT) for root in roots for path in root.glob("*/**/__init__.py")}
    assert folders
    assert {f"{folder}/" for folder in folders} <= set(_PATH.findall(ARCHITECTURE.read_text("utf-8")))


def test_the_page_on_tests_names_every_folder_and_support_module() -> None:
    tests = ROOT / "tests"
    named = set(re.findall(r"`([\w/.]+)`", (tests / "README.md").read_text("utf-8")))
    folders = {f"{path.parent.relative_to(tests)}/" for path in tests.rglob("test_*.py")} - {"./"}
    top = {folder for folder in folders if folder.count("/") == 1 or folder.startswith("local_dsql/")}
    assert top
    assert top <= named
    assert {path.name for path in (tests / "support").glob("*.py")} - {"__init__.py"} <= named


def test_the_changes_are_counted() -> None:
    """The number of a change is that of the paths in its row, those of the row above included."""
    table = CONTRIBUTING.read_text("utf-8").partition("## Change map: ")[2]
    above = 0
    for change, files, number in re.findall(r"^\| (.+?) \| (.*`.*) \| (\d+) \|$", table, re.MULTILINE):
        inherited = above if files.startswith("the above") else 0
        above = inherited + len(set(_PATH.findall(files)))
        assert above == int(number), change
    assert above
