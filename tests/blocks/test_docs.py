"""The pages on the constructs: their examples run, and the tables of docs/construct.md say what the code says."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aws_cdk as cdk
import pytest

from blocks import DistributedDatabase
from tests.blocks.test_metrics import NAMED
from tests.blocks.test_removal import DESTROY, EXCEPT_ON_CREATE, RETAIN
from tests.support.template_reader import Template

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.code_blocks import Block

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "construct.md").read_text(encoding="utf-8")
GUIDES = ("vpc", "packages", "existing-cluster")
"""Guides whose examples are parts of a stack; each begins with its imports."""


TABLES = {
    "001_accounts.sql": "CREATE TABLE accounts (id uuid PRIMARY KEY);\n",
    "002_audit.sql": "CREATE SCHEMA audit;\n",
    "003_findings.sql": "CREATE TABLE audit.findings (id uuid PRIMARY KEY);\n",
}


def rows(title: str) -> Iterator[list[str]]:
    """Yield the cells of the first table below a title."""
    below = PAGE.partition(f"\n## {title}\n")[2]
    for line in re.findall(r"(?:^\|.*\n)+", below, re.MULTILINE)[0].splitlines()[2:]:
        yield [cell.strip() for cell in line.strip("|").split("|")]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "migrations").mkdir()
    for name, text in TABLES.items():
        (tmp_path / "migrations" / name).write_text(text, encoding="utf-8")
    (tmp_path / "functions").mkdir()
    (tmp_path / "functions" / "app.py").write_text("def handler(event, context): ...\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize("name", ["construct", *(f"guides/{guide}" for guide in GUIDES)])
def test_every_example_makes_a_template(app: cdk.App, name: str, page_blocks: list[Block]) -> None:
    imports: dict[str, Any] = {}
    prelude, *parts = (block.body for block in page_blocks if block.page == f"docs/{name}.md")
    exec(prelude, imports)
    for number, example in enumerate(parts):
        stack = cdk.Stack(app, f"Example{number}")
        # The CDK's own process has another working directory, so its assets need a whole path.
        exec(example.replace('"functions"', f'"{Path.cwd() / "functions"}"'), imports | {"self": stack})
    for artifact in app.synth().stacks:
        Template(artifact.template).order()
    assert len(parts) >= (7 if name == "construct" else 1)


def test_every_option_is_in_the_table() -> None:
    documented = {name for what, _ in rows("Options") for name in re.findall(r"`(\w+)`", what)}
    options = set(inspect.signature(DistributedDatabase.__init__).parameters) - {"self", "scope", "id"}
    assert options <= documented


def test_every_metric_is_in_the_table() -> None:
    documented = {method.strip("`"): (name, statistic) for method, name, statistic in rows("Metrics")}
    assert documented == NAMED


POLICIES = {
    "left out, or RETAIN": (None, RETAIN),
    "DESTROY": (DESTROY,),
    "RETAIN_ON_UPDATE_OR_DELETE": (EXCEPT_ON_CREATE,),
}
DELETION_POLICIES = {
    None: "Retain",
    RETAIN: "Retain",
    DESTROY: "Delete",
    EXCEPT_ON_CREATE: "RetainExceptOnCreate",
}
PROTECTIONS = {
    "left out, or True": (None, True),
    "left out, or False": (None, False),
    "False": (False,),
    "True": (True,),
}


def test_the_table_of_removal_policies_is_correct(app: cdk.App) -> None:
    cases = 0
    for number, (policies, protections, protected, after) in enumerate(
        rows("Removal policy and deletion protection")
    ):
        for policy in POLICIES[policies]:
            for protection in PROTECTIONS[protections]:
                cases += 1
                stack = cdk.Stack(app, f"S{number}-{policy and policy.name}-{protection}".replace("_", "-"))
                options = {"removal_policy": policy, "deletion_protection": protection}
                if after.startswith("refused at synth"):
                    with pytest.raises(ValueError, match="contradicts"):
                        DistributedDatabase(stack, "main", **options)  # type: ignore[arg-type]
                    continue
                DistributedDatabase(stack, "main", **options)  # type: ignore[arg-type]
                cluster = Template.of(stack).the("AWS::DSQL::Cluster")
                assert cluster["Properties"]["DeletionProtectionEnabled"] is (protected == "yes")
                assert cluster["DeletionPolicy"] == DELETION_POLICIES[policy]
                assert (after == "deleted") == (policy is DESTROY)
    assert cases == 12
