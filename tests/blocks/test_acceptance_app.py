"""The throwaway app of `blocks acceptance`: it synthesizes in one Region and in two, and nothing of it is kept."""

from __future__ import annotations

from typing import Any

import aws_cdk as cdk
import pytest

from blocks.acceptance.app import build
from blocks.database.metrics import DIMENSION, NAMESPACE
from blocks_cli.acceptance.stack import NAME
from tests.support.two_regions import ACCOUNT, EAST, OHIO, WEST

ONE = {"account": ACCOUNT, "region": EAST, "name": NAME}
TWO = ONE | {"peer": OHIO, "witness": WEST, "runtime": "python3.13"}


@pytest.mark.parametrize(("context", "stacks"), [(ONE, {NAME}), (TWO, {NAME, f"{NAME}Peer"})])
def test_nothing_is_kept(context: dict[str, str], stacks: set[str]) -> None:
    app = cdk.App(context=context)
    build(app)
    templates = {each.stack_name: each.template for each in app.synth().stacks}
    assert set(templates) == stacks
    kept = [
        name
        for template in templates.values()
        for name, resource in template["Resources"].items()
        if resource.get("DeletionPolicy", "Delete") != "Delete" or _is_protected(resource)
    ]
    assert kept == []
    outputs = {name: each["Value"] for name, each in templates[NAME]["Outputs"].items()}
    assert {"Identifier", "Endpoint", "Writer", "Reader"} <= set(outputs)
    assert (outputs["MetricNamespace"], outputs["MetricDimension"]) == (NAMESPACE, DIMENSION)


def _is_protected(resource: dict[str, Any]) -> bool:
    properties = resource.get("Properties", {})
    return resource["Type"] == "AWS::DSQL::Cluster" and properties["DeletionProtectionEnabled"] is not False
