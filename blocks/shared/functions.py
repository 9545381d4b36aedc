"""Configuration of a Lambda function for a block: the runtime layer, and an order of deployment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import CfnResource
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from blocks.shared.errors import ConstructError
from blocks.shared.layers import runtime_layer

if TYPE_CHECKING:
    from constructs import IConstruct

_LAYER_MARK = "BlocksRuntime"


def add_runtime_layer(function: lambda_.Function) -> None:
    """Add the runtime layer to a Python function; other languages and container images package their own.

    Raises:
        ConstructError: the function has as many layers as Lambda allows.
        BundlingError: there is no runtime layer for its Python version.
    """
    if function.runtime.family is not lambda_.RuntimeFamily.PYTHON:
        return
    if function.node.try_find_child(_LAYER_MARK) is None:
        layer = runtime_layer(function, function.runtime, function.architecture)
        try:
            function.add_layers(layer)
        except RuntimeError as error:  # jsii's class for an error of the CDK
            raise _layer_refused(function, error) from error
        Construct(function, _LAYER_MARK)


def main_resources(construct: IConstruct) -> list[CfnResource]:
    """Return the resource that `construct` is about, or all that are not of IAM if it has no such resource."""
    if isinstance(construct, CfnResource):
        return [construct]
    main = construct.node.default_child
    if isinstance(main, CfnResource):
        return [main]
    return [
        each
        for each in construct.node.find_all()
        if isinstance(each, CfnResource) and not each.cfn_resource_type.startswith("AWS::IAM::")
    ]


def _layer_refused(function: lambda_.Function, error: Exception) -> ConstructError:
    return ConstructError(
        f"the runtime layer cannot be added to {function.node.path}",
        str(error),
        "join two of its layers; or package blocks-dsql with its code, and grant with layer=False",
    )
