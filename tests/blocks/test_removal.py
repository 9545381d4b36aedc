"""Removal policies, deletion protection, and their contradictions."""

from __future__ import annotations

import aws_cdk as cdk
import pytest

from blocks import ConstructError, DistributedDatabase
from tests.support.template_reader import Template

RETAIN, DESTROY = cdk.RemovalPolicy.RETAIN, cdk.RemovalPolicy.DESTROY
EXCEPT_ON_CREATE = cdk.RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE


@pytest.mark.parametrize(
    ("removal_policy", "chosen", "deletion_policy", "protected"),
    [
        pytest.param(None, None, "Retain", True, id="default"),
        pytest.param(RETAIN, None, "Retain", True, id="retain"),
        pytest.param(DESTROY, None, "Delete", False, id="destroy"),
        pytest.param(EXCEPT_ON_CREATE, False, "RetainExceptOnCreate", False, id="except"),
        pytest.param(None, False, "Retain", False, id="default, unprotected"),
        pytest.param(RETAIN, False, "Retain", False, id="retain, unprotected"),
        pytest.param(RETAIN, True, "Retain", True, id="retain, protected"),
        pytest.param(DESTROY, False, "Delete", False, id="destroy, unprotected"),
    ],
)
def test_the_table_of_removal_policies(
    stack: cdk.Stack,
    removal_policy: cdk.RemovalPolicy | None,
    chosen: bool | None,
    deletion_policy: str,
    protected: bool,
) -> None:
    DistributedDatabase(stack, "main", removal_policy=removal_policy, deletion_protection=chosen)
    template = Template.of(stack)
    cluster = template.the("AWS::DSQL::Cluster")
    assert cluster["DeletionPolicy"] == deletion_policy
    assert cluster["Properties"]["DeletionProtectionEnabled"] is protected
    assert template.the("AWS::Logs::LogGroup")["DeletionPolicy"] == deletion_policy


def test_a_later_removal_policy_changes_protection(stack: cdk.Stack) -> None:
    DistributedDatabase(stack, "main")
    cdk.RemovalPolicies.of(stack).destroy()
    cluster = Template.of(stack).the("AWS::DSQL::Cluster")
    assert (cluster["DeletionPolicy"], cluster["Properties"]["DeletionProtectionEnabled"]) == (
        "Delete",
        False,
    )


def test_apply_removal_policy_changes_protection(stack: cdk.Stack) -> None:
    DistributedDatabase(stack, "main").apply_removal_policy(DESTROY)
    cluster = Template.of(stack).the("AWS::DSQL::Cluster")
    assert (cluster["DeletionPolicy"], cluster["Properties"]["DeletionProtectionEnabled"]) == (
        "Delete",
        False,
    )


def test_fails_for_a_protected_cluster_that_its_stack_must_delete(stack: cdk.Stack) -> None:
    with pytest.raises(ConstructError, match="DESTROY contradicts deletion_protection=True") as refused:
        DistributedDatabase(stack, "main", removal_policy=DESTROY, deletion_protection=True)
    assert refused.value.remedy.startswith("leave deletion_protection out")


def test_fails_for_a_protected_cluster_that_a_failed_deploy_must_delete(stack: cdk.Stack) -> None:
    with pytest.raises(ConstructError, match="contradicts a protected cluster") as refused:
        DistributedDatabase(stack, "main", removal_policy=EXCEPT_ON_CREATE)
    assert refused.value.remedy.startswith("pass deletion_protection=False")


@pytest.mark.parametrize(
    ("chosen", "later"),
    [(True, DESTROY), (None, EXCEPT_ON_CREATE)],
    ids=["protected", "follows"],
)
def test_fails_for_a_later_policy_that_a_protected_cluster_cannot_have(
    app: cdk.App, stack: cdk.Stack, chosen: bool | None, later: cdk.RemovalPolicy
) -> None:
    DistributedDatabase(stack, "main", deletion_protection=chosen)
    cdk.RemovalPolicies.of(stack).apply(later)
    with pytest.raises(RuntimeError, match="contradicts deletion protection"):
        app.synth(force=True)


def test_fails_for_a_snapshot_asked_for_later(app: cdk.App, stack: cdk.Stack) -> None:
    DistributedDatabase(stack, "main").apply_removal_policy(cdk.RemovalPolicy.SNAPSHOT)
    with pytest.raises(RuntimeError, match="takes no snapshot of AWS::DSQL::Cluster"):
        app.synth(force=True)


def test_fails_for_a_snapshot(stack: cdk.Stack) -> None:
    with pytest.raises(ConstructError, match="takes no snapshot") as refused:
        DistributedDatabase(stack, "main", removal_policy=cdk.RemovalPolicy.SNAPSHOT)
    assert "AWS Backup" in refused.value.remedy
