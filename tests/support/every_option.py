"""One stack for every option alone, and every example: what each quality of the template is checked on."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aws_cdk as cdk
import cdk_nag
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs

from blocks import Access, AtomicTable, BackupPolicy, DatabaseRole, DistributedDatabase, Privilege
from blocks.database import backups, migrator
from examples.bank.stack import BankStack
from examples.ecs.stack import WorkerStack
from examples.existing_cluster.stacks import NotesStack, PlatformStack
from examples.rate_limit.stack import LimitsStack
from examples.two_regions.stacks import add_hotel
from examples.worldseat.stacks import add_worldseat

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MIGRATIONS = Path(__file__).parents[1] / "blocks" / "migrations"
IDENTIFIER = "abcdefghijklmnopqrstuvwxyz"


def options(stack: cdk.Stack) -> dict[str, Any]:
    """Return a value for each option of a database, made in `stack` where it is a construct."""
    return {
        "migrations": MIGRATIONS,
        "dialect": "2026-09",
        "removal_policy": cdk.RemovalPolicy.DESTROY,
        "deletion_protection": False,
        "encryption_key": lambda: kms.Key(stack, "Key", enable_key_rotation=True),
        "resource_policy": lambda: iam.PolicyDocument(
            statements=[
                iam.PolicyStatement(
                    effect=iam.Effect.DENY,
                    principals=[iam.AnyPrincipal()],
                    actions=["dsql:DbConnect", "dsql:DbConnectAdmin"],
                    resources=["*"],
                    conditions={"Null": {"aws:SourceVpc": "true"}},
                )
            ]
        ),
        "tags": {"team": "payments"},
        "backup": BackupPolicy.daily(),
        "migrator_runtime": lambda_.Runtime.PYTHON_3_14,
        "migrator_architecture": lambda_.Architecture.ARM_64,
        "migrator_memory": cdk.Size.mebibytes(1024),
        "migrator_timeout": cdk.Duration.minutes(5),
        "migrator_service_timeout": cdk.Duration.minutes(30),
        "migrator_log_group": lambda: logs.LogGroup(stack, "Log"),
        "migrator_role": lambda: iam.Role(
            stack, "Role", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com")
        ),
        "migrator_tracing": lambda_.Tracing.ACTIVE,
        "migrator_reserved_concurrency": 1,
        "migrator_vpc": lambda: vpc(stack),
    }


def vpc(stack: cdk.Stack) -> ec2.Vpc:
    made = ec2.Vpc(stack, "Vpc", max_azs=1, nat_gateways=1)
    made.add_flow_log("Flow")
    return made


def with_network(stack: cdk.Stack) -> None:
    network = vpc(stack)
    DistributedDatabase(
        stack,
        "main",
        private_endpoint=True,
        migrator_vpc=network,
        migrator_vpc_subnets=ec2.SubnetSelection(subnet_type=ec2.SubnetType.PRIVATE_WITH_EGRESS),
        migrator_security_groups=[ec2.SecurityGroup(stack, "Group", vpc=network)],
    )


def with_grants(stack: cdk.Stack) -> None:
    db = DistributedDatabase(stack, "main")
    auditor = DatabaseRole("auditor", {"accounts": {Privilege.SELECT}})
    for id, access in (("A", Access.READ_ONLY), ("B", Access.READ_WRITE), ("C", auditor)):
        db.grant_connect(role(stack, id), access=access)
    db.grant_connect_admin(role(stack, "D"))
    db.grant(role(stack, "E"), "dsql:GetCluster")


def hardened(stack: cdk.Stack) -> None:
    """Everything that an auditor's pack asks for and that an option gives."""
    key = kms.Key(stack, "Key", enable_key_rotation=True)
    DistributedDatabase(
        stack,
        "main",
        encryption_key=key,
        migrator_log_group=logs.LogGroup(stack, "Log", encryption_key=key),
        migrator_tracing=lambda_.Tracing.ACTIVE,
        migrator_reserved_concurrency=1,
        migrator_vpc=vpc(stack),
    )


