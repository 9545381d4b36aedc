"""Nested stacks, expanded into the template of their parent.

A resource of a nested stack gets the logical id of its stack as a prefix. References to parameters of the nested stack
become the values that the parent passes, and references to its outputs become their values.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from blocks_cli.assembly.resource_types import NESTED_STACK
from blocks_cli.errors import CommandError
from blocks_cli.json_value import Json, mapping, sequence, text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_ASSET = re.compile(r"([0-9a-f]{64}\.json)")
_PLACEHOLDER = re.compile(r"\$\{(!?)([^}]*)\}")
PATH = "aws:cdk:path"
"""Key in the metadata of a resource: its construct path."""

_SECTIONS = ("Resources", "Mappings", "Conditions")


@dataclass(frozen=True)
class Source:
    """Access to the nested templates of a stack.

    `read` returns the template with an object key in the assets. `paths` are the construct paths with the logical ids
    of their resources, of all nested stacks together.
    """

    stack: str
    read: Callable[[str], Mapping[str, Json]]
    paths: Sequence[tuple[str, str]]

    def path(self, root: str, logical_id: str) -> str:
        """Return the construct path of a resource of the template whose constructs are below `root`, or ""."""
        found = [path for path, id in self.paths if id == logical_id and path.startswith(f"{root}/")]
        return min(found, key=len, default="")


def expand(body: Mapping[str, Json], source: Source, root: str = "") -> dict[str, Json]:
    """Return a template without nested stacks.

    `root` is the construct path of the stack or nested stack.

    Raises:
        CommandError: a nested stack has a condition, or its template is not an asset of the app.
    """
    whole: dict[str, Json] = dict(body)
    nested = [
        logical_id
        for logical_id, raw in mapping(body.get("Resources")).items()
        if mapping(raw).get("Type") == NESTED_STACK
    ]
    for logical_id in nested:
        # It may have the values of a nested stack that was expanded before.
        raw = mapping(mapping(whole["Resources"])[logical_id])
        below = source.path(root, logical_id).partition(".NestedStack/")[0]
        inner = expand(_located(_template(logical_id, raw, source), source, below), source, below)
        whole = _merged(whole, logical_id, raw, inner)
    return whole


def _located(body: Mapping[str, Json], source: Source, root: str) -> dict[str, Json]:
    """Return a template with the construct path of each resource in its metadata, as the CDK's command writes it."""
    resources: dict[str, Json] = {
        logical_id: {
            **mapping(raw),
            "Metadata": {
                PATH: source.path(root, logical_id).removeprefix("/"),
                **mapping(mapping(raw).get("Metadata")),
            },
        }
        for logical_id, raw in mapping(body.get("Resources")).items()
    }
    return {**body, "Resources": resources}


def _template(logical_id: str, raw: Mapping[str, Json], source: Source) -> Mapping[str, Json]:
    if raw.get("Condition"):
        raise CommandError(
            f"stack {source.stack}: the nested stack {logical_id} has a condition",
            "a local deploy expands nested stacks into their parent",
            "set the condition on its resources",
        )
    key = _ASSET.search(str(mapping(raw.get("Properties")).get("TemplateURL")))
    if key is None:
        raise CommandError(
            f"stack {source.stack}: the template of the nested stack {logical_id} is not available",
            "it is not an asset of this app, and a local deploy downloads nothing",
            "use NestedStack",
        )
    return source.read(key[1])


