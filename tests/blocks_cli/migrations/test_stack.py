"""`--stack`: the cluster of a stack on AWS, through boto3, and of a stack on this machine.

botocore's stubber checks requests and responses against the models of the services.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import boto3
import pytest
from botocore.stub import Stubber

from blocks_cli.assembly.resource_types import CLUSTER
from blocks_cli.exit_codes import ExitCode
from blocks_cli.local.state import DeployedResource, StackState, StateFolder
from blocks_cli.workspace import Workspace
from blocks_settings.app_record import id_of_path
from tests.blocks_cli.migrations.conftest import BANK

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.blocks_cli.migrations.conftest import Project

IDENTIFIER = "abcdefghijklmnopqrstuvwxyz"
WHEN = "2026-11-21T09:30:00Z"


class Aws:
    """Responses of CloudFormation and DSQL, in the order in which they are added."""

    def __init__(self, clients: Mapping[str, object], formation: Stubber, dsql: Stubber) -> None:
        self.clients = clients
        self.formation = formation
        self.dsql = dsql

    def lists(self, stack: str, *resources: tuple[str, str, str], status: str = "CREATE_COMPLETE") -> None:
        """Respond with the resources of a stack: logical id, type, physical id."""
        rows = [
            {
                "LogicalResourceId": logical,
                "ResourceType": kind,
                "PhysicalResourceId": physical,
                "LastUpdatedTimestamp": WHEN,
                "ResourceStatus": status,
            }
            for logical, kind, physical in resources
        ]
        self.formation.add_response(
            "list_stack_resources", {"StackResourceSummaries": rows}, {"StackName": stack}
        )

    def describes(self, stack: str, logical: str, path: str | None) -> None:
        """Respond with the metadata of a resource, which contain its construct path."""
        detail = {
            "LogicalResourceId": logical,
            "ResourceType": CLUSTER,
            "LastUpdatedTimestamp": WHEN,
            "ResourceStatus": "CREATE_COMPLETE",
        }
        if path is not None:
            detail["Metadata"] = f'{{"aws:cdk:path":"{path}"}}'
        self.formation.add_response(
            "describe_stack_resource",
            {"StackResourceDetail": detail},
            {"StackName": stack, "LogicalResourceId": logical},
        )

    def has_cluster(self, endpoint: str, status: str = "ACTIVE") -> None:
        """Respond with a cluster."""
        answer = {
            "identifier": IDENTIFIER,
            "arn": f"arn:aws:dsql:us-east-1:000000000000:cluster/{IDENTIFIER}",
            "status": status,
            "creationTime": WHEN,
            "deletionProtectionEnabled": True,
            "endpoint": endpoint,
        }
        self.dsql.add_response("get_cluster", answer, {"identifier": IDENTIFIER})

    def is_bank(self, endpoint: str, status: str = "ACTIVE") -> None:
        """Respond with a stack with one database, `main`."""
        self.lists("BankStack", ("Fn", "AWS::Lambda::Function", "fn"), ("main0A1B2C3D", CLUSTER, IDENTIFIER))
        self.describes("BankStack", "main0A1B2C3D", "BankStack/main/Resource")
        self.has_cluster(endpoint, status)


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch, cluster_keys: list[str]) -> Iterator[Aws]:
    del cluster_keys  # only the environment it sets
    clients = {name: boto3.client(name, region_name="us-east-1") for name in ("cloudformation", "dsql")}
    monkeypatch.setattr(boto3.Session, "client", lambda session, name: clients[name])
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with Stubber(clients["cloudformation"]) as formation, Stubber(clients["dsql"]) as dsql:
        yield Aws(clients, formation, dsql)
        formation.assert_no_pending_responses()
        dsql.assert_no_pending_responses()


def test_migrations_of_a_stack_on_aws(project: Project, aws: Aws) -> None:
    project.write(BANK)
    endpoint = project.cluster.endpoint()
    target = f"target   cluster {endpoint}   us-east-1   as admin   of stack BankStack"
    aws.is_bank(endpoint)
    up = project.blocks("up", "--stack", "BankStack")
    assert (up.code, up.err.splitlines()[0]) == (ExitCode.OK, target)
    aws.is_bank(endpoint)
    status = project.blocks("status", "--stack", "BankStack", "--database", "MAIN", "--exit-code")
    assert (status.code, status.err.splitlines()) == (ExitCode.OK, [target, "3 applied"])


def test_several_databases_and_a_nested_stack(project: Project, aws: Aws) -> None:
    project.write(BANK)
    for _ in range(2):
        aws.lists(
            "App",
            ("Part", "AWS::CloudFormation::Stack", "arn:aws:cloudformation:us-east-1:0:stack/App-Part/1"),
            ("ordersAAAAAAAA", CLUSTER, "z" * 26),
        )
        nested = "arn:aws:cloudformation:us-east-1:0:stack/App-Part/1"
        aws.lists(nested, ("main0A1B2C3D", CLUSTER, IDENTIFIER))
        aws.describes(nested, "main0A1B2C3D", None)
        aws.describes("App", "ordersAAAAAAAA", "App/Shop/orders/Resource")
    several = project.blocks("status", "--stack", "App")
    assert (several.code, several.err.splitlines()) == (
        ExitCode.USAGE,
        [
            "error: stack App has several databases",
            "  why: its databases: main, orders",
            "  do:  select one with --database ID",
        ],
    )
    aws.has_cluster(project.cluster.endpoint())
    assert project.blocks("status", "--stack", "App", "--database", "main").code == ExitCode.OK


def test_a_stack_without_a_database(project: Project, aws: Aws) -> None:
    aws.lists("Web", ("Fn", "AWS::Lambda::Function", "fn"))
    none = project.blocks("schema", "--stack", "Web")
    assert (none.code, none.out) == (ExitCode.USAGE, "")
    assert none.err.startswith("error: stack Web has no Aurora DSQL cluster\n  why: it has no AWS::DSQL::Clu")

    aws.lists("Web", ("main0A1B2C3D", CLUSTER, IDENTIFIER), status="DELETE_COMPLETE")
    assert "has no Aurora DSQL cluster" in project.blocks("schema", "--stack", "Web").err

    aws.lists("Web", ("main0A1B2C3D", CLUSTER, IDENTIFIER))
    aws.describes("Web", "main0A1B2C3D", "Web/main/Resource")
    other = project.blocks("schema", "--stack", "Web", "--database", "orders")
    assert other.err.splitlines()[:2] == [
        "error: stack Web has no database orders",
        "  why: its databases: main",
    ]


def test_a_cluster_that_is_being_deleted(project: Project, aws: Aws) -> None:
    aws.is_bank("x", status="PENDING_DELETE")
    gone = project.blocks("schema", "--stack", "BankStack")
    assert gone.code == ExitCode.CANNOT_CONNECT
    assert "why: its status is PENDING_DELETE" in gone.err


REFUSALS: dict[str, tuple[str, str, ExitCode, str, str]] = {
    "no such stack": (
        "ValidationError",
        "Stack with id BankStack does not exist",
        ExitCode.USAGE,
        "error: --stack BankStack: not found in us-east-1",
        "pass a stack of this account and Region (--region, AWS_PROFILE), or add --local",
    ),
    "permission denied": (
        "AccessDenied",
        "User: arn:aws:iam::000000000000:user/ana is not authorized",
        ExitCode.CANNOT_CONNECT,
        "error: --stack BankStack: AWS refused in us-east-1",
        "allow cloudformation:ListStackResources",
    ),
    "token over": (
        "ExpiredToken",
        "The security token included in the request is expired",
        ExitCode.CANNOT_CONNECT,
        "error: --stack BankStack: AWS refused in us-east-1",
        "sign in again (`aws sso login`)",
    ),
}


@pytest.mark.parametrize(("code", "words", "exit_code", "what", "remedy"), REFUSALS.values(), ids=REFUSALS)
def test_what_aws_refuses(
    project: Project, aws: Aws, code: str, words: str, exit_code: ExitCode, what: str, remedy: str
) -> None:
    aws.formation.add_client_error("list_stack_resources", code, words)
    refused = project.blocks("schema", "--stack", "BankStack")
    assert refused.code == exit_code
    first, second, third = refused.err.splitlines()
    assert first == what
    assert second == f"  why: ListStackResources failed with {code}: {words}"
    assert third.startswith("  do:  ") and remedy in third


def test_no_permission_to_see_the_cluster(project: Project, aws: Aws) -> None:
    aws.lists("BankStack", ("main0A1B2C3D", CLUSTER, IDENTIFIER))
    aws.describes("BankStack", "main0A1B2C3D", "BankStack/main/Resource")
    aws.dsql.add_client_error("get_cluster", "AccessDeniedException", "not authorized")
    refused = project.blocks("schema", "--stack", "BankStack")
    assert "why: GetCluster failed with AccessDeniedException: not authorized" in refused.err
    assert "dsql:GetCluster" in refused.err


def test_without_boto3(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    missing = project.blocks("schema", "--stack", "BankStack")
    assert (missing.code, missing.err.splitlines()) == (
        ExitCode.USAGE,
        [
            "error: --stack BankStack: boto3 is not installed",
            "  why: boto3 is needed to look up the cluster of a stack in CloudFormation",
            "  do:  run `pip install 'blocks-dsql[aws]'`, or pass the cluster with --endpoint HOST",
        ],
    )


def test_without_region_profile_or_keys(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE", "AWS_ACCESS_KEY_ID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    where = project.blocks("schema", "--stack", "S")
    assert (where.code, where.err.splitlines()[0]) == (
        ExitCode.USAGE,
        "error: --stack S: --region is missing",
    )
    keys = project.blocks("schema", "--stack", "S", "--region", "us-east-1")
    assert keys.code == ExitCode.CANNOT_CONNECT
    assert keys.err.splitlines()[:2] == [
        "error: --stack S: the request to AWS failed",
        "  why: Unable to locate credentials",
    ]
    monkeypatch.setenv("AWS_PROFILE", "missing")
    profile = project.blocks("schema", "--stack", "S")
    assert (profile.code, profile.err.splitlines()[1]) == (
        ExitCode.CANNOT_CONNECT,
        "  why: The config profile (missing) could not be found",
    )


def test_a_stack_deployed_on_this_machine(project: Project) -> None:
    project.write(BANK)
    cluster = DeployedResource(
        "main0A1B2C3D",
        CLUSTER,
        "BankStack/main/Resource",
        "id",
        local={"folder": "main", "region": "us-east-1"},
    )
    state = StackState("BankStack", "us-east-1", "000000000000", {cluster.logical_id: cluster})
    folder = StateFolder(Workspace(project.folder).stacks)
    unknown = project.blocks("up", "--stack", "BankStack", "--local")
    assert (unknown.code, unknown.err.splitlines()[:2]) == (
        ExitCode.USAGE,
        ["error: --stack BankStack --local: not deployed on this machine", "  why: deployed stacks: none"],
    )
    folder.save(state)
    try:
        up = project.blocks("up", "--stack", "BankStack", "--local")
        assert (up.code, up.err.splitlines()[0]) == (
            ExitCode.OK,
            "target   local   .blocks/local/main   of stack BankStack",
        )
        assert len(project.journal()) == len(BANK)
        wrong = project.blocks("up", "--stack", "BankStack", "--local", "--database", "orders")
        assert "error: stack BankStack has no database orders" in wrong.err
    finally:
        folder.remove("BankStack")


CONTRADICTIONS: dict[str, tuple[list[str], str]] = {
    "stack and endpoint": (["--stack", "S", "--endpoint", "x"], "--stack and --endpoint"),
    "local and endpoint": (["--local", "--endpoint", "x"], "--local and --endpoint"),
    "Region of the local one": (["--region", "us-east-1"], "--region us-east-1 needs --stack or --endpoint"),
}


@pytest.mark.parametrize(("options", "what"), CONTRADICTIONS.values(), ids=CONTRADICTIONS)
def test_options_that_contradict_each_other(project: Project, options: list[str], what: str) -> None:
    refused = project.blocks("status", *options)
    assert (refused.code, refused.out) == (ExitCode.USAGE, "")
    assert refused.err.startswith(f"error: {what}\n  why: ")


def test_the_id_of_a_cluster_s_construct() -> None:
    assert id_of_path("App/Shop/main/Resource", "x") == "main"
    assert id_of_path("App/main", "x") == "main"
    assert id_of_path("", "main0A1B2C3D") == "main"
    assert id_of_path("", "orders") == "orders"
