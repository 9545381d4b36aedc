"""Order of the deployment of stacks, nested ones included.

CloudFormation deploys a nested stack as one resource of its parent. So a stack that needs anything in a nested stack
waits for all of it, as it does for all of another stack of the app.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from aws_cdk import CfnResource, Stack

from blocks.shared.grantees import enclosing_stacks

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from constructs import IConstruct


def is_deployed_before(stack: Stack, home: Stack, needed: Iterable[Stack]) -> bool:
    """Return whether `home` needs `stack`, as far as is known yet: directly, or by way of other stacks.

    `needed` are the stacks with resources that `home` refers to. A stack around `home`, and `home` itself, are deployed
    neither before nor after it.
    """
    unit = _unit(stack, home)
    return unit is not None and unit.node.path in _paths_before(home, needed)


def _unit(stack: Stack, home: Stack) -> Stack | CfnResource | None:
    """Return what is deployed as one with all of `stack`, seen from `home`; None for a stack around `home`.

    It is an outermost stack, or the resource of a nested stack in a stack around `home`.
    """
    around, inner = [*enclosing_stacks(home)], None
    for each in enclosing_stacks(stack):
        if each in around:
            return None if inner is None else inner.nested_stack_resource
        inner = each
    return inner


def _paths_before(home: Stack, needed: Iterable[Stack]) -> set[str]:
    """Return the paths of the stacks and resources that are deployed before `home`."""
    found: set[str] = set()
    waiting: list[IConstruct] = [unit for each in needed if (unit := _unit(each, home)) is not None]
    for around in enclosing_stacks(home):
        waiting += _dependencies(around)
        if around.nested_stack_resource is not None:
            waiting += _dependencies(around.nested_stack_resource)
    while waiting:
        each = waiting.pop()
        if each.node.path not in found:
            found.add(each.node.path)
            waiting += _dependencies(each)
    return found


def _dependencies(of: IConstruct) -> Iterator[IConstruct]:
    """Yield the stacks that a stack depends on, or the resources that a resource depends on."""
    if isinstance(of, Stack):
        yield from of.dependencies
    elif isinstance(of, CfnResource):
        yield from cast("list[IConstruct]", of.obtain_dependencies())
