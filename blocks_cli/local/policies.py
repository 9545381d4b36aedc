"""Permissions of a role, computed from all deployed policies."""

from __future__ import annotations

import re
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class Role:
    """A role and what itself gives it: `inline` documents, and ARNs of `managed` policies.

    A role that no stack deploys (an imported one) has only what policies of the stacks give it by its name.
    """

    name: str
    inline: tuple[Json, ...] = ()
    managed: tuple[str, ...] = ()


def roles_of(resources: Iterable[DeployedResource]) -> dict[str, Role]:
    """Return the deployed roles, and the imported roles that deployed functions run as, by ARN."""
    everything = tuple(resources)
    imported = {
        text(each.properties.get("Role")): Role(text(each.properties.get("Role")).rpartition("/")[2])
        for each in everything
        if each.type == resource_types.FUNCTION
    }
    return imported | {
        text(each.attributes["Arn"]): _deployed(each)
        for each in everything
        if each.type == resource_types.ROLE
    }


def _deployed(role: DeployedResource) -> Role:
    return Role(
        role.physical_id,
        tuple(mapping(each).get("PolicyDocument") for each in sequence(role.properties.get("Policies"))),
        tuple(text(arn) for arn in sequence(role.properties.get("ManagedPolicyArns"))),
    )


def permissions_of(
    role: Role,
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
    documents = [*role.inline, *_attached(role, everything)]
    return tuple(
        permission
        for document in documents
        for statement in sequence(mapping(document).get("Statement"))
        for permission in _permissions(mapping(statement), arns, context or {})
    )


def _attached(role: Role, resources: Iterable[DeployedResource]) -> Iterator[Json]:
    for arn in role.managed:
        yield _managed(arn)
    for resource in resources:
        if _is_attached(resource, role):
            yield resource.properties.get("PolicyDocument")


def _is_attached(resource: DeployedResource, role: Role) -> bool:
    match resource.type:
        case resource_types.POLICY:
            return role.name in sequence(resource.properties.get("Roles"))
        case resource_types.MANAGED_POLICY:
            return (
                role.name in sequence(resource.properties.get("Roles"))
                or resource.physical_id in role.managed
            )
        case resource_types.ROLE_POLICY:
            return resource.properties.get("RoleName") == role.name
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
