"""A parsed CloudFormation template."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from blocks_cli.assembly.nested import PATH
from blocks_cli.errors import CommandError
from blocks_cli.json_value import Json, mapping, sequence, text

if TYPE_CHECKING:
    from collections.abc import Mapping

OWN_ID = re.compile(r"/(Resource|Default)\Z")
"""End of the path of a construct's main resource."""

IGNORED_TYPES = frozenset({"AWS::CDK::Metadata"})
"""Resources with CDK telemetry only; they have no effect on AWS either."""

REFUSED_TYPES = {
    "AWS::CloudFormation::Macro": ("template macros run in the AWS account", "expand the macro before synth"),
}


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource of a template; its properties are not evaluated.

    `path` is the construct path without a trailing `/Resource` or `/Default` (`BankStack/Transfer`). It is `retained`
    when it leaves the stack, `retained_on_failure` when the deploy that creates it fails, and
    `retained_on_replacement` when another one takes its place.
    """

    logical_id: str
    type: str
    properties: Mapping[str, Json]
    depends_on: tuple[str, ...]
    condition: str | None
    retained: bool
    path: str
    retained_on_failure: bool = False
    retained_on_replacement: bool = False


@dataclass(frozen=True, slots=True)
class Template:
    """The sections of a template that a local deploy uses; values are not evaluated."""

    resources: Mapping[str, Resource]
    parameters: Mapping[str, Json]
    mappings: Mapping[str, Json]
    conditions: Mapping[str, Json]
    outputs: Mapping[str, Json]


def read_template(body: Mapping[str, Json], stack: str, paths: Mapping[str, str]) -> Template:
    """Return the template in `body`; `paths` maps logical ids to construct paths.

    Raises:
        CommandError: the template uses a macro; the message says what to write instead.
    """
    if body.get("Transform"):
        raise CommandError(
            f"stack {stack}: the template has the transform {body['Transform']!r}",
            "CloudFormation expands transforms in the AWS account; they cannot run locally",
            "remove the transform from the template",
        )
    resources = {
        logical_id: _resource(logical_id, mapping(raw), stack, paths)
        for logical_id, raw in mapping(body.get("Resources")).items()
        if mapping(raw).get("Type") not in IGNORED_TYPES
    }
    return Template(
        resources=resources,
        parameters=mapping(body.get("Parameters")),
        mappings=mapping(body.get("Mappings")),
        conditions=mapping(body.get("Conditions")),
        outputs=mapping(body.get("Outputs")),
    )


def _resource(logical_id: str, raw: Mapping[str, Json], stack: str, paths: Mapping[str, str]) -> Resource:
    type_name = text(raw.get("Type"))
    if refusal := REFUSED_TYPES.get(type_name):
        raise CommandError(f"stack {stack}: {logical_id} is an {type_name}", *refusal)
    condition, policy = raw.get("Condition"), text(raw.get("DeletionPolicy"))
    return Resource(
        logical_id=logical_id,
        type=type_name,
        properties=mapping(raw.get("Properties")),
        depends_on=tuple(text(name) for name in sequence(raw.get("DependsOn"))),
        condition=text(condition) if condition else None,
        retained=policy.startswith("Retain"),
        retained_on_failure=policy == "Retain",
        retained_on_replacement=raw.get("UpdateReplacePolicy") == "Retain",
        path=_path(raw) or paths.get(logical_id, f"{stack}/{logical_id}"),
    )


def _path(raw: Mapping[str, Json]) -> str:
    """Return the construct path that the CDK's command line writes into a template, "" without one."""
    path = text(mapping(raw.get("Metadata")).get(PATH))
    return OWN_ID.sub("", path)
