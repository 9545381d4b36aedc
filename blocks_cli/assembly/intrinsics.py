"""Evaluate CloudFormation's intrinsic functions with the values of local resources."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias

from blocks_cli.errors import CommandError
from blocks_cli.json_value import Json, mapping, sequence, text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_PLACEHOLDER = re.compile(r"\$\{(!?)([^}]*)\}")
_DYNAMIC = re.compile(r"\{\{resolve:([^:}]+)[^}]*\}\}")
_CLUSTER = re.compile(r"(?<![a-z0-9])[a-z0-9]{26}(?![a-z0-9])")
_HOST = re.compile(r"(?<![a-z0-9])[a-z0-9]{26}\.dsql\.[a-z0-9-]+\.on\.aws")
_API = re.compile(r"https://([a-z0-9]{10})\.execute-api\.[a-z0-9-]+\.amazonaws\.com")
_DYNAMIC_SSM = re.compile(r"\{\{resolve:ssm:([\w./-]+)(?::\d+)?\}\}")

BOOTSTRAP_VERSION = "999"
"""Value of `BootstrapVersion`: no bootstrap stack is needed, so every required version is satisfied."""


class NotYetKnownError(Exception):
    """A value depends on a resource that does not exist yet; `args[0]` is its logical id."""


class References(Protocol):
    """Values of `Ref` and `Fn::GetAtt`."""

    def ref(self, logical_id: str) -> str:
        """Return the physical id of a resource.

        Raises:
            NotYetKnownError: the resource does not exist yet.
            KeyError: the stack has no such resource.
        """

    def attribute(self, logical_id: str, name: str) -> Json:
        """Return an attribute of a resource.

        Raises:
            NotYetKnownError: the resource does not exist yet.
            KeyError: the stack has no such resource.
            CommandError: the resource has no such attribute.
        """


@dataclass(frozen=True)
class Scope:
    """All values that an expression in a stack may refer to.

    `parameters` are values from the caller, `declared` the `Parameters` section of the template. `exports` are by
    export name, `outputs` by (stack name, output name), `systems_manager` by the name of the parameter in SSM.
    `clusters` maps identifiers of clusters to local ones, and host names to local endpoints. `apis` maps ids of HTTP
    APIs to local URLs.
    """

    stack: str
    account: str
    region: str
    references: References
    declared: Mapping[str, Json] = field(default_factory=dict)
    parameters: Mapping[str, str] = field(default_factory=dict)
    mappings: Mapping[str, Json] = field(default_factory=dict)
    conditions: Mapping[str, Json] = field(default_factory=dict)
    exports: Mapping[str, Json] = field(default_factory=dict)
    outputs: Mapping[tuple[str, str], Json] = field(default_factory=dict)
    systems_manager: Mapping[str, str] = field(default_factory=dict)
    clusters: Mapping[str, str] = field(default_factory=dict)
    apis: Mapping[str, str] = field(default_factory=dict)

    @property
    def partition(self) -> str:
        """Partition of the stack's Region."""
        return _partition(self.region)[0]

    @property
    def url_suffix(self) -> str:
        """Domain of the partition's endpoints."""
        return _partition(self.region)[1]


class _NoValue:
    """Value of `AWS::NoValue`: the property or list item is removed."""


_NO_VALUE: Final = _NoValue()
_Result: TypeAlias = "Json | _NoValue"


def resolve(value: Json, scope: Scope, place: str, *, dynamic: bool = False) -> Json:
    """Return `value` with all intrinsic functions evaluated.

    `place` names the value in messages (`BankStack/Transfer.Environment`). Dynamic references (`{{resolve:…}}`) are an
    error unless `dynamic`, which keeps them unchanged.

    Raises:
        NotYetKnownError: the value depends on a resource that does not exist yet.
        CommandError: a function is unknown, malformed, or needs the AWS account.
    """
    result = _Resolver(scope, place, dynamic).value(value)
    return None if isinstance(result, _NoValue) else result


def condition_holds(name: str, scope: Scope, place: str) -> bool:
    """Return whether the condition `name` of the template is true."""
    return _Resolver(scope, place, False).condition(name)


