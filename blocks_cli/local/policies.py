"""What a role may do, worked out from every policy that is deployed."""

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
    "AmazonAuroraDSQLConsoleFullAccess": ("dsql:*",),
}
"""AWS managed policies that let somebody connect, by name; all others are taken to allow nothing locally."""

_DSQL_ARN = re.compile(r"arn:aws[a-z-]*:dsql:([^:]*):[0-9]{12}:")


def permissions_of(
    role: DeployedResource,
    resources: Iterable[DeployedResource],
    known_arns: Iterable[str],
    context: Mapping[str, str] | None = None,
) -> tuple[Permission, ...]:
    """Return what `role` is allowed and denied by its inline, attached and AWS managed policies.

    `known_arns` are the resources that a `NotResource` can speak of. `context` has the condition keys of a
    request. A statement that allows on another condition than their equality is left out, one that denies is
    kept: nothing works here that might fail on AWS.
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
    """Return whether a condition is certain to be met: it asks for the equality of keys we have, or nothing."""
    if set(condition) - {"StringEquals"}:
        return False
    wanted = mapping(condition.get("StringEquals"))
    return all(context.get(key) in [text(item) for item in sequence(value)] for key, value in wanted.items())


def _subjects(statement: Mapping[str, Json], key: str, known: Iterable[str]) -> list[str]:
    """Return what a statement names, or of what is known, all that `NotAction` or `NotResource` leaves."""
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
    """Return a cluster's ARN as the local cluster knows it: partition `aws`, account of zeros."""
    return _DSQL_ARN.sub(rf"arn:aws:dsql:\1:{LOCAL_ACCOUNT}:", arn)
