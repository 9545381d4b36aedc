"""Checks before a local deploy changes anything."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from blocks_cli.assembly.resource_types import CLUSTER, IDENTITIES, POLICY, ROLE, ROLE_POLICY
from blocks_cli.errors import CommandError
from blocks_cli.json_value import Json, mapping, sequence, text
from blocks_settings.regions import is_known, nearest

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from blocks_cli.assembly.cloud import Stack
    from blocks_cli.assembly.template import Resource
    from blocks_cli.local.state import DeployedResource, StackState

_MULTI_REGION = "MultiRegionProperties"


def check_parameters(given: Mapping[str, str], stacks: Sequence[Stack]) -> None:
    """Refuse unknown parameters, as CloudFormation does."""
    declared = {name for stack in stacks for name in stack.template.parameters}
    for name in given:
        if name not in declared:
            raise CommandError(
                f"parameter {name}: unknown",
                f"the templates to deploy have: {', '.join(sorted(declared)) or 'none'}",
                "pass one of these, or declare it with CfnParameter",
            )


def check_clusters(states: Mapping[str, StackState], stacks: Sequence[Stack]) -> None:
    """Refuse that a cluster in one Region becomes one in two, as DSQL does after the deploy of the other stack."""
    for stack in stacks:
        deployed = states[stack.name].resources if stack.name in states else {}
        for logical_id, resource in stack.template.resources.items():
            before = deployed.get(logical_id)
            if resource.type != CLUSTER or before is None or before.type != CLUSTER:
                continue
            if resource.properties.get(_MULTI_REGION) and not before.properties.get(_MULTI_REGION):
                raise CommandError(
                    f"{resource.path}: cannot become a cluster in two Regions",
                    "DSQL refuses it: a single-Region cluster cannot become a multi-Region cluster "
                    "(ValidationException)",
                    "create a second database with multi_region= under another id, and copy the data",
                )


def check_roles(
    resource: Resource,
    properties: Mapping[str, Json],
    parameters: Collection[str],
    deployed: Sequence[DeployedResource],
) -> None:
    """Refuse a policy of a role that does not exist, as IAM does; `properties` are the evaluated ones.

    A name that is written in the template, or comes from one of its `parameters`, may be that of a role of another app.
    """
    roles = {each.physical_id for each in deployed if each.type == ROLE}
    for written, name in _role_names(resource, properties):
        if (
            name not in roles
            and not isinstance(written, str)
            and not _references(written).intersection(parameters)
        ):
            raise CommandError(
                f"{resource.path}: there is no role {name}",
                f"The role with name {name} cannot be found. (IAM: NoSuchEntity)",
                "correct the expression of the role's name in the template",
            )


def _role_names(resource: Resource, properties: Mapping[str, Json]) -> Iterator[tuple[Json, str]]:
    """Yield the role names of a policy, each as it is in the template and evaluated."""
    if resource.type == ROLE_POLICY:
        yield resource.properties.get("RoleName"), text(properties.get("RoleName"))
    written = resource.properties.get("Roles")
    if resource.type == POLICY and isinstance(written, list):
        yield from zip(written, map(text, sequence(properties.get("Roles"))), strict=False)


def _references(value: Json) -> set[str]:
    """Return the names that an expression refers to by `Ref`."""
    if isinstance(value, list):
        return {name for each in value for name in _references(each)}
    if not isinstance(value, dict):
        return set()
    own = {text(value["Ref"])} if "Ref" in value else set()
    return own | {name for each in mapping(value).values() for name in _references(each)}


def check_regions(states: Mapping[str, StackState], regions: Mapping[str, str]) -> None:
    """Refuse to deploy a stack in another Region than before: on AWS that is another stack with other resources.

    Raises:
        CommandError: a stack in `regions`, its new Region by name, is deployed in another one.
    """
    for name, region in regions.items():
        before = states[name].region if name in states else region
        if before != region:
            raise CommandError(
                f"stack {name}: its Region was {before}, not {region}",
                "its functions, roles and endpoints belong to that Region; on AWS this would be a second stack",
                _other_region_remedy(before, region),
            )


def _other_region_remedy(before: str, region: str) -> str:
    if is_known(region):
        return (
            f"deploy with --region {before}, or run `blocks destroy --local` first (retained databases keep their "
            f"data), then deploy in {region}"
        )
    if near := nearest(region):
        return f"did you mean {near}? Deploy with --region {before}, or name another Region"
    return f"deploy with --region {before}; no Region with Aurora DSQL is called {region}"


def skipped(names: Sequence[str], stacks: Sequence[Stack]) -> frozenset[str]:
    """Return the construct paths of the resources to skip; a name is a path, a construct id or a logical id.

    Raises:
        CommandError: there is no resource of a name, or it is a cluster or role, which others need.
    """
    resources = [each for stack in stacks for each in stack.template.resources.values()]
    return frozenset(each.path for name in names for each in _named(name, resources))


def _named(name: str, resources: Sequence[Resource]) -> list[Resource]:
    exact = [each for each in resources if _is_named(each, name)]
    found = exact or [each for each in resources if _is_below(each, name)]
    if not found:
        paths = [each.path for each in resources]
        near = difflib.get_close_matches(name, paths, 1, 0.4)
        raise CommandError(
            f"--skip {name}: there is no such resource",
            "it is neither a construct path nor a logical id of the stacks to deploy",
            f"did you mean {near[0]}?" if near else "pass a path as a deploy prints it",
        )
    if needed := [each for each in found if each.type in (CLUSTER, ROLE)]:
        raise CommandError(
            f"--skip {name}: {needed[0].path} is an {needed[0].type}",
            "functions could not log in without it",
            "skip a resource that calls a service without a local counterpart",
        )
    return found


def _is_named(resource: Resource, name: str) -> bool:
    return name in (resource.path, resource.logical_id, resource.path.rpartition("/")[2])


def _is_below(resource: Resource, name: str) -> bool:
    """Return whether a resource belongs to the construct `name`; its roles and policies do no harm."""
    return "/" in name and resource.path.startswith(f"{name}/") and resource.type not in IDENTITIES
