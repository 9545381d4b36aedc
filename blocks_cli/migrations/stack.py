"""The cluster of a stack on AWS: CloudFormation has the identifier, DSQL the endpoint; both are read with boto3."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from blocks_cli.assembly.resource_types import CLUSTER, NESTED_STACK
from blocks_cli.errors import CommandError
from blocks_cli.exit_codes import ExitCode
from blocks_cli.migrations.candidates import Candidate, choose
from blocks_settings.app_record import id_of_path

if TYPE_CHECKING:
    from collections.abc import Iterator

    import boto3
    from botocore.client import BaseClient
    from botocore.exceptions import BotoCoreError, ClientError

_GONE = "DELETE_COMPLETE"
_UNUSABLE = ("PENDING_DELETE", "DELETING", "DELETED", "FAILED")
_DENIED = ("AccessDenied", "AccessDeniedException")
_ABSENT = ("ValidationError", "ResourceNotFoundException")


@dataclass(frozen=True, slots=True)
class StackCluster:
    """A cluster of a stack: construct id, endpoint, Region."""

    database: str
    endpoint: str
    region: str


def find_cluster(stack: str, database: str | None, region: str | None) -> StackCluster:
    """Return the cluster of the database `database` of a stack; None selects its only one.

    The Region is `region`, by default that of the AWS configuration (AWS_REGION, profile). Needs
    `cloudformation:ListStackResources`, `cloudformation:DescribeStackResource` and `dsql:GetCluster`.

    Raises:
        CommandError: boto3, the Region, the stack or the database is missing, or AWS refuses the request.
    """
    session = _session(stack, region)
    with _explaining(stack, session.region_name):
        found = choose(stack, database, [*_candidates(session.client("cloudformation"), stack)])
        cluster = session.client("dsql").get_cluster(identifier=found.where)
    if cluster["status"] in _UNUSABLE:
        raise CommandError(
            f"stack {stack}: cluster {found.where} is not usable",
            f"its status is {cluster['status']}",
            "deploy the stack again, or pass another one",
            ExitCode.CANNOT_CONNECT,
        )
    return StackCluster(found.database, cluster["endpoint"], session.region_name)


def _session(stack: str, region: str | None) -> boto3.Session:
    try:
        import boto3
        from botocore.exceptions import BotoCoreError
    except ImportError:
        raise CommandError(
            f"--stack {stack}: boto3 is not installed",
            "boto3 is needed to look up the cluster of a stack in CloudFormation",
            "run `pip install 'blocks-dsql[aws]'`, or pass the cluster with --endpoint HOST",
        ) from None
    try:
        session = boto3.Session(region_name=region)
    except BotoCoreError as error:  # such as an unknown profile
        raise _unasked(stack, error) from None
    if session.region_name is None:
        raise CommandError(
            f"--stack {stack}: --region is missing",
            "AWS_REGION, AWS_DEFAULT_REGION and the profile are not set either",
            "pass --region as well",
        )
    return session


def _candidates(formation: BaseClient, stack: str) -> Iterator[Candidate]:
    """Yield the clusters of a stack and of its nested stacks."""
    for page in formation.get_paginator("list_stack_resources").paginate(StackName=stack):
        for resource in page["StackResourceSummaries"]:
            physical, kind = resource.get("PhysicalResourceId"), resource["ResourceType"]
            if not physical or resource["ResourceStatus"] == _GONE:
                continue
            if kind == NESTED_STACK:
                yield from _candidates(formation, physical)
            elif kind == CLUSTER:
                logical_id = resource["LogicalResourceId"]
                yield Candidate(id_of_path(_path(formation, stack, logical_id), logical_id), physical)


def _path(formation: BaseClient, stack: str, logical_id: str) -> str:
    """Return the construct path in the metadata that the CDK adds to a resource; "" if there is none."""
    answer = formation.describe_stack_resource(StackName=stack, LogicalResourceId=logical_id)
    metadata = json.loads(answer["StackResourceDetail"].get("Metadata") or "{}")
    return str(metadata.get("aws:cdk:path", ""))


@contextlib.contextmanager
def _explaining(stack: str, region: str) -> Iterator[None]:
    """Convert errors of boto3 to CommandError."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        raise _refused(stack, region, error) from None
    except BotoCoreError as error:
        raise _unasked(stack, error) from None


def _refused(stack: str, region: str, error: ClientError) -> CommandError:
    code, words = error.response["Error"]["Code"], error.response["Error"]["Message"]
    why = f"{error.operation_name} failed with {code}: {words}"
    if code in _ABSENT:
        remedy = "pass a stack of this account and Region (--region, AWS_PROFILE)"
        return CommandError(f"--stack {stack}: not found in {region}", why, f"{remedy}, or add --local")
    remedy = "sign in again (`aws sso login`) or select other credentials (AWS_PROFILE)"
    if code in _DENIED:
        remedy = (
            "allow cloudformation:ListStackResources, cloudformation:DescribeStackResource and "
            "dsql:GetCluster, or pass the cluster with --endpoint HOST"
        )
    return CommandError(f"--stack {stack}: AWS refused in {region}", why, remedy, ExitCode.CANNOT_CONNECT)


def _unasked(stack: str, error: BotoCoreError) -> CommandError:
    return CommandError(
        f"--stack {stack}: the request to AWS failed",
        str(error),
        "check credentials, profile and network, or pass the cluster with --endpoint HOST",
        ExitCode.CANNOT_CONNECT,
    )
