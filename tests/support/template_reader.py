"""Reading synthesized templates: resources by type, the graph between them, and a form fit for keeping."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from graphlib import TopologicalSorter
from typing import TYPE_CHECKING, Any, TypeAlias

import aws_cdk as cdk
from aws_cdk import aws_lambda as lambda_

if TYPE_CHECKING:
    from collections.abc import Iterator

    from constructs import IConstruct

Json: TypeAlias = Any

PYTHON = lambda_.Runtime.PYTHON_3_14


@dataclass(frozen=True)
class Template:
    """One stack's template as CloudFormation gets it."""

    document: Json

    @classmethod
    def of(cls, stack: cdk.Stack) -> Template:
        """Synthesize the app of `stack` and return the stack's template."""
        app = stack.node.root
        assert isinstance(app, cdk.App)
        return cls(app.synth(force=True).get_stack_by_name(stack.stack_name).template)

    @property
    def resources(self) -> dict[str, Json]:
        resources: dict[str, Json] = self.document.get("Resources", {})
        return resources

    def ids(self, type: str) -> list[str]:
        return [id for id, resource in self.resources.items() if resource["Type"] == type]

    def the(self, type: str) -> Json:
        """Return the one resource of a type."""
        (id,) = self.ids(type)
        return self.resources[id]

    def named(self, construct: IConstruct) -> Json:
        """Return the resource of an L1 or of an L2's default child."""
        return self.resources[logical_id(construct)]

    def statements(self) -> list[tuple[str, tuple[str, ...], Json]]:
        """Return every policy statement as (role's logical id, actions, resource), sorted."""
        return sorted(self._statements(), key=str)

    def grants(self) -> list[Json]:
        """Return the property `Grant` of every mapping."""
        return list(self.grants_by_id().values())

    def grants_by_id(self) -> dict[str, Json]:
        """Return the property `Grant` of every mapping by its logical id."""
        return {id: self.resources[id]["Properties"]["Grant"] for id in self.ids("Custom::DsqlGrant")}

    def mappings(self) -> list[Json]:
        """Return each database role of each mapping with its rights and the ARN, sorted."""
        rows = [role | {"RoleArn": grant["RoleArn"]} for grant in self.grants() for role in grant["Roles"]]
        return sorted(rows, key=lambda row: json.dumps(row, sort_keys=True))

    def _statements(self) -> Iterator[tuple[str, tuple[str, ...], Json]]:
        for id in (*self.ids("AWS::IAM::Policy"), *self.ids("AWS::IAM::RolePolicy")):
            properties = self.resources[id]["Properties"]
            holders = [*properties.get("Roles", ()), *properties.get("Users", ())]
            holders += [properties["RoleName"]] if "RoleName" in properties else []
            for statement in properties["PolicyDocument"]["Statement"]:
                actions = statement["Action"]
                for holder in holders:
                    name = holder.get("Ref", json.dumps(holder)) if isinstance(holder, dict) else holder
                    yield (
                        name,
                        tuple([actions] if isinstance(actions, str) else actions),
                        statement["Resource"],
                    )

    def order(self) -> list[str]:
        """Return the logical ids in an order they can be made in; a circle raises `graphlib.CycleError`."""
        graph = {id: set(self._needs(resource)) for id, resource in self.resources.items()}
        return list(TopologicalSorter(graph).static_order())

    def needs(self, id: str) -> set[str]:
        """Return the logical ids that a resource waits for, directly or through others."""
        found: set[str] = set()
        left = [id]
        while left:
            new = set(self._needs(self.resources[left.pop()])) - found
            found |= new
            left += new
        return found

    def _needs(self, value: Json) -> Iterator[str]:
        if isinstance(value, dict):
            for key, inner in value.items():
                if key == "Ref" and inner in self.resources:
                    yield inner
                elif key == "Fn::GetAtt":
                    yield inner.partition(".")[0] if isinstance(inner, str) else inner[0]
                elif key == "Fn::Sub":
                    yield from self._names_in(inner)
                elif key == "DependsOn":
                    yield from [inner] if isinstance(inner, str) else inner
                else:
                    yield from self._needs(inner)
        elif isinstance(value, list):
            for inner in value:
                yield from self._needs(inner)

    def _names_in(self, text: Json) -> Iterator[str]:
        """Yield the resources that an `Fn::Sub` names in its text and in its variables."""
        parts = [text] if isinstance(text, str) else text
        for name in re.findall(r"\$\{([^!}.]+)", parts[0]):
            if name in self.resources:
                yield name
        yield from self._needs(parts[1:])


def logical_id(construct: IConstruct) -> str:
    """Return the logical id of an L1, or of an L2's default child."""
    element = construct if isinstance(construct, cdk.CfnElement) else construct.node.default_child
    assert isinstance(element, cdk.CfnElement)
    resolved: str = cdk.Stack.of(element).resolve(element.logical_id)
    return resolved


def readable(document: Json) -> Json:
    """Return a template without what changes with every release: hashes of assets and of code."""
    text = json.dumps({"Resources": document["Resources"]})
    text = re.sub(r'("S3Key": )"[0-9a-f]{64}\.zip"', r'\1"<hash of the bundle>.zip"', text)
    text = re.sub(r'("(?:Code|Manifest)Digest": )"[0-9a-f]{64}"', r'\1"<sha256>"', text)
    return json.loads(text)


def function(scope: cdk.Stack, id: str = "Fn", **options: Any) -> lambda_.Function:
    """Return a small Python function."""
    defaults: dict[str, Any] = {
        "runtime": PYTHON,
        "handler": "index.handler",
        "code": lambda_.Code.from_inline("def handler(event, context): ..."),
    }
    return lambda_.Function(scope, id, **(defaults | options))
