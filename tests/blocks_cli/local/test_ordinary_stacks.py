"""Stacks as they are mostly written, deployed locally: handlers of the CDK, parameters, imports, nested stacks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import aws_cdk as cdk
import psycopg
import pytest
from aws_cdk import aws_dsql as dsql
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_s3_deployment as s3_deployment
from aws_cdk import aws_s3_notifications as notifications
from aws_cdk import aws_sqs as sqs
from aws_cdk import aws_ssm as ssm
from aws_cdk import custom_resources as custom

from blocks import Access, DistributedDatabase
from blocks_cli.errors import CommandError
from blocks_cli.exit_codes import ExitCode
from blocks_cli.local import Action, LocalDeployment
from tests.support.database_app import RUNTIME
from tests.support.recording_report import RecordingReport

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from constructs import Construct

ENVIRONMENT = """
import os
def handler(event, context):
    return {name: value for name, value in os.environ.items() if name in event}
"""

TWO_DATABASES = """
from blocks_runtime import DistributedDatabase, sql
orders, audit = DistributedDatabase("orders"), DistributedDatabase("audit-log")
def handler(event, context):
    orders.execute(sql("INSERT INTO notes VALUES (1)"))
    return [len(each.query(sql("SELECT id FROM notes"))) for each in (orders, audit)]
"""

ONE_DATABASE = """
from blocks_runtime import DistributedDatabase, sql
main = DistributedDatabase("main")
def handler(event, context):
    main.execute(sql("INSERT INTO notes VALUES (1)"))
    return len(main.query(sql("SELECT id FROM notes")))
