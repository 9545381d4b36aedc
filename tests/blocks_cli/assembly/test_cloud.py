"""Reading of a synthesized assembly."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import aws_cdk as cdk
import pytest
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sqs as sqs

from blocks_cli.assembly.cloud import CloudAssembly
from blocks_cli.errors import CommandError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def assembly(tmp_path: Path) -> Path:
    """Two stacks, the first depending on the second, and one in a stage with account and Region."""
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "index.py").write_text("x = 1")
    app = cdk.App(outdir=str(tmp_path / "cdk.out"))
    first, second = cdk.Stack(app, "First"), cdk.Stack(app, "Second", stack_name="second-by-name")
    queue = sqs.Queue(second, "Queue")
    function = lambda_.Function(
        first,
        "Fn",
        runtime=lambda_.Runtime.PYTHON_3_14,
        handler="index.handler",
        code=lambda_.Code.from_asset(str(tmp_path / "code")),
    )
    function.add_environment("QUEUE", queue.queue_url)
    stage = cdk.Stage(app, "Prod", env=cdk.Environment(account="123456789012", region="eu-west-1"))
    sqs.Queue(cdk.Stack(stage, "Third"), "Queue")
    app.synth()
    return tmp_path / "cdk.out"


def test_stacks_come_in_deploy_order(assembly: Path) -> None:
    loaded = CloudAssembly.load(assembly, "us-east-2")
    names = [stack.name for stack in loaded.stacks]
    assert names.index("second-by-name") < names.index("First")
    environments = {stack.name: (stack.account, stack.region) for stack in loaded.stacks}
    assert environments["First"] == ("000000000000", "us-east-2")
    assert environments["Prod-Third"] == ("123456789012", "eu-west-1")


def test_resources_know_their_construct_and_their_code(assembly: Path) -> None:
    first = next(stack for stack in CloudAssembly.load(assembly).stacks if stack.name == "First")
    function = next(r for r in first.template.resources.values() if r.type == "AWS::Lambda::Function")
    assert function.path == "First/Fn"
    code = function.properties["Code"]
    assert isinstance(code, dict)
    asset = first.assets[str(code["S3Key"])]
    assert (asset.source / "index.py").read_text() == "x = 1"


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ([], {"First", "second-by-name", "Prod-Third"}),
        (["First"], {"First", "second-by-name"}),
        (["Second"], {"second-by-name"}),
        (["second-by-name"], {"second-by-name"}),
    ],
    ids=["all", "with what it depends on", "by construct id", "by name"],
)
def test_selection(assembly: Path, names: list[str], expected: set[str]) -> None:
    assert {stack.name for stack in CloudAssembly.load(assembly).select(names)} == expected


def test_an_unknown_stack_is_refused_with_those_there_are(assembly: Path) -> None:
    with pytest.raises(CommandError, match="no stack named Frist") as refusal:
        CloudAssembly.load(assembly).select(["Frist"])
    assert "second-by-name" in refusal.value.why


@pytest.mark.parametrize(
    ("spoil", "what"),
    [
        (lambda folder: (folder / "manifest.json").unlink(), "no such file"),
        (lambda folder: (folder / "manifest.json").write_text("{"), "cannot be read"),
        (lambda folder: (folder / "manifest.json").write_text("[]"), "not a JSON object"),
        (lambda folder: (folder / "First.template.json").unlink(), "no such file"),
    ],
    ids=["missing", "cut short", "something else", "template missing"],
)
def test_a_damaged_assembly_is_refused(assembly: Path, spoil: object, what: str) -> None:
    assert callable(spoil)
    spoil(assembly)
    with pytest.raises(CommandError, match=what) as refusal:
        CloudAssembly.load(assembly)
    assert refusal.value.remedy == "run the synth again, then deploy"


def test_the_error_lists_stacks_that_depend_on_each_other(assembly: Path) -> None:
    manifest = json.loads((assembly / "manifest.json").read_text())
    manifest["artifacts"]["Second"]["dependencies"].append("First")
    (assembly / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(CommandError, match="stacks: circular dependency"):
        CloudAssembly.load(assembly)