def with_table(stack: cdk.Stack) -> None:
    """A table with its grants, its key and its alarms."""
    table = AtomicTable(stack, "locks", encryption_key=kms.Key(stack, "Key", enable_key_rotation=True))
    table.grant_read(role(stack, "A"))
    table.grant_read_write(role(stack, "B"))
    table.grant(role(stack, "C"), "dynamodb:Scan")
    table.recommended_alarms()


def role(stack: cdk.Stack, id: str) -> iam.Role:
    return iam.Role(stack, id, assumed_by=iam.ServicePrincipal("ecs-tasks.amazonaws.com"))


SPECIAL: Mapping[str, Callable[[cdk.Stack], object]] = {
    "nothing": lambda stack: DistributedDatabase(stack, "main"),
    "network": with_network,
    "grants": with_grants,
    "imported": lambda stack: DistributedDatabase.from_cluster_attributes(
        stack, "main", cluster_identifier=IDENTIFIER, migrations=MIGRATIONS
    ),
    "hardened": hardened,
    "table": lambda stack: AtomicTable(stack, "locks"),
    "table_options": with_table,
    "metrics": lambda stack: (
        DistributedDatabase(stack, "main")
        .metric_occ_conflicts()
        .create_alarm(stack, "Alarm", threshold=1, evaluation_periods=1)
    ),
}


OPTIONS = tuple(options(cdk.Stack()))


def name_of(option: str) -> str:
    """Return the id of the stack with one option."""
    return "Option-" + option.replace("_", "-")


def build(outdir: Path, context: Mapping[str, Any] | None = None) -> cdk.App:
    """Return an app with a stack for every option, every special case and every example."""
    app = cdk.App(outdir=str(outdir), context={**(context or {})})
    for option in OPTIONS:
        stack = cdk.Stack(app, name_of(option))
        value = options(stack)[option]
        DistributedDatabase(stack, "main", **{option: value() if callable(value) else value})
    for name, make in SPECIAL.items():
        make(cdk.Stack(app, name_of(name)))
    examples(app)
    return app


def examples(app: cdk.App) -> None:
    """Add the stacks of all examples."""
    BankStack(app, "BankStack")
    WorkerStack(app, "WorkerStack", image=ecs.ContainerImage.from_registry("worker"))
    platform = PlatformStack(app, "PlatformStack")
    NotesStack(
        app,
        "NotesStack",
        cluster_identifier=platform.cluster.attr_identifier,
        cluster_endpoint=platform.cluster.attr_endpoint,
    )
    add_hotel(app, "123456789012")
    LimitsStack(app, "LimitsStack")
    add_worldseat(app, "123456789012")


PACKS = (cdk_nag.AwsSolutionsChecks, cdk_nag.HIPAASecurityChecks, cdk_nag.ServerlessChecks)


def bare(outdir: Path, context: Mapping[str, Any]) -> cdk.App:
    """Return an app with what is acknowledged elsewhere, here unacknowledged, and with one real mistake."""
    for module in (backups, migrator):
        module.acknowledge = lambda *_: None  # type: ignore[attr-defined]
    app = cdk.App(outdir=str(outdir), context={**context})
    for option in ("backup", "migrator_tracing", "migrator_vpc"):
        stack = cdk.Stack(app, name_of(option))
        value = options(stack)[option]
        DistributedDatabase(stack, "main", **{option: value() if callable(value) else value})
    db = DistributedDatabase(cdk.Stack(app, "Spoilt"), "main")
    db.cluster.add_property_override("Nonsense", 1)
    return app


def main(folder: str) -> None:
    """Synthesize everything with CDK's validator and cdk-nag on; the reports are in the assemblies."""
    context = {"@aws-cdk/core:validateAgainstDefaultRules": True}
    for name, make in (("all", build), ("bare", bare)):
        app = make(Path(folder) / name, context)
        cdk.Validations.of(app).add_plugins(*(pack(app) for pack in PACKS))
        try:
            app.synth()
        except RuntimeError as error:  # the findings are in the report
            print(name, str(error).partition("\n")[0])


if __name__ == "__main__":
    main(*sys.argv[1:])