"""


@pytest.fixture
def migrations(tmp_path: Path) -> Path:
    folder = tmp_path / "migrations"
    folder.mkdir()
    (folder / "001_notes.sql").write_text("CREATE TABLE notes (id int PRIMARY KEY);\n")
    return folder


def fn(scope: Construct, code: str = ENVIRONMENT, id: str = "Fn") -> lambda_.Function:
    return lambda_.Function(
        scope, id, runtime=RUNTIME, handler="index.handler", code=lambda_.Code.from_inline(code)
    )


def database(scope: Construct, migrations: Path, id: str = "main") -> DistributedDatabase:
    return DistributedDatabase(scope, id, migrations=migrations, migrator_runtime=RUNTIME)


def synthesize(folder: Path, make: Callable[[cdk.App], object]) -> Path:
    """Synthesize an app into a new folder."""
    output = folder / f"cdk.out.{len(list(folder.glob('cdk.out.*')))}"
    app = cdk.App(outdir=str(output))
    make(app)
    app.synth()
    return output


def deploy(folder: Path, make: Callable[[cdk.App], object], **options: object) -> LocalDeployment:
    return LocalDeployment.deploy(synthesize(folder, make), folder, **options)  # type: ignore[arg-type]


def handlers_of_the_cdk(app: cdk.App) -> None:
    stack = cdk.Stack(app, "S")
    target = fn(stack)
    bucket = s3.Bucket(stack, "Bucket", auto_delete_objects=True, removal_policy=cdk.RemovalPolicy.DESTROY)
    bucket.add_event_notification(s3.EventType.OBJECT_CREATED, notifications.LambdaDestination(target))
    s3_deployment.BucketDeployment(
        stack,
        "Site",
        sources=[s3_deployment.Source.data("index.html", "hello")],
        destination_bucket=bucket,
    )
    logs.LogRetention(
        stack, "Retention", log_group_name="/aws/lambda/x", retention=logs.RetentionDays.ONE_WEEK
    )
    call = custom.AwsSdkCall(
        service="SSM",
        action="putParameter",
        parameters={"Name": "x"},
        physical_resource_id=custom.PhysicalResourceId.of("x"),
    )
    policy = custom.AwsCustomResourcePolicy.from_sdk_calls(resources=["*"])
    made = custom.AwsCustomResource(stack, "Call", on_create=call, policy=policy)
    target.add_environment("VERSION", made.get_response_field("Version"))


def test_custom_resources_of_the_cdk_get_placeholders(tmp_path: Path) -> None:
    report = RecordingReport()
    with deploy(tmp_path, handlers_of_the_cdk, report=report) as deployment:
        assert deployment.invoke("S/Fn", ["VERSION"]).payload
        for path in ("S/Bucket/Notifications", "S/Site/CustomResource", "S/Call", "S/Retention"):
            assert any(note.startswith(path) and "skipped" in note for note in report.notes), path
    with LocalDeployment.open(tmp_path) as later:
        later.destroy()


@pytest.mark.slow
def test_a_function_reaches_two_databases(tmp_path: Path, migrations: Path) -> None:
    def make(app: cdk.App) -> None:
        stack = cdk.Stack(app, "S")
        orders, audit = (database(stack, migrations, id) for id in ("orders", "audit-log"))
        target = fn(stack, TWO_DATABASES)
        orders.grant_connect(target)
        audit.grant_connect(target, Access.READ_ONLY)

    with deploy(tmp_path, make) as deployment:
        assert deployment.invoke("S/Fn").payload == [1, 0]
    with LocalDeployment.open(tmp_path) as later:
        result = later.invoke("S/Fn")
        assert result.error_type == "UniqueConstraintViolation", "logged in to both, and found its row"


def published(app: cdk.App, migrations: Path) -> None:
    data = cdk.Stack(app, "Data")
    db = database(data, migrations)
    ssm.StringParameter(data, "Id", parameter_name="/shop/id", string_value=db.cluster_identifier)
    ssm.StringParameter(data, "Ep", parameter_name="/shop/endpoint", string_value=db.cluster_endpoint)
    back = cdk.Stack(app, "Backend")
    back.add_stack_dependency(data)
    again = DistributedDatabase.from_cluster_attributes(
        back,
        "main",
        cluster_identifier=ssm.StringParameter.value_for_string_parameter(back, "/shop/id"),
        cluster_endpoint=ssm.StringParameter.value_for_string_parameter(back, "/shop/endpoint"),
    )
    target = fn(back)
    again.grant_connect(target)
    target.add_environment("DYNAMIC", "{{resolve:ssm:/shop/id}}")


def test_parameters_of_systems_manager_resolve_between_stacks(tmp_path: Path, migrations: Path) -> None:
    with deploy(tmp_path, lambda app: published(app, migrations)) as deployment:
        (cluster,) = deployment.clusters
        assert deployment.invoke("Backend/Fn", ["BLOCKS_MAIN_ENDPOINT", "DYNAMIC"]).payload == {
            "BLOCKS_MAIN_ENDPOINT": cluster.endpoint(),
            "DYNAMIC": cluster.identifier,
        }


def unknown_parameter(app: cdk.App) -> None:
    sqs.Queue(cdk.Stack(app, "First"), "Queue")
    second = cdk.Stack(app, "Second")
    second.add_stack_dependency(cdk.Stack.of(app.node.find_child("First")))
    value = ssm.StringParameter.value_for_string_parameter(second, "/of/others")
    fn(second).add_environment("X", value)


def test_an_error_after_a_completed_step_is_a_failed_deploy(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="cannot be resolved") as failed:
        deploy(tmp_path, unknown_parameter)
    assert failed.value.code is ExitCode.MIGRATION_FAILED, "the first stack is deployed"
    with pytest.raises(CommandError, match="cannot be resolved") as again:
        deploy(tmp_path, unknown_parameter)
    assert again.value.code is ExitCode.USAGE, "nothing was changed this time"
    assert "no deployed stack defines that" in again.value.why


def imported(app: cdk.App, migrations: Path) -> None:
    cluster = dsql.CfnCluster(cdk.Stack(app, "Data"), "Cluster")
    stack = cdk.Stack(app, "S")
    db = DistributedDatabase.from_cluster_attributes(
        stack,
        "main",
        cluster_identifier=cluster.attr_identifier,
        migrations=migrations,
        migrator_runtime=RUNTIME,
    )
    db.grant_connect(fn(stack, ONE_DATABASE))


def test_an_imported_cluster_of_the_same_app_needs_no_endpoint(tmp_path: Path, migrations: Path) -> None:
    with deploy(tmp_path, lambda app: imported(app, migrations)) as deployment:
        assert deployment.invoke("S/Fn").payload == 1


IDENTIFIER = "abcdefghijklmnopqrstuvwxyz"


@pytest.mark.slow
def test_an_imported_cluster_of_another_project(tmp_path: Path, migrations: Path) -> None:
    """The app names the cluster as on AWS; `clusters` says which project has it locally."""
    platform, shop = tmp_path / "platform", tmp_path / "shop"
    for folder in (platform, shop):
        folder.mkdir()

    def make(app: cdk.App) -> None:
        stack = cdk.Stack(app, "S")
        db = DistributedDatabase.from_cluster_attributes(
            stack,
            "main",
            cluster_identifier=IDENTIFIER,
            migrations=migrations,
            migrator_runtime=RUNTIME,
        )
        db.grant_connect(fn(stack, ONE_DATABASE))

    with deploy(platform, lambda app: dsql.CfnCluster(cdk.Stack(app, "Data"), "Cluster")) as owner:
        (theirs,) = owner.clusters
        with deploy(shop, make, clusters={IDENTIFIER: str(platform)}) as deployment:
            assert deployment.invoke("S/Fn").payload == 1
            assert {cluster.identifier for cluster in deployment.clusters} == {theirs.identifier}
    with LocalDeployment.open(shop) as later:
        assert later.invoke("S/Fn").error_type == "UniqueConstraintViolation", (
            "started again, maybe elsewhere"
        )
    with deploy(shop, make) as again:
        assert not [change for change in again.changes["S"] if change.action is not Action.KEEP]


def test_a_folder_without_a_cluster_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="not one local cluster") as refused:
        deploy(
            tmp_path, lambda app: fn(cdk.Stack(app, "S")), clusters={IDENTIFIER: str(tmp_path / "nowhere")}
        )
    assert refused.value.code is ExitCode.USAGE


COUNT = """
from blocks_runtime import DistributedDatabase, sql
main = DistributedDatabase("main")
def handler(event, context):
    return len(main.query(sql("SELECT id FROM notes")))
