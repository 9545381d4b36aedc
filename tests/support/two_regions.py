"""Two stacks in two Regions, and a database in both."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import aws_cdk as cdk
from aws_cdk import aws_iam as iam

from blocks import DistributedDatabase, MultiRegion

if TYPE_CHECKING:
    from constructs import Construct

ACCOUNT = "123456789012"
EAST, OHIO, WEST = "us-east-1", "us-east-2", "us-west-2"


def stack_in(app: Construct, region: str | None, account: str | None = ACCOUNT, id: str = "") -> cdk.Stack:
    environment = cdk.Environment(account=account, region=region)
    return cdk.Stack(app, id or f"In-{region}", env=environment)


def database(home: cdk.Stack, peer: cdk.Stack, witness: str = WEST, **options: Any) -> DistributedDatabase:
    own = {
        "encryption_key": options.pop("peer_key", None),
        "resource_policy": options.pop("peer_policy", None),
    }
    wanted = MultiRegion(peer=peer, witness_region=witness, **own)
    return DistributedDatabase(home, "main", multi_region=wanted, **options)


def refusing(sid: str) -> iam.PolicyDocument:
    statement = iam.PolicyStatement(
        sid=sid,
        effect=iam.Effect.DENY,
        principals=[iam.AnyPrincipal()],
        actions=["dsql:DbConnect"],
        resources=["*"],
    )
    return iam.PolicyDocument(statements=[statement])
