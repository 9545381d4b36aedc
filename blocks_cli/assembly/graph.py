"""Dependency order of resources and stacks."""

from __future__ import annotations

import graphlib
import re
from typing import TYPE_CHECKING

from blocks_cli.errors import CommandError
from blocks_cli.json_value import Json, text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from blocks_cli.assembly.template import Resource

_PLACEHOLDER = re.compile(r"\$\{([^!$}][^}]*)\}")


def order(edges: Mapping[str, Iterable[str]], what: str) -> list[str]:
    """Return the keys of `edges` in dependency order; `edges` maps a name to the names that it depends on.

    Dependencies that are not keys are ignored. `what` is for messages.

    Raises:
        CommandError: the dependencies form a cycle; the message lists its members.
    """
    known = {name: [target for target in targets if target in edges] for name, targets in edges.items()}
    try:
        return list(graphlib.TopologicalSorter(known).static_order())
    except graphlib.CycleError as error:
        # graphlib lists a cycle backwards; reversed it reads "a depends on b".
        members = " -> ".join(reversed(error.args[1]))
        raise CommandError(
            f"{what}: circular dependency",
            members,
            "break the cycle, for example by passing a plain name instead of a reference",
        ) from None


def resource_order(resources: Mapping[str, Resource]) -> list[Resource]:
    """Return the resources in CloudFormation's order of creation."""
    edges = {name: dependencies(resource, resources) for name, resource in resources.items()}
    return [resources[name] for name in order(edges, "resources")]


def dependencies(resource: Resource, siblings: Iterable[str]) -> list[str]:
    """Return the logical ids that `resource` depends on: by `DependsOn`, `Ref`, `Fn::GetAtt` or `Fn::Sub`."""
    known = set(siblings)
    named = [*resource.depends_on, *_references(dict(resource.properties))]
    return [name for name in dict.fromkeys(named) if name in known]


def _references(value: Json) -> Iterator[str]:
    if isinstance(value, list):
        for item in value:
            yield from _references(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _REFERENCE.get(key, _references)(item)


def _attribute_target(value: Json) -> Iterator[str]:
    yield text(value[0]) if isinstance(value, list) and value else text(value).partition(".")[0]


def _substitution_targets(value: Json) -> Iterator[str]:
    template = value[0] if isinstance(value, list) and value else value
    for name in _PLACEHOLDER.findall(text(template)):
        yield name.partition(".")[0]
    if isinstance(value, list):
        yield from _references(value[1:])


_REFERENCE = {
    "Ref": lambda value: iter([text(value)]),
    "Fn::GetAtt": _attribute_target,
    "Fn::Sub": _substitution_targets,
}
