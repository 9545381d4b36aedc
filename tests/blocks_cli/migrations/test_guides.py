"""Guides and concepts: each code block is run, and prints what the page says."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from blocks_cli.exit_codes import ExitCode
from blocks_cli.main import COMMANDS
from tests.support.guide import FENCE, KINDS, Guide

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.blocks_cli.migrations.conftest import Project

DOCS = Path(__file__).parents[3] / "docs"
PAGES = sorted([*DOCS.glob("guides/*.md"), *DOCS.glob("concepts/*.md")])
DEPLOYED = {"http-api.md"}
"""Pages with a whole app, which `tests/end_to_end/test_pages.py` deploys."""
SYNTHESIZED = {"vpc.md", "packages.md", "existing-cluster.md"}
"""Pages with parts of a stack, which `tests/blocks/test_docs.py` synthesizes."""
RUN = [file for file in PAGES if file.name not in DEPLOYED | SYNTHESIZED]
TABLES = {
    "concurrency.md": (
        "CREATE TABLE accounts (id int PRIMARY KEY, balance bigint NOT NULL)",
        "INSERT INTO accounts VALUES (1, 100)",
    ),
    "sqlalchemy.md": (
        "CREATE TABLE accounts (id int PRIMARY KEY, balance int NOT NULL)",
        "INSERT INTO accounts VALUES (1, 75), (2, 135)",
    ),
}
"""Statements that a page expects to have been run."""


@pytest.fixture
def clean(project: Project) -> Iterator[Project]:
    """A project whose further files are removed after the test."""
    kept = {*project.folder.iterdir()}
    settings = (project.folder / "cdk.json").read_text("utf-8")
    yield project
    for path in {*project.folder.iterdir()} - kept:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    (project.folder / "cdk.json").write_text(settings, "utf-8")


@pytest.mark.slow
@pytest.mark.parametrize("file", RUN, ids=lambda file: file.stem)
def test_every_block_does_what_the_page_says(clean: Project, file: Path) -> None:
    """With BLOCKS_WRITE_DOCS set, the output of commands is written into the page."""
    page = file.read_text("utf-8")
    clean.run(*TABLES.get(file.name, ()))
    guide = Guide(clean, page)
    try:
        printed = guide.run()
    finally:
        guide.close()
    assert not guide.said, "".join(guide.said)
    if "BLOCKS_WRITE_DOCS" in os.environ:
        file.write_text(printed, "utf-8")
    else:
        assert printed == page


@pytest.mark.parametrize("file", PAGES, ids=lambda file: file.stem)
def test_every_block_is_of_a_kind_that_is_checked(file: Path) -> None:
    page = file.read_text("utf-8")
    fences = FENCE.findall(page)
    assert len(fences) == page.count("```") / 2
    assert {kind for kind, _, _ in fences} <= {*KINDS}
    drawn = [body for kind, _, body in fences if kind == "text"]
    assert [line for body in drawn for line in body.splitlines() if len(line) > 60] == []


def workflow() -> dict[str, Any]:
    """Return the workflow in the guide on CI."""
    page = (DOCS / "guides" / "ci.md").read_text("utf-8")
    ((text,),) = ([body for kind, _, body in FENCE.findall(page) if kind == "yaml"],)
    # YAML 1.1 reads `on` as a boolean; GitHub reads it as a name.
    return {"on" if name is True else name: value for name, value in yaml.safe_load(text).items()}


def steps() -> list[str]:
    """Return the commands of the workflow."""
    return [step["run"] for step in workflow()["jobs"]["test"]["steps"] if "run" in step]


def test_the_workflow_has_the_keys_of_a_workflow() -> None:
    found = workflow()
    assert {"on", "jobs"} <= found.keys() <= {"name", "on", "permissions", "env", "jobs"}
    for job in found["jobs"].values():
        assert {"runs-on", "steps"} <= job.keys() <= {"runs-on", "permissions", "env", "steps"}
        for step in job["steps"]:
            assert len({"uses", "run"} & step.keys()) == 1
            assert step.keys() <= {"name", "uses", "run", "with", "env", "if"}
            assert re.fullmatch(r"[\w-]+/[\w-]+@v\d+", step.get("uses", "actions/checkout@v1"))


def test_the_workflow_calls_commands_that_exist() -> None:
    called = [step.split()[1] for step in steps() if step.startswith("blocks ")]
    assert called == ["lint", "up", "schema"]
    assert {*called} <= {*COMMANDS}


@pytest.mark.slow
def test_the_workflow_passes_on_the_files_of_the_page(clean: Project) -> None:
    page = (DOCS / "guides" / "ci.md").read_text("utf-8")
    committed = ""
    for _, file, body in FENCE.findall(page):
        if file and file.endswith(".sql"):
            (clean.folder / file).write_text(body, "utf-8")
            committed = body
    for step in steps():
        if step.startswith("blocks "):
            command = re.sub(r" > .*", "", step).split()[1:]
            result = clean.blocks(*command)
            assert result.code == ExitCode.OK, result.text
            assert "schema" not in command or result.out == committed
