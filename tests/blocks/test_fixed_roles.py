"""Roles that an app may not change: no policy is attached, and what they lack is listed."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import aws_cdk as cdk
import pytest
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk.assertions import Annotations, Match

from blocks import BackupPolicy, DistributedDatabase
from tests.support.template_reader import Template, function, logical_id
from tests.support.two_regions import database

if TYPE_CHECKING:
    from collections.abc import Callable

ARN = "arn:aws:iam::123456789012:role/migrator"
WARNING = Match.string_like_regexp(r"cannot change: give it .*permissionsByHand")


def permissions(stack: cdk.Stack) -> dict[str, set[str]]:
    """Return the actions by resource that the warning lists."""
    (entry,) = Annotations.from_stack(stack).find_warning("*", WARNING)
    text = str(entry.entry.data)
    match = re.search(r"give it (\{.*\})", text)
    assert match is not None
    found: dict[str, set[str]] = {}
    for statement in json.loads(match[1])["Statement"]:
        actions, resource = statement["Action"], statement["Resource"]
        found.setdefault(str(resource), set()).update([actions] if isinstance(actions, str) else actions)
    return found


def test_an_imported_role_that_cannot_be_changed_is_left_alone(app: cdk.App) -> None:
    stack = cdk.Stack(app, "Bank", env=cdk.Environment(account="123456789012", region="us-east-1"))
    role = iam.Role.from_role_arn(stack, "Role", ARN, mutable=False)
    DistributedDatabase(
        stack, "main", migrator_role=role, migrator_vpc=ec2.Vpc(stack, "Vpc", max_azs=1, nat_gateways=1)
    )
    template = Template.of(stack)
    template.order()
    assert template.ids("AWS::IAM::Policy") == []
    wanted = permissions(stack)
    assert wanted["(main7AD10839.ResourceArn)"] == {"dsql:DbConnectAdmin"}
    assert "ec2:CreateNetworkInterface" in wanted["*"]
    (function_arn,) = [each for each, actions in wanted.items() if actions == {"lambda:InvokeFunction"}]
    assert function_arn.endswith(".Arn)")
    (log_group,) = [each for each, actions in wanted.items() if "logs:PutLogEvents" in actions]
    assert "LogGroup" in log_group


def test_an_imported_role_that_can_be_changed_gets_the_policies(app: cdk.App) -> None:
    stack = cdk.Stack(app, "Bank", env=cdk.Environment(account="123456789012", region="us-east-1"))
    DistributedDatabase(stack, "main", migrator_role=iam.Role.from_role_arn(stack, "Role", ARN))
    holders = {holder for holder, _, _ in Template.of(stack).statements()}
    assert holders == {"migrator"}
    Annotations.from_stack(stack).has_no_warning("*", WARNING)


LAMBDA = iam.ServicePrincipal("lambda.amazonaws.com")

ROLES_OF_ANOTHER_STACK: dict[str, tuple[Callable[[cdk.Stack], iam.IRole], bool, str]] = {
    "its own": (lambda roles: iam.Role(roles, "Role", assumed_by=LAMBDA), False, '"Fn::GetStackOutput"'),
    "with a path": (
        lambda roles: iam.Role(roles, "Role", assumed_by=LAMBDA, path="/team/db/"),
        False,
        '"Fn::GetStackOutput"',
    ),
    "imported there": (lambda roles: iam.Role.from_role_arn(roles, "Role", ARN), False, '"migrator"'),
    "of the parent": (
        lambda roles: iam.Role(roles, "Role", assumed_by=LAMBDA),
        True,
        '{"Ref": "referencetoRolesRole',
    ),
}


@pytest.mark.parametrize(
    ("make", "nested", "name"), ROLES_OF_ANOTHER_STACK.values(), ids=ROLES_OF_ANOTHER_STACK
)
def test_the_migrator_may_run_as_a_role_of_another_stack(
    tmp_path: Path, make: Callable[[cdk.Stack], iam.IRole], nested: bool, name: str
) -> None:
    """Its policies are in the stack of the database, which is deployed after that of the role."""
    app = cdk.App(outdir=str(tmp_path))
    roles = cdk.Stack(app, "Roles")
    stack = cdk.NestedStack(roles, "Bank") if nested else cdk.Stack(app, "Bank")
    vpc = ec2.Vpc(stack, "Vpc", max_azs=1)
    db = DistributedDatabase(stack, "main", migrator_role=make(roles), migrator_vpc=vpc)
    outer = Template.of(roles)
    outer.order()
    assert outer.ids("AWS::IAM::Policy") == []
    (file,) = tmp_path.glob("*Bank*.template.json")
    template = Template(json.loads(file.read_text(encoding="utf-8")))
    template.order()
    allowed = {action for _, actions, _ in template.statements() for action in actions}
    assert {"dsql:DbConnectAdmin", "logs:PutLogEvents", "lambda:InvokeFunction"} <= allowed
    (default, migrator), needs = permissions_of(template), template.needs
    assert all(
        name in json.dumps(template.resources[id]["Properties"]["Roles"]) for id in (default, migrator)
    )
    assert migrator in needs(logical_id(db.migrator.migrated))
    assert default in needs(logical_id(db.migrator.function)), "a function in a VPC needs it at its creation"


def permissions_of(template: Template) -> list[str]:
    """Return the policies of the migrator's role: the default one and that of continuing."""
    policies = template.ids("AWS::IAM::Policy")
    return sorted(policies, key=lambda id: "Continue" in id)