class _Resolver:
    def __init__(self, scope: Scope, place: str, dynamic: bool) -> None:
        self.scope = scope
        self.place = place
        self.dynamic = dynamic

    def value(self, value: Json) -> _Result:
        if isinstance(value, str):
            return self.literal(value)
        if isinstance(value, list):
            return [item for item in map(self.value, value) if not isinstance(item, _NoValue)]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            [(name, argument)] = value.items()
            if name in _FUNCTIONS:
                return _FUNCTIONS[name](self, argument)
            if name.startswith("Fn::"):
                raise self.problem(f"{name} cannot be evaluated locally", "write the value without it")
        resolved = {key: self.value(item) for key, item in value.items()}
        return {key: item for key, item in resolved.items() if not isinstance(item, _NoValue)}

    def plain(self, value: Json) -> Json:
        """Evaluate a value for which CloudFormation does not accept `AWS::NoValue`."""
        result = self.value(value)
        if isinstance(result, _NoValue):
            raise self.problem("AWS::NoValue is used where a value is required", "write a value")
        return result

    def literal(self, value: str) -> str:
        value = _DYNAMIC_SSM.sub(lambda found: self.scope.systems_manager.get(found[1], found[0]), value)
        value = _CLUSTER.sub(lambda found: self.scope.clusters.get(found[0], found[0]), value)
        value = _HOST.sub(lambda found: self.scope.clusters.get(found[0], found[0]), value)
        value = _API.sub(lambda found: self.scope.apis.get(found[1], found[0]), value)
        if not self.dynamic and (match := _DYNAMIC.search(value)):
            raise self.problem(
                f"a dynamic reference to {match[1]} is read from the AWS account at deploy time",
                "for local use, pass the value as CDK context or environment variable",
            )
        return value

    def problem(self, why: str, remedy: str) -> CommandError:
        return CommandError(f"{self.place}: cannot be resolved", why, remedy)

    def arguments(self, value: Json, count: int, name: str) -> list[Json]:
        items = sequence(value)
        if len(items) != count:
            raise self.problem(f"{name} takes {count} arguments, not {len(items)}", "correct the template")
        return items

    def condition(self, name: str) -> bool:
        if name not in self.scope.conditions:
            raise self.problem(f"the condition {name} does not exist", "correct the template")
        return self.truth(self.scope.conditions[name])

    def truth(self, value: Json) -> bool:
        if isinstance(value, dict) and set(value) == {"Condition"}:
            return self.condition(text(value["Condition"]))
        return text(self.plain(value)) == "true"


def _ref(resolver: _Resolver, value: Json) -> _Result:
    name = text(value)
    scope = resolver.scope
    if name == "AWS::NoValue":
        return _NO_VALUE
    if name in _PSEUDO_PARAMETERS:
        return _PSEUDO_PARAMETERS[name](scope)
    if name in scope.declared:
        return _parameter(resolver, name)
    try:
        return scope.references.ref(name)
    except KeyError:
        raise resolver.problem(
            f"Ref names {name}, which is not a resource or parameter", "correct the template"
        ) from None


def _parameter(resolver: _Resolver, name: str) -> Json:
    declared = mapping(resolver.scope.declared[name])
    kind = text(declared.get("Type"))
    if name in resolver.scope.parameters:
        given = resolver.scope.parameters[name]
        return [*given.split(",")] if kind == "CommaDelimitedList" or kind.startswith("List<") else given
    if name == "BootstrapVersion":
        return BOOTSTRAP_VERSION
    if kind.startswith("AWS::SSM::"):
        return _systems_manager(resolver, name, text(declared.get("Default")), kind)
    if "Default" not in declared:
        raise resolver.problem(f"parameter {name} has no default", f"pass --parameter {name}=VALUE")
    default = text(declared["Default"])
    return [*default.split(",")] if kind == "CommaDelimitedList" or kind.startswith("List<") else default


def _systems_manager(resolver: _Resolver, name: str, key: str, kind: str) -> Json:
    """Return the value of a parameter in Systems Manager, which a deployed stack defines."""
    if key not in resolver.scope.systems_manager:
        raise resolver.problem(
            f"parameter {name} is {key} in the account's Systems Manager, and no deployed stack defines that",
            f"pass --parameter {name}=VALUE",
        )
    value = resolver.scope.systems_manager[key]
    return [*value.split(",")] if "List<" in kind else value


def _get_att(resolver: _Resolver, value: Json) -> Json:
    if isinstance(value, str):
        logical_id, _, name = value.partition(".")
    else:
        first, second = resolver.arguments(value, 2, "Fn::GetAtt")
        logical_id, name = text(first), text(resolver.plain(second))
    try:
        return resolver.scope.references.attribute(logical_id, name)
    except KeyError:
        raise resolver.problem(
            f"Fn::GetAtt names {logical_id}, which is not a resource", "correct the template"
        ) from None


def _sub(resolver: _Resolver, value: Json) -> str:
    template, variables = (value, None) if isinstance(value, str) else resolver.arguments(value, 2, "Fn::Sub")
    given = mapping(variables)

    def replace(match: re.Match[str]) -> str:
        escaped, name = match.groups()
        if escaped:
            return "${" + name + "}"
        if name in given:
            return text(resolver.plain(given[name]))
        expression: Json = {"Fn::GetAtt": name} if "." in name else {"Ref": name}
        return text(resolver.plain(expression))

    return resolver.literal(_PLACEHOLDER.sub(replace, text(template)))


def _join(resolver: _Resolver, value: Json) -> str:
    delimiter, items = resolver.arguments(value, 2, "Fn::Join")
    joined = text(delimiter).join(text(item) for item in sequence(resolver.plain(items)))
    return resolver.literal(joined)


def _select(resolver: _Resolver, value: Json) -> Json:
    index, items = resolver.arguments(value, 2, "Fn::Select")
    choices, position = sequence(resolver.plain(items)), text(resolver.plain(index))
    if not position.isdigit() or int(position) >= len(choices):
        raise resolver.problem(f"Fn::Select {position} of a list of {len(choices)}", "correct the index")
    return choices[int(position)]