"""


def nested(app: cdk.App, migrations: Path, former: bool = False) -> None:
    stack = cdk.Stack(app, "S")
    db = database(cdk.NestedStack(stack, "Data"), migrations)
    db.grant_connect(fn(stack, ONE_DATABASE))
    db.grant_connect(fn(cdk.NestedStack(stack, "Inner"), COUNT), Access.READ_ONLY)
    if former:
        db.grant_connect(fn(cdk.NestedStack(stack, "Former")))


def granted_roles(deployment: LocalDeployment) -> int:
    """Return the number of IAM roles that are mapped to roles of the database."""
    (cluster,) = deployment.clusters
    with psycopg.connect(cluster.dsn()) as connection:
        rows = connection.execute("SELECT DISTINCT arn FROM sys.iam_pg_role_mappings").fetchall()
    return len(rows)


@pytest.mark.slow
def test_nested_stacks(tmp_path: Path, migrations: Path) -> None:
    with deploy(tmp_path, lambda app: nested(app, migrations, former=True)) as deployment:
        assert deployment.invoke("S/Fn").payload == 1
        assert deployment.invoke("S/Inner/Fn").payload == 1
        assert granted_roles(deployment) == 3
        assert (tmp_path / ".blocks" / "local" / "main").is_dir(), "named as without a nested stack"
    with deploy(tmp_path, lambda app: nested(app, migrations)) as without:
        assert {change.action for change in without.changes["S"]} == {Action.KEEP, Action.DELETE}
        assert granted_roles(without) == 2


@pytest.mark.slow
def test_a_cluster_in_one_region_cannot_become_one_in_two(tmp_path: Path) -> None:
    def make(app: cdk.App, witness: str | None) -> None:
        first = cdk.Stack(app, "First")
        cdk.CfnOutput(first, "Version", value="two" if witness else "one")
        sqs.Queue(first, "Queue")
        stack = cdk.Stack(app, "S")
        wanted = dsql.CfnCluster.MultiRegionPropertiesProperty(witness_region=witness or "")
        dsql.CfnCluster(stack, "Cluster", multi_region_properties=wanted if witness else None)

    with deploy(tmp_path, lambda app: make(app, None)):
        pass
    with pytest.raises(CommandError, match="S/Cluster: cannot become a cluster in two Regions") as refused:
        deploy(tmp_path, lambda app: make(app, "us-west-2"))
    assert refused.value.code is ExitCode.USAGE, "nothing was changed"
    with LocalDeployment.open(tmp_path) as later:
        assert later.outputs["First"] == {"Version": "one"}


def failing(app: cdk.App) -> None:
    stack = cdk.Stack(app, "S")
    handler = fn(stack, "def handler(event, context): raise SystemExit('no such service')", "Handler")
    made = cdk.CustomResource(stack, "Other", service_token=handler.function_arn)
    fn(stack).add_environment("VALUE", made.get_att_string("Value"))


@pytest.mark.parametrize("name", ["S/Other", "Other"])
def test_a_skipped_resource_gets_a_placeholder(tmp_path: Path, name: str) -> None:
    with pytest.raises(CommandError) as failed:
        deploy(tmp_path, failing)
    assert failed.value.code is ExitCode.MIGRATION_FAILED
    report = RecordingReport()
    with deploy(tmp_path, failing, skip=[name], report=report) as deployment:
        assert deployment.invoke("S/Fn", ["VALUE"]).payload
        assert any("S/Other: " in note and "skipped by --skip" in note for note in report.notes)
    with LocalDeployment.open(tmp_path) as later:
        later.destroy()


def test_a_skipped_function_runs_nowhere(tmp_path: Path) -> None:
    with deploy(tmp_path, failing, skip=["S/Handler", "S/Other"]) as deployment:
        assert [each.path for each in deployment.functions] == ["S/Fn"]


@pytest.mark.parametrize(
    ("name", "message"),
    [("S/Othr", "there is no such resource"), ("Cluster", "is an AWS::DSQL::Cluster")],
)
def test_a_name_that_cannot_be_skipped_is_refused(tmp_path: Path, name: str, message: str) -> None:
    def make(app: cdk.App) -> None:
        failing(app)
        dsql.CfnCluster(cdk.Stack(app, "T"), "Cluster")

    with pytest.raises(CommandError, match=message) as refused:
        deploy(tmp_path, make, skip=[name])
    assert refused.value.code is ExitCode.USAGE
    assert refused.value.remedy