def _merged(
    outer: Mapping[str, Json], logical_id: str, raw: Mapping[str, Json], inner: Mapping[str, Json]
) -> dict[str, Json]:
    """Return `outer` with the sections of `inner` in place of the nested stack `logical_id`."""
    names = {name for section in _SECTIONS for name in mapping(inner.get(section))}
    given = mapping(mapping(raw.get("Properties")).get("Parameters"))
    declared = {
        name: mapping(value).get("Default") for name, value in mapping(inner.get("Parameters")).items()
    }
    renaming = _Renaming(logical_id, names, {**declared, **given})
    sections: dict[str, dict[str, Json]] = {}
    for section in _SECTIONS:
        sections[section] = {
            f"{logical_id}{name}": renaming.value(value)
            for name, value in mapping(inner.get(section)).items()
        }
    own = sections["Resources"]
    for name, resource in own.items():
        before = [*sequence(mapping(resource).get("DependsOn")), *sequence(raw.get("DependsOn"))]
        own[name] = {**mapping(resource), **({"DependsOn": before} if before else {})}
    outputs = {
        name: renaming.value(mapping(value).get("Value"))
        for name, value in mapping(inner.get("Outputs")).items()
    }
    rest = {name: each for name, each in mapping(outer.get("Resources")).items() if name != logical_id}
    plugged = _Outputs(logical_id, outputs, [*own])
    whole = {**outer, "Resources": rest}
    replaced: dict[str, Json] = {name: plugged.value(section) for name, section in whole.items()}
    for section in _SECTIONS:
        if sections[section]:
            replaced[section] = {**mapping(replaced.get(section)), **sections[section]}
    return replaced


class _Renaming:
    """Rewrites the expressions of a nested template for its parent."""

    def __init__(self, prefix: str, names: set[str], parameters: Mapping[str, Json]) -> None:
        self._prefix = prefix
        self._names = names
        self._parameters = parameters

    def value(self, value: Json) -> Json:
        """Return the value with all references rewritten."""
        if isinstance(value, list):
            return [self.value(item) for item in value]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            [(key, argument)] = value.items()
            if key == "Ref" and text(argument) in self._parameters:
                return self._parameters[text(argument)]
            if key == "Fn::Sub":
                return self._substitution(argument)
            if key in ("Fn::GetAtt", "Fn::If", "Fn::FindInMap") and isinstance(argument, list):
                return {key: [self._name(argument[0]), *(self.value(item) for item in argument[1:])]}
            if key in ("Ref", "Condition", "Fn::GetAtt") and isinstance(argument, str):
                return {key: self._name(argument)}
        return {key: self._field(key, item) for key, item in value.items()}

    def _field(self, key: str, item: Json) -> Json:
        if key == "Condition" and isinstance(item, str):
            return self._name(item)
        if key == "DependsOn":
            return [self._name(name) for name in sequence(item)]
        return self.value(item)

    def _name(self, name: Json) -> Json:
        if not isinstance(name, str):
            return self.value(name)
        first, dot, rest = name.partition(".")
        return f"{self._prefix}{first}{dot}{rest}" if first in self._names else name

    def _substitution(self, argument: Json) -> Json:
        template, variables = argument if isinstance(argument, list) else (argument, {})
        given = {name: self.value(item) for name, item in mapping(variables).items()}

        def replace(match: re.Match[str]) -> str:
            escaped, name = match.groups()
            if escaped or name in given:
                return match[0]
            if name in self._parameters:
                given[name] = self._parameters[name]
                return match[0]
            return "${" + text(self._name(name)) + "}"

        return {"Fn::Sub": [_PLACEHOLDER.sub(replace, text(template)), given]}


class _Outputs:
    """Replaces references to a nested stack in its parent."""

    def __init__(self, logical_id: str, outputs: Mapping[str, Json], resources: list[str]) -> None:
        self._logical_id = logical_id
        self._outputs = outputs
        self._resources = resources

    def value(self, value: Json) -> Json:
        """Return the value with the outputs, and with the resources of the nested stack in each `DependsOn`."""
        if isinstance(value, list):
            return [self.value(item) for item in value]
        if not isinstance(value, dict):
            return value
        target = value.get("Fn::GetAtt")
        if isinstance(target, list) and target and target[0] == self._logical_id:
            return self._outputs.get(text(target[1]).removeprefix("Outputs."))
        return {
            key: self._dependencies(item) if key == "DependsOn" else self.value(item)
            for key, item in value.items()
        }

    def _dependencies(self, names: Json) -> Json:
        return [
            each
            for name in sequence(names)
            for each in (self._resources if name == self._logical_id else [name])
        ]
