"""The bank course: all commands of its pages, each step deployed alone."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from blocks_cli.local import LocalDeployment
from examples.bank.tool.outcomes import Kind
from examples.bank.tool.plans import Comparison
from tests.end_to_end.conftest import ROOT
from tests.support import shell_page
from tests.support.programs import needs_psql

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.code_blocks import Block

BANK = ROOT / "examples" / "bank"
STEPS = sorted(path.parent for path in BANK.glob("step*/README.md"))
WITH_PSQL = "step3_role"
_NUMBER = r"([\d,.]+)"
_LOADED = re.compile(
    r"^loaded   ([\d,]+) rows into accounts2(?:, ([\d,]+) by earlier runs)?(?:, ([\d,]+) existed)?",
    re.MULTILINE,
)


def test_the_course_has_seven_steps_in_order() -> None:
    links = re.findall(r"\]\((\w+)/README\.md\)", (BANK / "README.md").read_text("utf-8"))
    assert links == [step.name for step in STEPS]
    assert [int(step.name[4]) for step in STEPS] == [*range(1, 8)]


@pytest.mark.parametrize("step", STEPS[1:], ids=lambda step: step.name)
def test_a_step_is_an_update_of_the_step_before(step: Path) -> None:
    """The stack has one name, so migrations that were applied must not change."""
    before = STEPS[STEPS.index(step) - 1]
    for file in (before / "migrations").glob("*.sql"):
        assert (step / "migrations" / file.name).read_text() == file.read_text()


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.name)
def test_a_page_leads_to_the_next_one(step: Path) -> None:
    page = (step / "README.md").read_text("utf-8")
    following = [*STEPS, None][STEPS.index(step) + 1]
    last_line = page.splitlines()[-1]
    assert ("../README.md" if following is None else f"../{following.name}/README.md") in last_line
    for heading in ("**Goal:**", "## Result"):
        assert page.count(heading) == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    "step",
    [pytest.param(step, marks=needs_psql if step.name == WITH_PSQL else ()) for step in STEPS],
    ids=lambda step: step.name,
)
def test_every_command_of_a_page_prints_what_the_page_says(
    step: Path, tmp_path: Path, page_blocks: list[Block]
) -> None:
    """With BLOCKS_WRITE_DOCS set, the page is written anew instead."""
    folder = tmp_path / step.name
    shutil.copytree(step, folder, ignore=shutil.ignore_patterns(".blocks", "cdk.out", "*.csv", "__pycache__"))
    file = step / "README.md"
    page = file.read_text("utf-8")
    try:
        printed = shell_page.run(page, folder, [shell_page.PROGRAMS, str(BANK / "bin")])
    finally:
        subprocess.run(
            [f"{shell_page.PROGRAMS}/local-dsql", "stop"], cwd=folder, capture_output=True, check=False
        )
    if "BLOCKS_WRITE_DOCS" in os.environ:
        file.write_text(printed, "utf-8")
    else:
        assert shell_page.shape(printed).splitlines() == shell_page.shape(page).splitlines()
    if step.name in CHECKS:
        CHECKS[step.name](printed)
    of_aws = [each.body for each in page_blocks if each.language == "text" and (ROOT / each.page) == file]
    check_invocations(of_aws, folder)


def check_invocations(blocks: list[str], folder: Path) -> None:
    """Invoke each function that the page invokes on AWS, by its name and with that event."""
    calls = [call for block in blocks for call in re.findall(r"aws lambda invoke (?:.*\\\n)*.*", block)]
    if not calls:
        return
    with LocalDeployment.open(folder) as deployment:
        for call in calls:
            words = shlex.split(call.replace("\\\n", " "))
            name, payload = (words[words.index(option) + 1] for option in ("--function-name", "--payload"))
            result = deployment.invoke(name, json.loads(payload))
            assert not result.failed, f"{call}: {result.error_message}"


def figure(page: str, before: str, after: str = "") -> float:
    """Return the number after a text of the page, and before another."""
    found = re.search(rf"^{before} *{_NUMBER}{after}", page, re.MULTILINE)
    assert found, before
    return float(found[1].replace(",", ""))


def check_transfer(page: str) -> None:
    assert figure(page, "kept at module level") == 1
    assert figure(page, "closed after each invocation") == 1000


def check_conflicts(page: str) -> None:
    without, with_retry = page.split("## Transfers with retries")
    assert figure(without, f"  {Kind.CONFLICT.value}") > 0
    assert figure(with_retry, f"  {Kind.CONFLICT.value}") == 0
    assert figure(with_retry, "retries") > 0
    assert '"wrong_accounts": 0' in page


def check_keys(page: str) -> None:
    integer, uuid = (re.search(rf"^{name} .* (\d+)%$", page, re.MULTILINE) for name in ("integer", "UUID"))
    assert integer
    assert integer[1] == "100"
    assert uuid
    assert int(uuid[1]) < 20
    assert figure(page, "UUID +500") == 0
    assert "loaded   1,000,000 rows into accounts2" in page
    loads = _LOADED.findall(page)
    assert [sum(int(each.replace(",", "") or 0) for each in load) for load in loads] == [
        1_000_000,
        200_000,
        200_000,
    ]


def check_queries(page: str) -> None:
    assert figure(page, "", " times fewer rows scanned") >= 5
    assert re.search(r"^index only +no +yes$", page, re.MULTILINE)
    assert "Index Only Scan using idx_accounts7_covering" in page


CHECKS = {
    "step4_transfer": check_transfer,
    "step5_conflicts": check_conflicts,
    "step6_keys": check_keys,
    "step7_queries": check_queries,
}


def test_the_comparison_counts_rows_scanned() -> None:
    assert Comparison({"rows_scanned": 2500}, {"rows_scanned": 250}).factor == 10
