"""One handler per resource type that exists locally; everything else gets a stand-in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blocks_cli.local.resources.cluster import ClusterHandler
from blocks_cli.local.resources.custom import CustomResourceHandler
from blocks_cli.local.resources.function import FunctionHandler, LayerHandler
from blocks_cli.local.resources.iam import IdentityHandler
from blocks_cli.local.resources.simple import SIMPLE, SimpleHandler, StandInHandler

if TYPE_CHECKING:
    from blocks_cli.local.resources.handler import Handler

HANDLERS: dict[str, Handler] = {
    "AWS::DSQL::Cluster": ClusterHandler(),
    "AWS::Lambda::Function": FunctionHandler(),
    "AWS::Lambda::LayerVersion": LayerHandler(),
    "AWS::CloudFormation::CustomResource": CustomResourceHandler(),
    "AWS::IAM::Role": IdentityHandler("role"),
    "AWS::IAM::ManagedPolicy": IdentityHandler("policy"),
    "AWS::IAM::Policy": IdentityHandler(None),
    "AWS::IAM::RolePolicy": IdentityHandler(None),
    **{name: SimpleHandler(shape) for name, shape in SIMPLE.items()},
}

_STAND_IN = StandInHandler()


def handler_for(type_name: str) -> Handler:
    """Return the handler of a resource type; every `Custom::…` has the same one."""
    if type_name.startswith("Custom::"):
        type_name = "AWS::CloudFormation::CustomResource"
    return HANDLERS.get(type_name, _STAND_IN)
