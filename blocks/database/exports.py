"""Exports of a database's stack that exist before, and after, another stack imports them.

CloudFormation refuses to delete an export while another stack imports it. Without these the removal of the last grant
of another stack would remove exports on a deploy that comes before that stack's own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import jsii
from aws_cdk import Aspects, IAspect, Reference, Stack, Tokenization

from blocks.shared.grantees import outermost

if TYPE_CHECKING:
    from aws_cdk import CfnResource
    from constructs import IConstruct


def export_always(resource: CfnResource, *values: str) -> None:
    """Export attributes of the stack of `resource`, each as the CDK exports it for a reader in another stack.

    The exports are created at synthesis, because an exported resource cannot change its logical id afterwards.
    """
    Aspects.of(resource).add(_Exports(values))


@jsii.implements(IAspect)
class _Exports:
    def __init__(self, values: tuple[str, ...]) -> None:
        self._values = values

    def visit(self, node: IConstruct) -> None:
        stack = outermost(Stack.of(node))
        for value in self._values:
            if _is_attribute_in(stack, value):
                stack.export_value(value)


def _is_attribute_in(stack: Stack, value: str) -> bool:
    """Return whether a value is an attribute of a resource in a stack; that of an imported cluster is not."""
    tokens = Tokenization.reverse_string(value)
    first = tokens.first_token
    if tokens.length != 1 or first is None or not Reference.is_reference(first):
        return False
    return outermost(Stack.of(cast("Reference", first).target)) is stack
