"""The cluster of a stack on AWS: CloudFormation knows the identifier, DSQL the endpoint; boto3 asks both."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from blocks_cli.assembly.resource_types import CLUSTER, NESTED_STACK
from blocks_cli.errors import CommandError
from blocks_cli.exit_codes import ExitCode
from blocks_cli.migrations.candidates import Candidate, choose, id_of_path

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
    """A cluster that a stack has: the id of its construct, and where it is."""

    database: str
    endpoint: str
    region: str


def find_cluster(stack: str, database: str | None, region: str | None) -> StackCluster:
    """Return the cluster of the database `database` of a stack; None stands for its only one.

    The Region is `region`, or the one that AWS tools find (AWS_REGION, profile). Needs
    `cloudformation:ListStackResources`, `cloudformation:DescribeStackResource` and `dsql:GetCluster`.

    Raises:
        CommandError: there is no boto3, no Region, no such stack or database, or AWS refuses.
    """
    session = _session(stack, region)
    with _explaining(stack, session.region_name):
        found = choose(stack, database, [*_candidates(session.client("cloudformation"), stack)])
        cluster = session.client("dsql").get_cluster(identifier=found.where)
    if cluster["status"] in _UNUSABLE:
        raise CommandError(
            f"stack {stack}: cluster {found.where} cannot be used",
            f"its status is {cluster['status']}",
            "deploy the stack again, or name another one",
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
            "only CloudFormation knows the cluster of a stack, and boto3 is what asks it",
            "run `pip install 'blocks-dsql[aws]'`, or name the cluster with --endpoint HOST",
        ) from None
    try:
        session = boto3.Session(region_name=region)
    except BotoCoreError as error:  # such as a profile that is not there
        raise _unasked(stack, error) from None
    if session.region_name is None:
        raise CommandError(
            f"--stack {stack}: in which Region?",
            "neither AWS_REGION nor AWS_DEFAULT_REGION nor the profile says it",
            "pass --region as well",
        )
    return session


def _candidates(formation: BaseClient, stack: str) -> Iterator[Candidate]:
    """Yield the clusters of a stack and of the stacks nested in it."""
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
    """Return the construct path, which the CDK writes into a resource's metadata; "" where it is not there."""
    answer = formation.describe_stack_resource(StackName=stack, LogicalResourceId=logical_id)
    metadata = json.loads(answer["StackResourceDetail"].get("Metadata") or "{}")
    return str(metadata.get("aws:cdk:path", ""))


@contextlib.contextmanager
def _explaining(stack: str, region: str) -> Iterator[None]:
    """Turn what boto3 raises into errors of the command line."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        raise _refused(stack, region, error) from None
    except BotoCoreError as error:
        raise _unasked(stack, error) from None


def _refused(stack: str, region: str, error: ClientError) -> CommandError:
    code, words = error.response["Error"]["Code"], error.response["Error"]["Message"]
    why = f"{error.operation_name} was answered {code}: {words}"
    if code in _ABSENT:
        remedy = "name a stack of this account and Region (--region, AWS_PROFILE)"
        return CommandError(f"--stack {stack}: not found in {region}", why, f"{remedy}, or add --local")
    remedy = "sign in again (`aws sso login`) or choose other credentials (AWS_PROFILE)"
    if code in _DENIED:
        remedy = (
            "allow cloudformation:ListStackResources, cloudformation:DescribeStackResource and "
            "dsql:GetCluster, or name the cluster with --endpoint HOST"
        )
    return CommandError(f"--stack {stack}: AWS refused in {region}", why, remedy, ExitCode.CANNOT_CONNECT)


def _unasked(stack: str, error: BotoCoreError) -> CommandError:
    return CommandError(
        f"--stack {stack}: AWS could not be asked",
        str(error),
        "check credentials, profile and network, or name the cluster with --endpoint HOST",
        ExitCode.CANNOT_CONNECT,
    )
