"""Permissions of a role from the deployed policies."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from blocks_cli.local.policies import permissions_of, roles_of
from blocks_cli.local.state import DeployedResource
from local_dsql import Effect, Permission
from local_dsql.access import allowed

if TYPE_CHECKING:
    from blocks_cli.json_value import Json

CLUSTER = "arn:aws:dsql:us-east-1:000000000000:cluster/abcdefghijklmnopqrstuvwxyz"
OTHER = "arn:aws:dsql:us-east-1:000000000000:cluster/zyxwvutsrqponmlkjihgfedcba"
CONNECT = "dsql:DbConnect"
ARN = "arn:aws:iam::000000000000:role/team/the-role"


def role(**properties: Json) -> DeployedResource:
    return DeployedResource("Role", "AWS::IAM::Role", "S/Role", "the-role", properties, {"Arn": ARN})


def document(effect: str, action: Json, resource: Json, **more: Json) -> dict[str, Json]:
    return {"Statement": [{"Effect": effect, "Action": action, "Resource": resource, **more}]}


def policy(kind: str, physical_id: str = "p", **properties: Json) -> DeployedResource:
    return DeployedResource("P", f"AWS::IAM::{kind}", "S/P", physical_id, properties)


ALLOW = document("Allow", CONNECT, CLUSTER)
DENY = document("Deny", "dsql:*", "*")
MANAGED = "arn:aws:iam::000000000000:policy/mine"

CASES: dict[str, tuple[DeployedResource, list[DeployedResource], bool]] = {
    "nothing": (role(), [], False),
    "inline": (role(Policies=[{"PolicyDocument": ALLOW}]), [], True),
    "policy": (role(), [policy("Policy", Roles=["the-role"], PolicyDocument=ALLOW)], True),
    "policy of another role": (role(), [policy("Policy", Roles=["x"], PolicyDocument=ALLOW)], False),
    "role policy": (role(), [policy("RolePolicy", RoleName="the-role", PolicyDocument=ALLOW)], True),
    "managed policy by role": (
        role(),
        [policy("ManagedPolicy", MANAGED, Roles=["the-role"], PolicyDocument=ALLOW)],
        True,
    ),
    "managed policy by arn": (
        role(ManagedPolicyArns=[MANAGED]),
        [policy("ManagedPolicy", MANAGED, PolicyDocument=ALLOW)],
        True,
    ),
    "managed policy of AWS": (
        role(ManagedPolicyArns=["arn:aws:iam::aws:policy/AmazonAuroraDSQLFullAccess"]),
        [],
        True,
    ),
    "logging policy of AWS": (
        role(ManagedPolicyArns=["arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"]),
        [],
        False,
    ),
    "another cluster": (role(Policies=[{"PolicyDocument": document("Allow", CONNECT, OTHER)}]), [], False),
    "admin is another action": (
        role(Policies=[{"PolicyDocument": document("Allow", "dsql:DbConnectAdmin", CLUSTER)}]),
        [],
        False,
    ),
    "several actions, wildcard": (
        role(Policies=[{"PolicyDocument": document("Allow", ["logs:*", "dsql:Db*"], ["*"])}]),
        [],
        True,
    ),
    "deny wins": (
        role(Policies=[{"PolicyDocument": ALLOW}]),
        [policy("Policy", Roles=["the-role"], PolicyDocument=DENY)],
        False,
    ),
    "deny elsewhere": (
        role(Policies=[{"PolicyDocument": ALLOW}, {"PolicyDocument": document("Deny", CONNECT, OTHER)}]),
        [],
        True,
    ),
    "allowed on a condition": (
        role(Policies=[{"PolicyDocument": document("Allow", CONNECT, CLUSTER, Condition={"Bool": {}})}]),
        [],
        False,
    ),
    "denied on a condition": (
        role(
            Policies=[
                {"PolicyDocument": ALLOW},
                {"PolicyDocument": document("Deny", CONNECT, CLUSTER, Condition={"Bool": {}})},
            ]
        ),
        [],
        False,
    ),
    "not action": (
        role(
            Policies=[
                {"PolicyDocument": {"Statement": {"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}}}
            ]
        ),
        [],
        True,
    ),
    "not action, of ours": (
        role(
            Policies=[
                {"PolicyDocument": {"Statement": {"Effect": "Allow", "NotAction": "dsql:*", "Resource": "*"}}}
            ]
        ),
        [],
        False,
    ),
    "not resource": (
        role(
            Policies=[
                {
                    "PolicyDocument": {
                        "Statement": {"Effect": "Allow", "Action": "dsql:*", "NotResource": OTHER}
                    }
                }
            ]
        ),
        [],
        True,
    ),
    "arn with a real account and another partition": (
        role(
            Policies=[
                {
                    "PolicyDocument": document(
                        "Allow", CONNECT, CLUSTER.replace("aws:", "aws-cn:").replace("0" * 12, "1" * 12)
                    )
                }
            ]
        ),
        [],
        True,
    ),
}


def function(role_arn: str) -> DeployedResource:
    return DeployedResource("F", "AWS::Lambda::Function", "S/F", "f", {"Role": role_arn})


IMPORTED: dict[str, tuple[DeployedResource, bool]] = {
    "policy by name": (policy("Policy", Roles=["the-role"], PolicyDocument=ALLOW), True),
    "role policy by name": (policy("RolePolicy", RoleName="the-role", PolicyDocument=ALLOW), True),
    "policy of another role": (policy("Policy", Roles=["x"], PolicyDocument=ALLOW), False),
}


@pytest.mark.parametrize(("attached", "expected"), IMPORTED.values(), ids=IMPORTED)
def test_an_imported_role_has_what_policies_give_it_by_name(
    attached: DeployedResource, expected: bool
) -> None:
    resources = [function(ARN), attached]
    assert (
        allowed(permissions_of(roles_of(resources)[ARN], resources, [CLUSTER]), CONNECT, CLUSTER) is expected
    )


@pytest.mark.parametrize(("who", "others", "expected"), CASES.values(), ids=CASES)
def test_may_connect(who: DeployedResource, others: list[DeployedResource], expected: bool) -> None:
    permissions = permissions_of(roles_of([who])[ARN], [who, *others], [CLUSTER, OTHER])
    assert allowed(permissions, CONNECT, CLUSTER) is expected


def test_deny_is_kept_as_deny() -> None:
    who = role(Policies=[{"PolicyDocument": document("Deny", CONNECT, CLUSTER)}])
    assert permissions_of(roles_of([who])[ARN], [who], [CLUSTER]) == (
        Permission(CONNECT, CLUSTER, Effect.DENY),
    )