def _split(resolver: _Resolver, value: Json) -> Json:
    delimiter, source = resolver.arguments(value, 2, "Fn::Split")
    return [*text(resolver.plain(source)).split(text(delimiter))]


def _find_in_map(resolver: _Resolver, value: Json) -> Json:
    items = sequence(value)
    keys = [text(resolver.plain(item)) for item in items[:3]]
    found: Json = dict(resolver.scope.mappings)
    for key in keys:
        if not isinstance(found, dict) or key not in found:
            return _map_default(resolver, keys, items)
        found = found[key]
    return found


def _map_default(resolver: _Resolver, keys: list[str], items: list[Json]) -> Json:
    options = mapping(items[3]) if len(items) > 3 else {}
    if "DefaultValue" not in options:
        raise resolver.problem(f"the mappings have no {'.'.join(keys)}", "add it, or choose another Region")
    return resolver.plain(options["DefaultValue"])


def _import_value(resolver: _Resolver, value: Json) -> Json:
    name = text(resolver.plain(value))
    if name not in resolver.scope.exports:
        raise resolver.problem(f"no deployed stack exports {name}", "deploy the stack that exports it")
    return resolver.scope.exports[name]


def _stack_output(resolver: _Resolver, value: Json) -> Json:
    argument = mapping(resolver.plain(value))
    key = (text(argument.get("StackName")), text(argument.get("OutputName")))
    if key not in resolver.scope.outputs:
        raise resolver.problem(f"stack {key[0]} has no output {key[1]}", "deploy that stack as well")
    return resolver.scope.outputs[key]


def _if(resolver: _Resolver, value: Json) -> _Result:
    name, yes, no = resolver.arguments(value, 3, "Fn::If")
    return resolver.value(yes if resolver.condition(text(name)) else no)


def _equals(resolver: _Resolver, value: Json) -> Json:
    left, right = (resolver.plain(item) for item in resolver.arguments(value, 2, "Fn::Equals"))
    return text(left) == text(right) if not isinstance(left, dict | list) else left == right


def _contains(resolver: _Resolver, value: Json) -> Json:
    items, wanted = (resolver.plain(item) for item in resolver.arguments(value, 2, "Fn::Contains"))
    return text(wanted) in [text(item) for item in sequence(items)]


def _zones(resolver: _Resolver, value: Json) -> Json:
    region = text(resolver.plain(value)) or resolver.scope.region
    return [f"{region}{letter}" for letter in "abc"]


def _partition(region: str) -> tuple[str, str]:
    for prefix, partition, suffix in _PARTITIONS:
        if region.startswith(prefix):
            return partition, suffix
    return "aws", "amazonaws.com"


_PARTITIONS = (
    ("cn-", "aws-cn", "amazonaws.com.cn"),
    ("us-gov-", "aws-us-gov", "amazonaws.com"),
    ("eusc-", "aws-eusc", "amazonaws.eu"),
)

_PSEUDO_PARAMETERS: dict[str, Callable[[Scope], Json]] = {
    "AWS::AccountId": lambda scope: scope.account,
    "AWS::Region": lambda scope: scope.region,
    "AWS::Partition": lambda scope: scope.partition,
    "AWS::URLSuffix": lambda scope: scope.url_suffix,
    "AWS::StackName": lambda scope: scope.stack,
    "AWS::StackId": lambda scope: stack_id(scope),
    "AWS::NotificationARNs": lambda _: [],
}


def stack_id(scope: Scope) -> str:
    """Return the ARN of a stack, which depends only on account, Region and stack name."""
    return f"arn:{scope.partition}:cloudformation:{scope.region}:{scope.account}:stack/{scope.stack}/local"


_FUNCTIONS: dict[str, Callable[[_Resolver, Json], _Result]] = {
    "Ref": _ref,
    "Condition": lambda resolver, value: (
        resolver.condition(text(value))
        if isinstance(value, str) and value in resolver.scope.conditions
        else {"Condition": resolver.plain(value)}
    ),
    "Fn::GetAtt": _get_att,
    "Fn::Sub": _sub,
    "Fn::Join": _join,
    "Fn::Select": _select,
    "Fn::Split": _split,
    "Fn::FindInMap": _find_in_map,
    "Fn::ImportValue": _import_value,
    "Fn::GetStackOutput": _stack_output,
    "Fn::If": _if,
    "Fn::Equals": _equals,
    "Fn::And": lambda resolver, value: all(resolver.truth(item) for item in sequence(value)),
    "Fn::Or": lambda resolver, value: any(resolver.truth(item) for item in sequence(value)),
    "Fn::Not": lambda resolver, value: not resolver.truth(resolver.arguments(value, 1, "Fn::Not")[0]),
    "Fn::Contains": _contains,
    "Fn::GetAZs": _zones,
    "Fn::Base64": lambda resolver, value: base64.b64encode(text(resolver.plain(value)).encode()).decode(),
    "Fn::Length": lambda resolver, value: len(sequence(resolver.plain(value))),
    "Fn::ToJsonString": lambda resolver, value: json.dumps(resolver.plain(value), separators=(",", ":")),
}
