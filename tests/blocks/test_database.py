"""The construct as a whole: its template, its logical ids, its order, and that synthesis repeats itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from syrupy.extensions.json import JSONSnapshotExtension

from blocks import ConstructError, DistributedDatabase
from blocks_runtime.contract import Access
from tests.support.template_reader import Template, function, logical_id, readable

if TYPE_CHECKING:
    from syrupy.assertion import SnapshotAssertion

MIGRATIONS = Path(__file__).parent / "migrations"


def bank(stack: cdk.Stack) -> DistributedDatabase:
    db = DistributedDatabase(stack, "main", migrations=MIGRATIONS)
    db.grant_connect(function(stack, "Transfer"))
    db.grant_connect(function(stack, "Audit"), access=Access.READ_ONLY)
    return db


def test_the_whole_template(stack: cdk.Stack, snapshot: SnapshotAssertion) -> None:
    bank(stack)
    assert readable(Template.of(stack).document) == snapshot(extension_class=JSONSnapshotExtension)


def test_logical_ids_are_frozen_because_a_changed_one_replaces_a_database(stack: cdk.Stack) -> None:
    bank(stack)
    resources = Template.of(stack).resources
    assert {id: resource["Type"] for id, resource in resources.items() if id.startswith("main")} == {
        "main7AD10839": "AWS::DSQL::Cluster",
        "mainMigratorLogGroupBC5A3781": "AWS::Logs::LogGroup",
        "mainMigratorRoleF975D7B2": "AWS::IAM::Role",
        "mainMigratorRoleDefaultPolicyFD6529E1": "AWS::IAM::Policy",
        "mainMigratorFunction51F9B572": "AWS::Lambda::Function",
        "mainMigrator38D43FA1": "Custom::DsqlMigrations",
        "mainMigratorContinue78B26ED2": "AWS::IAM::Policy",
    }


def test_an_id_alone_makes_a_database(stack: cdk.Stack) -> None:
    DistributedDatabase(stack, "main")
    template = Template.of(stack)
    assert template.the("Custom::DsqlMigrations")["Properties"]["Database"] == "main"
    assert template.grants() == []


def test_the_custom_resource_has_the_properties_that_the_migrator_reads(stack: cdk.Stack) -> None:
    db = bank(stack)
    properties = Template.of(stack).named(db.migrator.migrated)["Properties"]
    assert set(properties) == {
        "ServiceToken",
        "ServiceTimeout",
        "Database",
        "Endpoint",
        "Region",
        "ManifestDigest",
        "CodeDigest",
    }
    assert properties["ServiceToken"] == {"Fn::GetAtt": ["mainMigratorFunction51F9B572", "Arn"]}
    assert properties["Endpoint"] == {"Fn::GetAtt": ["main7AD10839", "Endpoint"]}
    assert properties["ServiceTimeout"] == "3600"


def test_a_grant_has_the_properties_that_the_migrator_reads(stack: cdk.Stack) -> None:
    bank(stack)
    template = Template.of(stack)
    for id in template.ids("Custom::DsqlGrant"):
        assert set(template.resources[id]["Properties"]) == {"ServiceToken", "ServiceTimeout", "Grant"}
        assert template.resources[id]["Properties"]["ServiceTimeout"] == "3600"
    endpoint = {"Fn::GetAtt": ["main7AD10839", "Endpoint"]}
    assert sorted(template.grants(), key=str) == [
        {
            "Database": "main",
            "Endpoint": endpoint,
            "RoleArn": {"Fn::GetAtt": [f"{name}", "Arn"]},
            "Roles": [{"DatabaseRole": f"blocks_main_{access.lower()}", "Access": access}],
        }
        for name, access in (
            ("AuditServiceRoleC767BE4A", "READ_ONLY"),
            ("TransferServiceRole626B40D3", "READ_WRITE"),
        )
    ]


def test_the_migrator_connects_by_its_own_variables(stack: cdk.Stack) -> None:
    """The identity that may invoke it can then not point it at another cluster."""
    db = DistributedDatabase(stack, "my-db")
    properties = Template.of(stack).named(db.migrator.function)["Properties"]
    assert properties["Environment"]["Variables"] == {
        "BLOCKS_MY_DB_CLUSTER": {"Fn::GetAtt": [logical_id(db.cluster), "Identifier"]},
        "BLOCKS_MY_DB_ENDPOINT": {"Fn::GetAtt": [logical_id(db.cluster), "Endpoint"]},
        "BLOCKS_MY_DB_REGION": {"Ref": "AWS::Region"},
        "BLOCKS_MY_DB_ROLE": "admin",
    }


def test_thirty_functions_fit_many_times_into_a_template(stack: cdk.Stack) -> None:
    """Each has function, role, grant and policy. A template has 500 resources and 1 MB at most."""
    db = DistributedDatabase(stack, "main", migrations=MIGRATIONS)
    for number in range(30):
        db.grant_connect(function(stack, f"Fn{number}"))
    document = Template.of(stack).document
    assert len(document["Resources"]) <= 30 * 4 + 10
    assert len(json.dumps(document, indent=1)) < 100_000


def test_the_migrator_has_exactly_the_permissions_it_needs(stack: cdk.Stack) -> None:
    DistributedDatabase(stack, "main")
    template = Template.of(stack)
    assert template.statements() == [
        (
            "mainMigratorRoleF975D7B2",
            ("dsql:DbConnectAdmin",),
            {"Fn::GetAtt": ["main7AD10839", "ResourceArn"]},
        ),
        (
            "mainMigratorRoleF975D7B2",
            ("lambda:InvokeFunction",),
            {"Fn::GetAtt": ["mainMigratorFunction51F9B572", "Arn"]},
        ),
        (
            "mainMigratorRoleF975D7B2",
            ("logs:CreateLogStream", "logs:PutLogEvents"),
            {"Fn::GetAtt": ["mainMigratorLogGroupBC5A3781", "Arn"]},
        ),
    ]
    assert "ManagedPolicyArns" not in template.the("AWS::IAM::Role")["Properties"]


def test_functions_come_after_the_migrations_and_the_migrations_after_permissions(stack: cdk.Stack) -> None:
    bank(stack)
    order = Template.of(stack).order()
    migrated = order.index("mainMigrator38D43FA1")
    for earlier in ("mainMigratorContinue78B26ED2", "mainMigratorRoleDefaultPolicyFD6529E1", "main7AD10839"):
        assert order.index(earlier) < migrated
    for function_id in Template.of(stack).ids("AWS::Lambda::Function"):
        if "Migrator" not in function_id:
            assert migrated < order.index(function_id)


@pytest.mark.parametrize(
    ("change", "changed"),
    [
        pytest.param({}, set(), id="nothing"),
        pytest.param({"migrations": MIGRATIONS}, {"ManifestDigest"}, id="migrations"),
        pytest.param({"migrator_runtime": lambda_.Runtime.PYTHON_3_12}, {"CodeDigest"}, id="code"),
    ],
)
def test_the_custom_resource_changes_with_what_it_depends_on(
    app: cdk.App, change: dict[str, Any], changed: set[str]
) -> None:
    before, after = (cdk.Stack(app, id) for id in ("Before", "After"))
    DistributedDatabase(before, "main")
    DistributedDatabase(after, "main", **change)
    old, new = (Template.of(stack).the("Custom::DsqlMigrations")["Properties"] for stack in (before, after))
    assert {name for name in old if old[name] != new[name]} == changed


def test_the_migrator_contains_the_manifest_of_the_folder(stack: cdk.Stack, app: cdk.App) -> None:
    from dsql_dialect.migrations import compile_folder

    DistributedDatabase(stack, "main", migrations=MIGRATIONS)
    template = Template.of(stack)
    (key,) = {
        template.resources[id]["Properties"]["Code"]["S3Key"] for id in template.ids("AWS::Lambda::Function")
    }
    asset = Path(app.outdir) / f"asset.{key.removesuffix('.zip')}"
    compiled = compile_folder(MIGRATIONS)
    assert json.loads((asset / "manifest.json").read_text(encoding="utf-8")) == compiled.document()
    assert template.the("Custom::DsqlMigrations")["Properties"]["ManifestDigest"] == compiled.digest
    assert (asset / "lambda_migrator" / "__init__.py").is_file()
    assert not list(asset.rglob("__pycache__"))


def test_every_option_of_the_migrator_is_applied(stack: cdk.Stack) -> None:
    role = iam.Role(stack, "Role", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
    log_group = logs.LogGroup(stack, "Log")
    db = DistributedDatabase(
        stack,
        "main",
        migrator_runtime=lambda_.Runtime.PYTHON_3_12,
        migrator_architecture=lambda_.Architecture.ARM_64,
        migrator_memory=cdk.Size.gibibytes(1),
        migrator_timeout=cdk.Duration.minutes(5),
        migrator_log_group=log_group,
        migrator_role=role,
    )
    template = Template.of(stack)
    properties = template.named(db.migrator.function)["Properties"]
    assert {name: properties[name] for name in ("Runtime", "Architectures", "MemorySize", "Timeout")} == {
        "Runtime": "python3.12",
        "Architectures": ["arm64"],
        "MemorySize": 1024,
        "Timeout": 300,
    }
    assert properties["Role"]["Fn::GetAtt"][0] == logical_id(role)
    assert properties["LoggingConfig"]["LogGroup"]["Ref"] == logical_id(log_group)
    assert len(template.ids("AWS::IAM::Role")) == len(template.ids("AWS::Logs::LogGroup")) == 1
    layer = template.the("AWS::Lambda::LayerVersion")["Properties"]
    assert (layer["CompatibleRuntimes"], layer["CompatibleArchitectures"]) == (["python3.12"], ["arm64"])
    template.order()


@pytest.mark.parametrize("minutes", [3, 16])
def test_fails_for_an_invalid_timeout(stack: cdk.Stack, minutes: int) -> None:
    with pytest.raises(ConstructError, match=f"migrator_timeout is {minutes} minutes, not 4 to 15 minutes"):
        DistributedDatabase(stack, "main", migrator_timeout=cdk.Duration.minutes(minutes))


def test_fails_for_an_id_no_variable_can_be_named_after(stack: cdk.Stack) -> None:
    with pytest.raises(ValueError, match="no letter A-Z or digit"):
        DistributedDatabase(stack, "---")


def test_fails_for_an_unknown_dialect(stack: cdk.Stack) -> None:
    with pytest.raises(
        ValueError, match=r"unknown dialect 'mysql'; choose one of: portable, 2026-09, 2026-11"
    ):
        DistributedDatabase(stack, "main", dialect="mysql")


def test_the_escape_hatch_is_the_cluster(stack: cdk.Stack) -> None:
    db = DistributedDatabase(stack, "main")
    assert db.node.default_child is db.cluster
    db.cluster.add_property_override("KmsEncryptionKey", "alias/bank")
    assert Template.of(stack).named(db.cluster)["Properties"]["KmsEncryptionKey"] == "alias/bank"


def test_tags_and_permission_boundaries_reach_every_child(stack: cdk.Stack) -> None:
    bank(stack)
    cdk.Tags.of(stack).add("team", "payments")
    boundary = iam.ManagedPolicy.from_managed_policy_name(stack, "Boundary", "limits")
    iam.PermissionsBoundary.of(stack).apply(boundary)
    template = Template.of(stack)
    tag = {"Key": "team", "Value": "payments"}
    for type in ("AWS::DSQL::Cluster", "AWS::Logs::LogGroup", "AWS::Lambda::Function", "AWS::IAM::Role"):
        for id in template.ids(type):
            assert tag in template.resources[id]["Properties"]["Tags"], id
    for id in template.ids("AWS::IAM::Role"):
        assert "PermissionsBoundary" in template.resources[id]["Properties"], id
