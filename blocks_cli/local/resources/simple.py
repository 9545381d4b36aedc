"""Resources that consist of a name and a few attributes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from blocks_cli.assembly.resource_types import FUNCTION, HTTP_INTEGRATION, HTTP_ROUTE, HTTP_STAGE, PARAMETER
from blocks_cli.json_value import text
from blocks_cli.local.placeholders import MARK, physical_name
from blocks_cli.local.resources.handler import PassiveHandler, ResourceRequest, ResourceResult

if TYPE_CHECKING:
    from blocks_cli.local.account import LocalAccount


@dataclass(frozen=True, slots=True)
class Shape:
    """Patterns for the physical id and the attributes of a resource.

    `name` is the property with the user's name for the resource. Patterns may use `{name}`, `{logs}`, `{function}`,
    `{alias}`, `{logical_id}`, `{type}`, `{value}`, and in attributes `{id}`, the physical id.
    """

    physical_id: str
    attributes: dict[str, str]
    name: str = ""


SIMPLE = {
    "AWS::Logs::LogGroup": Shape("{name}", {"Arn": "{logs}:log-group:{id}:*"}, "LogGroupName"),
    "AWS::Lambda::Version": Shape(
        "{function}:1", {"Version": "1", "FunctionArn": "{function}:1"}, "FunctionName"
    ),
    "AWS::Lambda::Alias": Shape("{function}:{alias}", {"AliasArn": "{function}:{alias}"}, "FunctionName"),
    PARAMETER: Shape("{name}", {"Type": "{type}", "Value": "{value}"}, "Name"),
    "AWS::Lambda::Permission": Shape("{logical_id}", {"Id": "{logical_id}"}),
    "AWS::Lambda::EventInvokeConfig": Shape("{logical_id}", {}),
    HTTP_INTEGRATION: Shape("{logical_id}", {"IntegrationId": "{logical_id}"}),
    HTTP_ROUTE: Shape("{logical_id}", {"RouteId": "{logical_id}"}),
    HTTP_STAGE: Shape("{name}", {}, "StageName"),
    "AWS::ApiGatewayV2::Deployment": Shape("{logical_id}", {"DeploymentId": "{logical_id}"}),
}


@dataclass(frozen=True, slots=True)
class SimpleHandler(PassiveHandler):
    """Computes physical id and attributes from the patterns of a type."""

    shape: Shape

    def apply(self, request: ResourceRequest, account: LocalAccount) -> ResourceResult:
        """Return physical id and attributes."""
        del account
        properties = request.properties
        values = {
            "name": text(properties.get(self.shape.name)) or physical_name(request.stack, request.logical_id),
            "logs": request.arn_prefix("logs"),
            "function": _function_arn(
                request, text(properties.get("FunctionName") or properties.get("TargetFunctionArn"))
            ),
            "alias": text(properties.get("Name")),
            "logical_id": request.logical_id,
            "type": text(properties.get("Type")),
            "value": text(properties.get("Value")),
        }
        values["id"] = self.shape.physical_id.format(**values)
        attributes = {name: pattern.format(**values) for name, pattern in self.shape.attributes.items()}
        return ResourceResult(values["id"], dict(attributes))


def _function_arn(request: ResourceRequest, name: str) -> str:
    return name if name.startswith("arn:") else f"{request.arn_prefix('lambda')}:function:{name}"


class PlaceholderHandler(PassiveHandler):
    """Creates a placeholder for a resource of any other type."""

    def apply(self, request: ResourceRequest, account: LocalAccount) -> ResourceResult:
        """Return a name; attributes are generated on access."""
        account.note(f"{request.path}: {request.type} is not available locally; a placeholder is used")
        return placeholder(request)


def placeholder(request: ResourceRequest) -> ResourceResult:
    """Return a placeholder with a name."""
    name = physical_name(request.stack, request.logical_id)
    # Policies and other functions look for the ARN of every function.
    arn = {"Arn": f"{request.arn_prefix('lambda')}:function:{name}"} if request.type == FUNCTION else {}
    return ResourceResult(name, {**arn}, {MARK: request.region})
