"""Grantees: unusual functions, stacks within stacks, other accounts, and what is no grantee at all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sqs as sqs
from aws_cdk.assertions import Annotations, Match

from blocks import ConstructError, DistributedDatabase
from tests.support.template_reader import Template, function, logical_id

if TYPE_CHECKING:
    from collections.abc import Callable

ACCOUNT, OTHER_ACCOUNT = "123456789012", "210987654321"


def role(stack: cdk.Stack) -> iam.Role:
    return iam.Role(stack, "Role", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))


def singleton(stack: cdk.Stack, id: str) -> lambda_.SingletonFunction:
    return lambda_.SingletonFunction(
        stack,
        id,
        uuid="5a1b",
        runtime=lambda_.Runtime.PYTHON_3_14,
        handler="index.handler",
        code=lambda_.Code.from_inline("def handler(event, context): ..."),
    )


def written(app: cdk.App, stack: cdk.Stack) -> Template:
    """Return the template as the assembly has it, which is also how a nested stack is known."""
    return Template(json.loads(Path(app.outdir, stack.template_file).read_text(encoding="utf-8")))


def test_a_singleton_function_is_configured_like_any_function(stack: cdk.Stack) -> None:
    db = DistributedDatabase(stack, "main")
    for id in ("One", "Another"):  # both stand for the same function
        db.grant_connect(singleton(stack, id))
    template = Template.of(stack)
    (shared,) = (id for id in template.ids("AWS::Lambda::Function") if id.startswith("Singleton"))
    properties = template.resources[shared]["Properties"]
    assert properties["Environment"]["Variables"]["BLOCKS_MAIN_ROLE"] == "blocks_main_read_write"
    assert len(properties["Layers"]) == 1
    assert logical_id(db.migrator.migrated) in template.needs(shared)
    assert len(template.mappings()) == 1
    Annotations.from_stack(stack).has_no_warning("*", Match.any_value())
    template.order()


def layers_of(stack: cdk.Stack, number: int) -> list[lambda_.ILayerVersion]:
    arn = "arn:aws:lambda:us-east-1:123456789012:layer:other"
    return [
        lambda_.LayerVersion.from_layer_version_arn(stack, f"Layer{n}", f"{arn}:{n}") for n in range(number)
    ]


def test_fails_for_a_function_with_the_maximum_of_layers(stack: cdk.Stack) -> None:
    db, fn = DistributedDatabase(stack, "main"), function(stack, layers=layers_of(stack, 5))
    with pytest.raises(ConstructError, match="the runtime layer cannot be added to Bank/Fn") as refused:
        db.grant_connect(fn)
    assert "grant with layer=False" in refused.value.remedy


@pytest.mark.parametrize("after", [False, True], ids=["layers before the grant", "layers after the grant"])
def test_a_function_with_the_maximum_of_layers_is_granted_without_the_runtime_layer(
    stack: cdk.Stack, after: bool
) -> None:
    """The remedy of the refusal above, and of CDK's own for layers that are added later."""
    layers = layers_of(stack, 5)
    db, fn = DistributedDatabase(stack, "main"), function(stack, layers=[] if after else layers)
    db.grant_connect(fn, layer=False)
    if after:
        fn.add_layers(*layers)
    template = Template.of(stack)
    assert len(template.named(fn)["Properties"]["Layers"]) == 5
    assert "BLOCKS_MAIN_ROLE" in template.named(fn)["Properties"]["Environment"]["Variables"]
    assert len(template.mappings()) == 1
    template.order()


@pytest.mark.parametrize(("account", "warned"), [(OTHER_ACCOUNT, True), (ACCOUNT, False)])
def test_a_role_of_another_account_gives_a_warning(app: cdk.App, account: str, warned: bool) -> None:
    stack = cdk.Stack(app, "Bank", env=cdk.Environment(account=ACCOUNT, region="us-east-1"))
    arn = f"arn:aws:iam::{account}:role/app"
    DistributedDatabase(stack, "main").grant_connect(iam.Role.from_role_arn(stack, "Imported", arn))
    found = Annotations.from_stack(stack).find_warning(
        "/Bank/main",
        Match.string_like_regexp(f"is granted to a role of account {OTHER_ACCOUNT}.*otherAccount"),
    )
    assert bool(found) is warned


@pytest.mark.parametrize(
    "arn",
    [
        f"arn:aws:sts::{ACCOUNT}:assumed-role/app/session",
        f"arn:aws:iam::{ACCOUNT}:role/*",
        f"arn:aws:iam::{ACCOUNT}:group/app",
    ],
)
def test_fails_for_an_arn_that_dsql_cannot_map(stack: cdk.Stack, arn: str) -> None:
    """It sees the role's, whatever the session; `aws sts get-caller-identity` shows the other one."""
    imported = iam.Role.from_role_arn(stack, "Imported", arn)
    with pytest.raises(ConstructError, match="Bank/Imported has the ARN arn:aws") as refused:
        DistributedDatabase(stack, "main").grant_connect(imported)
    assert "with its path" in refused.value.remedy


NO_GRANTEES: dict[str, Callable[[cdk.Stack], Any]] = {
    "nothing": lambda _: None,
    "an ARN": lambda _: "arn:aws:iam::123456789012:role/app",
    "a list": lambda stack: [role(stack)],
    "an L1": lambda stack: iam.CfnRole(stack, "Raw", assume_role_policy_document={}),
    "a queue": lambda stack: sqs.Queue(stack, "Queue"),
    "a group": lambda stack: iam.Group(stack, "Group"),
    "a principal": lambda _: iam.ArnPrincipal("arn:aws:iam::123456789012:role/app"),
    "an unknown one": lambda stack: iam.UnknownPrincipal(resource=stack),
}


@pytest.mark.parametrize("make", NO_GRANTEES.values(), ids=NO_GRANTEES)
@pytest.mark.parametrize("method", ["grant_connect", "grant_connect_admin"])
def test_fails_for_an_invalid_grantee(
    stack: cdk.Stack, make: Callable[[cdk.Stack], Any], method: str
) -> None:
    db = DistributedDatabase(stack, "main")
    with pytest.raises(ConstructError, match="cannot be granted access") as refused:
        getattr(db, method)(make(stack))
    assert "iam.Role.from_role_arn" in refused.value.remedy


@pytest.mark.parametrize("grantee", [None, "arn:aws:iam::123456789012:role/app"])
def test_fails_for_actions_of_an_invalid_grantee(stack: cdk.Stack, grantee: Any) -> None:
    with pytest.raises(ConstructError, match="cannot be granted access"):
        DistributedDatabase(stack, "main").grant(grantee, "dsql:GetCluster")
