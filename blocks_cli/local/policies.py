"""Permissions of a role, computed from all deployed policies."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from blocks_cli.assembly import resource_types
from blocks_cli.json_value import Json, mapping, sequence, text
from local_dsql.access import LOCAL_ACCOUNT, Effect, Permission

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from blocks_cli.local.state import DeployedResource

CONNECT_ACTIONS = ("dsql:DbConnect", "dsql:DbConnectAdmin")

MANAGED: Mapping[str, tuple[str, ...]] = {
    "AdministratorAccess": ("*",),
    "PowerUserAccess": ("*",),
    "AmazonAuroraDSQLFullAccess": ("dsql:*",),
    "AmazonDynamoDBFullAccess": ("dynamodb:*",),
    "AmazonAuroraDSQLConsoleFullAccess": ("dsql:*",),
}
"""Actions of AWS managed policies that allow connecting, by name; others allow nothing locally."""

_DSQL_ARN = re.compile(r"arn:aws[a-z-]*:dsql:([^:]*):[0-9]{12}:")


def permissions_of(
    role: DeployedResource,
    resources: Iterable[DeployedResource],
    known_arns: Iterable[str],
    context: Mapping[str, str] | None = None,
) -> tuple[Permission, ...]:
    """Return the allowed and denied permissions of `role` from its inline, attached and AWS managed policies.

    `known_arns` are the resources that a `NotResource` is expanded over. `context` has the condition keys of a request.
    An Allow with a condition other than equality of these keys is ignored, a Deny is kept: a request that might fail on
    AWS fails here.
    """
    everything = tuple(resources)
    arns = tuple(known_arns)
    documents = [*_inline(role), *_attached(role, everything)]
    return tuple(
        permission
        for document in documents
        for statement in sequence(mapping(document).get("Statement"))
        for permission in _permissions(mapping(statement), arns, context or {})
    )


def _inline(role: DeployedResource) -> Iterator[Json]:
    for policy in sequence(role.properties.get("Policies")):
        yield mapping(policy).get("PolicyDocument")


def _attached(role: DeployedResource, resources: Iterable[DeployedResource]) -> Iterator[Json]:
    arns = [text(arn) for arn in sequence(role.properties.get("ManagedPolicyArns"))]
    for arn in arns:
        yield _managed(arn)
    for resource in resources:
        if _is_attached(resource, role.physical_id, arns):
            yield resource.properties.get("PolicyDocument")


def _is_attached(resource: DeployedResource, role_name: str, arns: list[str]) -> bool:
    match resource.type:
        case resource_types.POLICY:
            return role_name in sequence(resource.properties.get("Roles"))
        case resource_types.MANAGED_POLICY:
            return role_name in sequence(resource.properties.get("Roles")) or resource.physical_id in arns
        case resource_types.ROLE_POLICY:
            return resource.properties.get("RoleName") == role_name
    return False


def _managed(arn: str) -> Json:
    actions: list[Json] = [*MANAGED.get(arn.rpartition("/")[2], ())] if ":iam::aws:policy/" in arn else []
    return {"Statement": [{"Effect": "Allow", "Action": actions, "Resource": "*"}]}


def _permissions(
    statement: Mapping[str, Json], known_arns: tuple[str, ...], context: Mapping[str, str]
) -> Iterator[Permission]:
    effect = Effect.DENY if statement.get("Effect") == "Deny" else Effect.ALLOW
    if effect is Effect.ALLOW and not _holds(mapping(statement.get("Condition")), context):
        return
    for action in _subjects(statement, "Action", CONNECT_ACTIONS):
        for resource in _subjects(statement, "Resource", known_arns):
            yield Permission(action, local_arn(resource), effect)


def _holds(condition: Mapping[str, Json], context: Mapping[str, str]) -> bool:
    """Return whether a condition is certainly true: it is empty, or requires equality of keys in `context`."""
    if set(condition) - {"StringEquals"}:
        return False
    wanted = mapping(condition.get("StringEquals"))
    return all(context.get(key) in [text(item) for item in sequence(value)] for key, value in wanted.items())


def _subjects(statement: Mapping[str, Json], key: str, known: Iterable[str]) -> list[str]:
    """Return the actions or resources of a statement; `NotAction` and `NotResource` are expanded over `known`."""
    if f"Not{key}" not in statement:
        return [text(item) for item in sequence(statement.get(key))]
    excluded = [text(item) for item in sequence(statement[f"Not{key}"])]
    if key == "Action":
        return [
            name for name in known if not any(Permission(item, "*").covers(name, "") for item in excluded)
        ]
    rest = [Permission("*", local_arn(item)) for item in excluded]
    return [name for name in known if not any(item.covers("", name) for item in rest)]


def local_arn(arn: str) -> str:
    """Return the ARN of the local cluster for a cluster ARN: partition `aws`, local account."""
    return _DSQL_ARN.sub(rf"arn:aws:dsql:\1:{LOCAL_ACCOUNT}:", arn)