def report(app: cdk.App) -> dict[str, set[str]]:
    """Return the actions by construct path of the role, as the CDK reports them."""
    folder = Path(app.synth(force=True).directory)
    (file,) = folder.glob("iam-policy-report.json")
    return {
        role["roleConstructPath"]: {
            action
            for statement in role["identityPolicyStatements"]
            for action in (
                [statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"]
            )
        }
        for role in json.loads(file.read_text(encoding="utf-8"))["roles"]
    }


def test_customized_roles_without_names_are_reported(tmp_path: Path) -> None:
    """The first step of that workflow: a synth that fails, and lists the roles to create."""
    app = cdk.App(outdir=str(tmp_path))
    stack = cdk.Stack(app, "Bank", env=cdk.Environment(account="123456789012", region="us-east-1"))
    iam.Role.customize_roles(stack)
    DistributedDatabase(stack, "main").grant_connect(function(stack))
    wanted = report(app)
    assert "dsql:DbConnectAdmin" in wanted["Bank/main/Migrator/Role"]
    assert "dsql:DbConnect" in wanted["Bank/Fn/ServiceRole"]


def test_customized_roles_are_reported_and_left_alone(tmp_path: Path) -> None:
    app = cdk.App(outdir=str(tmp_path))
    home, peer = (
        cdk.Stack(app, id, env=cdk.Environment(account="123456789012", region=region))
        for id, region in (("Home", "us-east-1"), ("Peer", "us-east-2"))
    )
    names = {
        "Home/main/Migrator/Role": "corp-migrator",
        "Home/main/Peering/Role": "corp-peering",
        "Home/main/Backup/Role": "corp-backup",
        "Home/Fn/ServiceRole": "corp-fn",
    }
    iam.Role.customize_roles(home, use_precreated_roles=names)
    db = database(home, peer, backup=BackupPolicy.daily(), removal_policy=cdk.RemovalPolicy.DESTROY)
    db.grant_connect(function(home))
    wanted = report(app)
    template = Template.of(home)
    template.order()
    assert template.ids("AWS::IAM::Policy") == template.ids("AWS::IAM::Role") == []
    assert {"dsql:DbConnectAdmin", "lambda:InvokeFunction"} <= wanted["Home/main/Migrator/Role"]
    peering = wanted["Home/main/Peering/Role"]
    assert {"dsql:AddPeerCluster", "dsql:DeleteCluster", "lambda:InvokeFunction"} <= peering
    assert "dsql:DbConnect" in wanted["Home/Fn/ServiceRole"]
    Annotations.from_stack(home).has_no_warning("*", WARNING)
