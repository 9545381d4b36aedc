"""Every option of a database, one by one: what it adds to the template."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import aws_cdk as cdk
import jsii
import pytest
from aws_cdk import aws_backup as backup
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk.assertions import Annotations, Match

from blocks import BackupPolicy, ConstructError, DistributedDatabase
from tests.support.template_reader import Json, Template, logical_id

if TYPE_CHECKING:
    from collections.abc import Callable

    from constructs import IConstruct

CLUSTER = "AWS::DSQL::Cluster"
ONLY_FROM_VPC = {"Null": {"aws:SourceVpc": "true"}}


def deny(condition: dict[str, dict[str, str]] = ONLY_FROM_VPC) -> iam.PolicyStatement:
    return iam.PolicyStatement(
        effect=iam.Effect.DENY,
        principals=[iam.AnyPrincipal()],
        actions=["dsql:DbConnect", "dsql:DbConnectAdmin"],
        resources=["*"],
        conditions=condition,
    )


def test_a_key_encrypts_the_cluster_and_dsql_may_use_it(stack: cdk.Stack) -> None:
    key = kms.Key(stack, "Key", enable_key_rotation=True)
    db = DistributedDatabase(stack, "main", encryption_key=key)
    template = Template.of(stack)
    assert template.the(CLUSTER)["Properties"]["KmsEncryptionKey"] == {"Fn::GetAtt": [logical_id(key), "Arn"]}
    use, describe = template.named(key)["Properties"]["KeyPolicy"]["Statement"][1:]
    assert use["Principal"] == describe["Principal"] == {"Service": "dsql.amazonaws.com"}
    assert set(use["Action"]) == {
        *("kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey", "kms:ReEncryptFrom", "kms:ReEncryptTo")
    }
    assert describe["Action"] == "kms:DescribeKey"
    source = use["Condition"]["StringLike"]["aws:SourceArn"]["Fn::Join"][1]
    assert source[0] == "arn:"
    assert source[-1] == ":cluster/*"
    assert db.encryption_key is key
    # Clients need no permission on the key.
    assert not [statement for statement in template.statements() if "kms" in str(statement)]
    template.order()


def test_an_imported_key_gives_a_warning(stack: cdk.Stack) -> None:
    arn = "arn:aws:kms:us-east-1:123456789012:key/k"
    DistributedDatabase(stack, "main", encryption_key=kms.Key.from_key_arn(stack, "Key", arn))
    assert Template.of(stack).the(CLUSTER)["Properties"]["KmsEncryptionKey"] == arn
    Annotations.from_stack(stack).has_warning(
        "/Bank/main",
        Match.string_like_regexp(r"allow dsql\.amazonaws\.com to call kms:Decrypt.*keyPolicyByHand"),
    )


def test_fails_for_a_key_of_another_region(app: cdk.App) -> None:
    stack = cdk.Stack(app, "Here", env=cdk.Environment(account="123456789012", region="us-east-1"))
    key = kms.Key.from_key_arn(stack, "Key", "arn:aws:kms:eu-west-1:123456789012:key/k")
    with pytest.raises(ConstructError, match="the encryption_key of Here/main is in eu-west-1"):
        DistributedDatabase(stack, "main", encryption_key=key)


def test_a_resource_policy_is_text_and_includes_later_statements(stack: cdk.Stack) -> None:
    db = DistributedDatabase(stack, "main", resource_policy=iam.PolicyDocument(statements=[deny()]))
    added = db.add_to_resource_policy(deny({"StringNotEquals": {"aws:SourceVpc": "vpc-1"}}))
    assert added.statement_added
    document = json.loads(Template.of(stack).the(CLUSTER)["Properties"]["PolicyDocument"])
    assert [statement["Condition"] for statement in document["Statement"]] == [
        ONLY_FROM_VPC,
        {"StringNotEquals": {"aws:SourceVpc": "vpc-1"}},
    ]


def test_a_resource_policy_may_hold_tokens(stack: cdk.Stack) -> None:
    vpc = ec2.Vpc(stack, "Vpc", max_azs=1, nat_gateways=0)
    db = DistributedDatabase(stack, "main")
    db.add_to_resource_policy(deny({"StringNotEquals": {"aws:SourceVpc": vpc.vpc_id}}))
    parts = Template.of(stack).the(CLUSTER)["Properties"]["PolicyDocument"]["Fn::Join"][1]
    assert {"Ref": logical_id(vpc)} in parts


def test_without_a_statement_there_is_no_resource_policy(stack: cdk.Stack) -> None:
    DistributedDatabase(stack, "main", resource_policy=iam.PolicyDocument())
    assert "PolicyDocument" not in Template.of(stack).the(CLUSTER)["Properties"]


def test_fails_for_a_resource_policy_without_principals(app: cdk.App, stack: cdk.Stack) -> None:
    db = DistributedDatabase(stack, "main")
    db.add_to_resource_policy(iam.PolicyStatement(actions=["dsql:DbConnect"], resources=["*"]))
    with pytest.raises(RuntimeError, match="resource-based policy must specify at least one IAM principal"):
        app.synth(force=True)


def test_tags_are_on_all_resources(stack: cdk.Stack) -> None:
    DistributedDatabase(stack, "main", tags={"team": "payments", "Name": "bank"}, backup=BackupPolicy.daily())
    template = Template.of(stack)
    for type in (CLUSTER, "AWS::Lambda::Function", "AWS::Logs::LogGroup", "AWS::IAM::Role"):
        for id in template.ids(type):
            assert template.resources[id]["Properties"]["Tags"] == [
                {"Key": "Name", "Value": "bank"},
                {"Key": "team", "Value": "payments"},
            ]
    assert template.the("AWS::Backup::BackupVault")["Properties"]["BackupVaultTags"]["team"] == "payments"


def test_a_daily_backup_selects_this_cluster_alone(stack: cdk.Stack) -> None:
    db = DistributedDatabase(
        stack,
        "main",
        encryption_key=kms.Key(stack, "Key", enable_key_rotation=True),
        backup=BackupPolicy.daily(keep=cdk.Duration.days(7), hour=3),
    )
    template = Template.of(stack)
    selection = template.the("AWS::Backup::BackupSelection")["Properties"]["BackupSelection"]
    assert selection["Resources"] == [{"Fn::GetAtt": ["main7AD10839", "ResourceArn"]}]
    assert db.backup is not None
    assert selection["IamRoleArn"] == {"Fn::GetAtt": [logical_id(db.backup.role), "Arn"]}
    (rule,) = template.the("AWS::Backup::BackupPlan")["Properties"]["BackupPlan"]["BackupPlanRule"]
    assert rule["ScheduleExpression"] == "cron(0 3 * * ? *)"
    assert rule["Lifecycle"] == {"DeleteAfterDays": 7}
    vault = template.the("AWS::Backup::BackupVault")
    assert vault["DeletionPolicy"] == "RetainExceptOnCreate"
    assert "EncryptionKeyArn" in vault["Properties"]
    assert template.named(db.backup.role)["Properties"]["ManagedPolicyArns"] != []


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        (None, "RetainExceptOnCreate"),
        (cdk.RemovalPolicy.RETAIN, "RetainExceptOnCreate"),
        (cdk.RemovalPolicy.DESTROY, "Delete"),
    ],
)
@pytest.mark.parametrize("how", ["option", "method"])
def test_the_vault_follows_the_removal_policy_and_blocks_no_later_stack(
    stack: cdk.Stack, policy: cdk.RemovalPolicy | None, expected: str, how: str
) -> None:
    given = policy if how == "option" else None
    db = DistributedDatabase(stack, "main", backup=BackupPolicy.daily(), removal_policy=given)
    if policy is not None:
        db.apply_removal_policy(policy)
    vault = Template.of(stack).the("AWS::Backup::BackupVault")
    assert vault["DeletionPolicy"] == expected
    prefix, unique = vault["Properties"]["BackupVaultName"]["Fn::Join"][1]
    assert unique == {"Fn::Select": [2, {"Fn::Split": ["/", {"Ref": "AWS::StackId"}]}]}
    assert len(prefix) + len("00000000-0000-0000-0000-000000000000") <= 50


def test_backups_may_use_existing_vaults_and_plans(stack: cdk.Stack) -> None:
    role = iam.Role(stack, "Role", assumed_by=iam.ServicePrincipal("backup.amazonaws.com"))
    vault = backup.BackupVault.from_backup_vault_name(stack, "Vault", "central")
    far = backup.BackupVault.from_backup_vault_arn(
        stack, "Far", "arn:aws:backup:eu-west-1:123456789012:backup-vault:far"
    )
    daily = DistributedDatabase(
        stack, "a", backup=BackupPolicy.daily(vault=vault, copy_to=[far], role=role)
    ).backup
    plan = backup.BackupPlan.from_backup_plan_id(stack, "Plan", "p-1")
    planned = DistributedDatabase(stack, "b", backup=BackupPolicy.from_plan(plan, role=role)).backup
    assert daily is not None
    assert planned is not None
    assert (daily.vault, planned.vault, planned.plan) == (vault, None, plan)
    template = Template.of(stack)
    assert template.ids("AWS::Backup::BackupVault") == []
    (rule,) = template.the("AWS::Backup::BackupPlan")["Properties"]["BackupPlan"]["BackupPlanRule"]
    assert rule["TargetBackupVault"] == "central"
    assert rule["CopyActions"][0]["DestinationBackupVaultArn"].endswith(":far")
    # What a role of one's own may do is one's own business.
    assert "ManagedPolicyArns" not in template.named(role)["Properties"]
    plans = [
        template.resources[id]["Properties"]["BackupPlanId"]
        for id in template.ids("AWS::Backup::BackupSelection")
    ]
    assert "p-1" in plans


def test_the_migrator_may_be_traced_and_limited(stack: cdk.Stack) -> None:
    db = DistributedDatabase(
        stack, "main", migrator_tracing=lambda_.Tracing.ACTIVE, migrator_reserved_concurrency=1
    )
    properties = Template.of(stack).named(db.migrator.function)["Properties"]
    assert properties["TracingConfig"] == {"Mode": "Active"}
    assert properties["ReservedConcurrentExecutions"] == 1


def test_the_migrator_may_run_in_a_vpc(stack: cdk.Stack) -> None:
    vpc = ec2.Vpc(stack, "Vpc", max_azs=1)
    group = ec2.SecurityGroup(stack, "Group", vpc=vpc)
    db = DistributedDatabase(
        stack,
        "main",
        migrator_vpc=vpc,
        migrator_vpc_subnets=ec2.SubnetSelection(subnet_type=ec2.SubnetType.PRIVATE_WITH_EGRESS),
        migrator_security_groups=[group],
    )
    template = Template.of(stack)
    config = template.named(db.migrator.function)["Properties"]["VpcConfig"]
    assert config["SecurityGroupIds"] == [{"Fn::GetAtt": [logical_id(group), "GroupId"]}]
    assert len(config["SubnetIds"]) == 1
    interfaces = [it for it in template.statements() if "ec2:CreateNetworkInterface" in it[1]]
    assert [(holder, resource) for holder, _, resource in interfaces] == [("mainMigratorRoleF975D7B2", "*")]
    template.order()


def test_the_service_timeout_may_be_shorter(stack: cdk.Stack) -> None:
    db = DistributedDatabase(stack, "main", migrator_service_timeout=cdk.Duration.minutes(30))
    assert Template.of(stack).named(db.migrator.migrated)["Properties"]["ServiceTimeout"] == "1800"


def refused(**options: Any) -> Callable[[cdk.Stack], object]:
    return lambda stack: DistributedDatabase(stack, "main", **options)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (refused(migrator_reserved_concurrency=0), "migrator_reserved_concurrency is 0"),
        (refused(migrator_service_timeout=cdk.Duration.seconds(30)), "not 1 to 60 minutes"),
        (refused(migrator_service_timeout=cdk.Duration.hours(2)), "not 1 to 60 minutes"),
        (refused(migrator_security_groups=[]), "but no migrator_vpc"),
        (refused(migrator_vpc_subnets=ec2.SubnetSelection()), "but no migrator_vpc"),
        (lambda _: BackupPolicy.daily(hour=24), "hour is 24, not 0 to 23"),
        (lambda _: BackupPolicy.daily(keep=cdk.Duration.hours(3)), "would be kept for 3 hours"),
    ],
    ids=lambda it: it if isinstance(it, str) else "",
)
def test_fails_for_what_cannot_be_deployed(
    stack: cdk.Stack, make: Callable[[cdk.Stack], object], message: str
) -> None:
    with pytest.raises(ConstructError, match=message) as no:
        make(stack)
    assert no.value.remedy


def test_numbers_and_durations_may_be_tokens(stack: cdk.Stack) -> None:
    """Tokens are passed on unchecked."""
    number = cdk.CfnParameter(stack, "Number", type="Number").value_as_number
    db = DistributedDatabase(
        stack,
        "main",
        migrator_reserved_concurrency=number,  # type: ignore[arg-type]  # a token is a float
        migrator_timeout=cdk.Duration.seconds(number),
        migrator_memory=cdk.Size.mebibytes(number),
        backup=BackupPolicy.daily(keep=cdk.Duration.days(number)),
        tags={"stage": cdk.CfnParameter(stack, "Stage").value_as_string},
    )
    properties: Json = Template.of(stack).named(db.migrator.function)["Properties"]
    assert properties["ReservedConcurrentExecutions"] == properties["Timeout"] == {"Ref": "Number"}


@jsii.implements(cdk.IAspect)
class Census:
    """Counts what an aspect visits."""

    def __init__(self) -> None:
        self.seen: set[str] = set()

    def visit(self, node: IConstruct) -> None:
        if isinstance(node, cdk.CfnResource):
            self.seen.add(cdk.Stack.of(node).resolve(node.logical_id))


def test_aspects_tags_and_boundaries_reach_every_child(stack: cdk.Stack) -> None:
    db = DistributedDatabase(
        stack,
        "main",
        backup=BackupPolicy.daily(),
        encryption_key=kms.Key(stack, "Key", enable_key_rotation=True),
        migrator_vpc=ec2.Vpc(stack, "Vpc", max_azs=1),
        migrator_tracing=lambda_.Tracing.ACTIVE,
    )
    census = Census()
    cdk.Aspects.of(db).add(census)
    cdk.Tags.of(stack).add("team", "payments")
    iam.PermissionsBoundary.of(stack).apply(
        iam.ManagedPolicy.from_managed_policy_name(stack, "Boundary", "limits")
    )
    template = Template.of(stack)
    assert census.seen == {id for id in template.resources if id.startswith("main")}
    for id in template.ids("AWS::IAM::Role"):
        assert "PermissionsBoundary" in template.resources[id]["Properties"], id
    tagged = {id for id, resource in template.resources.items() if "payments" in str(resource)}
    untaggable = {"AWS::IAM::Policy", "AWS::Backup::BackupSelection", "Custom::DsqlMigrations"}
    for id in census.seen:
        assert (id in tagged) != (template.resources[id]["Type"] in untaggable), id
