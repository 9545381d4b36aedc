"""The registry of known differences is complete and honest."""

from __future__ import annotations

import re
from pathlib import Path

from local_dsql.divergences import BY_ID, DIVERGENCES
from tests.local_dsql.proxy import conflict_cases

TESTS = Path(__file__).parents[2]
SOURCES = TESTS.parent / "local_dsql"


def test_ids_are_unique_and_every_entry_says_everything() -> None:
    assert len(BY_ID) == len(DIVERGENCES)
    for each in DIVERGENCES:
        assert all(
            (each.sentence.endswith("."), each.reason.endswith("."), each.consequence.endswith("."))
        ), each.id


def test_scenarios_cite_entries_that_exist() -> None:
    cited = {name for case in conflict_cases.ALL for name in case.divergences}
    assert cited
    assert cited <= BY_ID.keys()


def test_sources_cite_entries_that_exist() -> None:
    """A docstring that says `divergence `x`` names an entry."""
    text = "\n".join(file.read_text(encoding="utf-8") for file in SOURCES.rglob("*.py"))
    cited = set(re.findall(r"divergence `([a-z0-9-]+)`", text))
    assert cited <= BY_ID.keys()


def test_every_entry_is_cited_by_a_test() -> None:
    """A test that shows a difference has its id as a string, or in backticks in a comment."""
    files = [*TESTS.rglob("*.py"), *(SOURCES / "conformance").rglob("*.py")]
    text = "\n".join(file.read_text(encoding="utf-8") for file in files)
    cited = {name for pair in re.findall(r'"([a-z0-9-]+)"|`([a-z0-9-]+)`', text) for name in pair}
    assert BY_ID.keys() - cited == set()
