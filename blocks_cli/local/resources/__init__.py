"""Handlers of resource types; types without a handler get a placeholder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blocks_cli.assembly import resource_types
from blocks_cli.local.placeholders import is_placeholder
from blocks_cli.local.resources.cluster import ClusterHandler
from blocks_cli.local.resources.custom import CustomResourceHandler
from blocks_cli.local.resources.function import FunctionHandler, LayerHandler
from blocks_cli.local.resources.http import FunctionUrlHandler, HttpApiHandler
from blocks_cli.local.resources.iam import IdentityHandler
from blocks_cli.local.resources.simple import SIMPLE, PlaceholderHandler, SimpleHandler
from blocks_cli.local.resources.table import TableHandler

if TYPE_CHECKING:
    from blocks_cli.local.resources.handler import ResourceHandler
    from blocks_cli.local.state import DeployedResource

HANDLERS: dict[str, ResourceHandler] = {
    resource_types.CLUSTER: ClusterHandler(),
    resource_types.FUNCTION: FunctionHandler(),
    resource_types.LAYER: LayerHandler(),
    resource_types.TABLE: TableHandler(),
    resource_types.GLOBAL_TABLE: TableHandler(),
    resource_types.CUSTOM_RESOURCE: CustomResourceHandler(),
    resource_types.ROLE: IdentityHandler("role"),
    resource_types.MANAGED_POLICY: IdentityHandler("policy"),
    resource_types.POLICY: IdentityHandler(None),
    resource_types.ROLE_POLICY: IdentityHandler(None),
    resource_types.FUNCTION_URL: FunctionUrlHandler(),
    resource_types.HTTP_API: HttpApiHandler(),
    **{name: SimpleHandler(shape) for name, shape in SIMPLE.items()},
}

_PLACEHOLDER = PlaceholderHandler()


def handler_for(type_name: str) -> ResourceHandler:
    """Return the handler of a resource type; all custom resources have the same one."""
    if resource_types.is_custom(type_name):
        type_name = resource_types.CUSTOM_RESOURCE
    return HANDLERS.get(type_name, _PLACEHOLDER)


def handler_of(resource: DeployedResource) -> ResourceHandler:
    """Return the handler of a deployed resource; a placeholder has nothing to start or delete."""
    return _PLACEHOLDER if is_placeholder(resource) else handler_for(resource.type)
