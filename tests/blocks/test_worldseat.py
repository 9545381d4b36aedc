"""The stacks of `examples/worldseat`: permissions, Regions of the tables, limits, public URLs."""

from __future__ import annotations

from typing import Any

import aws_cdk as cdk
import pytest

from examples.worldseat.regions import HOME, PEER
from examples.worldseat.stacks import Limits, add_worldseat
from tests.support.template_reader import Template
from tests.support.two_regions import ACCOUNT

STACKS = {HOME: "WorldSeatVirginia", PEER: "WorldSeatOhio"}


@pytest.fixture(scope="module")
def templates() -> dict[str, Template]:
    """The templates by Region."""
    app = cdk.App()
    add_worldseat(app, ACCOUNT, limits=Limits(buys=7, bursts=3))
    assembly = app.synth(force=True)
    return {region: Template(assembly.get_stack_by_name(name).template) for region, name in STACKS.items()}


def web(template: Template) -> Any:
    """Return the properties of the function that has a URL."""
    function = template.the("AWS::Lambda::Url")["Properties"]["TargetFunctionArn"]["Fn::GetAtt"][0]
    return template.resources[function]["Properties"]


def test_the_function_may_do_what_it_does_and_nothing_else(templates: dict[str, Template]) -> None:
    for template in templates.values():
        granted = [
            (actions, resource)
            for role, actions, resource in template.statements()
            if role.startswith("WebRole")
        ]
        assert len(granted) == 5, "log, database, limits, seats, replica"
        assert [actions for actions, _ in granted if any(each.startswith("dsql:") for each in actions)] == [
            ("dsql:DbConnect",)
        ]
        assert not any("*" in str(resource) for _, resource in granted)
        assert {action for actions, _ in granted for action in actions if "*" in action} == set()


def test_each_back_end_writes_in_its_region(templates: dict[str, Template]) -> None:
    for region, template in templates.items():
        variables = web(template)["Environment"]["Variables"]
        assert variables["BLOCKS_MAIN_ROLE"] == "blocks_main__sales"
        assert variables["BLOCKS_MAIN_REGION"] == region
        assert variables["BLOCKS_LIMITS_REGION"] == region
        assert variables["BLOCKS_REPLICATED_REGION"] == region
        assert variables["BLOCKS_SEATS_REGION"] == HOME
        assert (variables["WORLDSEAT_BUYS"], variables["WORLDSEAT_BURSTS"]) == ("7", "3")
    assert "WORLDSEAT_PEER_URL" in web(templates[HOME])["Environment"]["Variables"]


def test_the_ledger_is_append_only(templates: dict[str, Template]) -> None:
    grants = templates[HOME].grants()
    assert len(grants) == 2
    for role in (role for grant in grants for role in grant["Roles"]):
        assert sorted(role["Privileges"]["public.ledger"]) == ["INSERT", "SELECT"]
