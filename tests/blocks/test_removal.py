"""Removal policies, deletion protection, and their contradictions, of both blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import aws_cdk as cdk
import pytest

from blocks import AtomicTable, ConstructError, DistributedDatabase
from tests.support.template_reader import Template

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

RETAIN, DESTROY = cdk.RemovalPolicy.RETAIN, cdk.RemovalPolicy.DESTROY
EXCEPT_ON_CREATE, SNAPSHOT = cdk.RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE, cdk.RemovalPolicy.SNAPSHOT

TYPES = {DistributedDatabase: "AWS::DSQL::Cluster", AtomicTable: "AWS::DynamoDB::GlobalTable"}
NOUNS = {DistributedDatabase: "cluster", AtomicTable: "table"}
Block = type[DistributedDatabase] | type[AtomicTable]
every_block = pytest.mark.parametrize("block", [DistributedDatabase, AtomicTable])

ROWS: dict[str, tuple[cdk.RemovalPolicy | None, bool | None, str, bool]] = {
    "default": (None, None, "Retain", True),
    "retain": (RETAIN, None, "Retain", True),
    "destroy": (DESTROY, None, "Delete", False),
    "except": (EXCEPT_ON_CREATE, False, "RetainExceptOnCreate", False),
    "default, unprotected": (None, False, "Retain", False),
    "retain, unprotected": (RETAIN, False, "Retain", False),
    "retain, protected": (RETAIN, True, "Retain", True),
    "destroy, unprotected": (DESTROY, False, "Delete", False),
}


def removal(stack: cdk.Stack, block: Block) -> tuple[str, set[bool]]:
    """Return the deletion policy of the cluster or table, and the deletion protection of all its replicas."""
    resource = Template.of(stack).the(TYPES[block])
    parts = resource["Properties"].get("Replicas", [resource["Properties"]])
    return resource["DeletionPolicy"], {part["DeletionProtectionEnabled"] for part in parts}


@every_block
@pytest.mark.parametrize(
    ("removal_policy", "chosen", "deletion_policy", "protected"), ROWS.values(), ids=ROWS
)
def test_the_table_of_removal_policies(
    stack: cdk.Stack,
    block: Block,
    removal_policy: cdk.RemovalPolicy | None,
    chosen: bool | None,
    deletion_policy: str,
    protected: bool,
) -> None:
    block(stack, "main", removal_policy=removal_policy, deletion_protection=chosen)
    assert removal(stack, block) == (deletion_policy, {protected})


def test_the_log_group_follows(stack: cdk.Stack) -> None:
    DistributedDatabase(stack, "main", removal_policy=DESTROY)
    assert Template.of(stack).the("AWS::Logs::LogGroup")["DeletionPolicy"] == "Delete"


APPLIES: dict[str, Callable[[Any, cdk.Stack, cdk.RemovalPolicy], object]] = {
    "aspect": lambda made, stack, policy: cdk.RemovalPolicies.of(stack).apply(policy),
    "method": lambda made, stack, policy: made.apply_removal_policy(policy),
    "L1": lambda made, stack, policy: (
        made.cluster if isinstance(made, DistributedDatabase) else made.table
    ).apply_removal_policy(policy),
}
LATER: dict[str, tuple[cdk.RemovalPolicy | None, cdk.RemovalPolicy, str, bool]] = {
    "destroy": (None, DESTROY, "Delete", False),
    "retain": (DESTROY, RETAIN, "Retain", True),
}


@every_block
@pytest.mark.parametrize("apply", APPLIES.values(), ids=APPLIES)
@pytest.mark.parametrize(("first", "later", "deletion_policy", "protected"), LATER.values(), ids=LATER)
def test_protection_follows_a_later_removal_policy(
    stack: cdk.Stack,
    block: Block,
    apply: Callable[[Any, cdk.Stack, cdk.RemovalPolicy], object],
    first: cdk.RemovalPolicy | None,
    later: cdk.RemovalPolicy,
    deletion_policy: str,
    protected: bool,
) -> None:
    apply(block(stack, "main", removal_policy=first), stack, later)
    assert removal(stack, block) == (deletion_policy, {protected})


@pytest.mark.parametrize("later", [None, DESTROY])
def test_replicas_follow_unless_they_have_a_choice(
    virginia: cdk.Stack, later: cdk.RemovalPolicy | None
) -> None:
    table = AtomicTable(virginia, "main", replicas=["us-east-2"])
    table.table.add_replica(region="us-west-2")
    table.table.add_replica(region="eu-west-1", deletion_protection=False)
    if later is not None:
        table.apply_removal_policy(later)
    replicas = Template.of(virginia).the(TYPES[AtomicTable])["Properties"]["Replicas"]
    protected = {each["Region"]: each["DeletionProtectionEnabled"] for each in replicas}
    followed = dict.fromkeys(("us-east-1", "us-east-2", "us-west-2"), later is None)
    assert protected == {**followed, "eu-west-1": False}


REFUSED: dict[str, tuple[cdk.RemovalPolicy, bool | None, str, str]] = {
    "protected and deleted": (
        DESTROY,
        True,
        "DESTROY contradicts deletion_protection=True",
        "leave deletion_protection out",
    ),
    "protected by default": (
        EXCEPT_ON_CREATE,
        None,
        "contradicts a protected",
        "pass deletion_protection=False",
    ),
    "protected": (EXCEPT_ON_CREATE, True, "contradicts a protected", "pass deletion_protection=False"),
    "snapshot": (SNAPSHOT, None, "does not work for", "choose RETAIN or DESTROY"),
}


@every_block
@pytest.mark.parametrize(("policy", "chosen", "says", "remedy"), REFUSED.values(), ids=REFUSED)
def test_fails_for_a_contradiction(
    stack: cdk.Stack, block: Block, policy: cdk.RemovalPolicy, chosen: bool | None, says: str, remedy: str
) -> None:
    with pytest.raises(ConstructError, match=says) as refused:
        block(stack, "main", removal_policy=policy, deletion_protection=chosen)
    assert refused.value.remedy.startswith(remedy)
    assert NOUNS[block] in str(refused.value)


REFUSED_LATER: dict[str, tuple[bool | None, cdk.RemovalPolicy, str]] = {
    "protected": (True, DESTROY, "contradicts deletion protection"),
    "follows": (None, EXCEPT_ON_CREATE, "contradicts deletion protection"),
    "snapshot": (None, SNAPSHOT, "takes no snapshot of AWS::"),
}


@every_block
@pytest.mark.parametrize("apply", APPLIES.values(), ids=APPLIES)
@pytest.mark.parametrize(("chosen", "later", "says"), REFUSED_LATER.values(), ids=REFUSED_LATER)
def test_fails_for_a_later_policy_that_cannot_be_carried_out(
    app: cdk.App,
    stack: cdk.Stack,
    block: Block,
    apply: Callable[[Any, cdk.Stack, cdk.RemovalPolicy], object],
    chosen: bool | None,
    later: cdk.RemovalPolicy,
    says: str,
) -> None:
    made = block(stack, "main", deletion_protection=chosen)
    try:
        apply(made, stack, later)
    except RuntimeError as error:  # the L2 of the table takes no snapshot either
        assert later is SNAPSHOT, error
        return
    with pytest.raises(RuntimeError, match=says):
        app.synth(force=True)


def test_a_protected_replica_of_a_deleted_table_is_refused(app: cdk.App, virginia: cdk.Stack) -> None:
    table = AtomicTable(virginia, "main", removal_policy=DESTROY)
    table.table.add_replica(region="us-west-2", deletion_protection=True)
    with pytest.raises(RuntimeError, match="contradicts deletion protection"):
        app.synth(force=True)
