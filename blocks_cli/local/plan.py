"""The plan of a deploy, as data.

`plan` compares the template with the deployed state, without side effects, and returns one `Change` per resource in
order of execution. Other modules render and execute it.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from blocks_cli.assembly.graph import order, resource_order
from blocks_cli.assembly.intrinsics import NotYetKnownError, Scope, condition_holds, resolve
from blocks_cli.errors import CommandError
from blocks_cli.local.placeholders import is_placeholder, plausible_attribute

if TYPE_CHECKING:
    from collections.abc import Mapping

    from blocks_cli.assembly.template import Resource, Template
    from blocks_cli.json_value import Json
    from blocks_cli.local.state import DeployedResource, StackState

UNKNOWN = "(known after deploy)"
"""Value of a property that refers to a resource that does not exist yet."""


class Action(enum.Enum):
    """Action on a resource."""

    CREATE = "create"
    UPDATE = "update"
    KEEP = "no change"
    DELETE = "delete"
    RETAIN = "retain"
    """The resource leaves the stack but is kept, by its deletion policy."""


@dataclass(frozen=True, slots=True)
class Change:
    """One step of a deploy; `properties` are the changed properties of an update."""

    action: Action
    logical_id: str
    type: str
    path: str
    properties: tuple[str, ...] = ()


@dataclass(frozen=True)
class StackReferences:
    """`Ref` and `Fn::GetAtt` of one stack: deployed resources have values, declared ones have none yet."""

    deployed: Mapping[str, DeployedResource]
    declared: Mapping[str, Resource] = field(default_factory=dict)

    def ref(self, logical_id: str) -> str:
        """Return the physical id of a resource."""
        return self._find(logical_id).physical_id

    def attribute(self, logical_id: str, name: str) -> Json:
        """Return an attribute of a resource; a generated one for a placeholder."""
        resource = self._find(logical_id)
        if name in resource.attributes:
            return resource.attributes[name]
        if not is_placeholder(resource):
            raise CommandError(
                f"{resource.path}: no attribute {name}",
                f"a local {resource.type} has: {', '.join(sorted(resource.attributes)) or 'none'}",
                "use one of these",
            )
        return plausible_attribute(resource, name)

    def _find(self, logical_id: str) -> DeployedResource:
        if logical_id in self.deployed:
            return self.deployed[logical_id]
        if logical_id in self.declared:
            raise NotYetKnownError(logical_id)
        raise KeyError(logical_id)


def plan(previous: StackState, template: Template, scope: Scope) -> list[Change]:
    """Return the changes from `previous` to `template`: creations and updates in order, then deletions in reverse.

    A property that refers to a resource that does not exist yet counts as changed; the execution compares again once
    the value is known.

    Raises:
        CommandError: an expression cannot be evaluated, or a resource would change its type.
    """
    wanted = active_resources(template, scope)
    changes = [
        _change(previous.resources.get(resource.logical_id), resource, scope)
        for resource in resource_order(wanted)
    ]
    return [*changes, *plan_removal(previous, keep=wanted)]


def plan_removal(previous: StackState, keep: Mapping[str, object] | None = None) -> list[Change]:
    """Return the deletions of all resources except `keep`, in reverse order of creation."""
    edges = {name: resource.depends_on for name, resource in previous.resources.items()}
    gone = [name for name in reversed(order(edges, f"stack {previous.name}")) if name not in (keep or {})]
    return [_removal(previous.resources[name]) for name in gone]


def active_resources(template: Template, scope: Scope) -> dict[str, Resource]:
    """Return the resources without a condition or with a true one."""
    return {
        name: resource
        for name, resource in template.resources.items()
        if resource.condition is None or condition_holds(resource.condition, scope, resource.path)
    }


def resolved_properties(resource: Resource, scope: Scope, *, dynamic: bool) -> dict[str, Json]:
    """Return the evaluated properties of a resource, with `UNKNOWN` for values that are not known yet.

    Properties with `AWS::NoValue` are removed. `dynamic` keeps dynamic references unchanged.
    """
    resolved = {
        name: _resolve_or_unknown(value, scope, f"{resource.path} {name}", dynamic)
        for name, value in resource.properties.items()
    }
    return {name: value for name, value in resolved.items() if value is not None}


def differing(old: Mapping[str, Json], new: Mapping[str, Json]) -> tuple[str, ...]:
    """Return the sorted names of the properties that differ."""
    return tuple(sorted(name for name in {*old, *new} if old.get(name) != new.get(name)))


def _change(old: DeployedResource | None, resource: Resource, scope: Scope) -> Change:
    if old is None:
        return Change(Action.CREATE, resource.logical_id, resource.type, resource.path)
    if old.type != resource.type:
        raise CommandError(
            f"{resource.path}: {resource.logical_id} was an {old.type} and would become an {resource.type}",
            "CloudFormation does not change the type of a resource",
            "give the new resource another id",
        )
    new = resolved_properties(resource, scope, dynamic=True)
    different = differing(old.properties, new)
    action = Action.UPDATE if different else Action.KEEP
    return Change(action, resource.logical_id, resource.type, resource.path, different)


def _removal(resource: DeployedResource) -> Change:
    action = Action.RETAIN if resource.retained else Action.DELETE
    return Change(action, resource.logical_id, resource.type, resource.path)


def _resolve_or_unknown(value: Json, scope: Scope, place: str, dynamic: bool) -> Json:
    try:
        return resolve(value, scope, place, dynamic=dynamic)
    except NotYetKnownError:
        return UNKNOWN
