"""Names by which a command accepts a function."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Protocol, TypeVar

from blocks_cli.assembly.resource_types import FUNCTION
from blocks_cli.errors import CommandError
from blocks_cli.json_value import text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from blocks_cli.local.state import DeployedResource


class Named(Protocol):
    """A function with its names."""

    @property
    def path(self) -> str:
        """Construct path."""

    @property
    def logical_id(self) -> str:
        """Logical id in the template."""

    @property
    def name(self) -> str:
        """Physical name."""

    @property
    def arn(self) -> str:
        """ARN."""


N = TypeVar("N", bound=Named)


def find(name: str, candidates: Sequence[N]) -> N:
    """Return the function of a name.

    Raises:
        CommandError: the name matches no function or several.
    """
    found = [each for each in candidates if name in _names(each)]
    if len(found) == 1:
        return found[0]
    paths = [each.path for each in found or candidates]
    if found:
        raise CommandError(f"{name} is ambiguous", f"it matches {', '.join(paths)}", "use the whole path")
    raise _unknown(name, paths)


def of_stack(stack: str, functions: Sequence[N]) -> list[N]:
    """Return the functions of a stack.

    Raises:
        CommandError: no function is in a stack of this name.
    """
    found = [each for each in functions if _stack(each) == stack]
    if found:
        return found
    names = sorted({_stack(each) for each in functions})
    near = difflib.get_close_matches(stack, names, 1, 0.4)
    raise CommandError(
        f"no stack named {stack} has a function",
        f"deployed stacks with functions: {', '.join(names) or 'none'}",
        f"did you mean --stack {near[0]}?" if near else "pass one of these, or leave --stack out",
    )


def _stack(function: Named) -> str:
    return function.path.partition("/")[0]


def find_function(name: str, resources: Iterable[DeployedResource]) -> DeployedResource:
    """Return the deployed function of a name; errors as of `find`."""
    functions = [_Deployed(each) for each in resources if each.type == FUNCTION]
    return find(name, functions).resource


class _Deployed:
    def __init__(self, resource: DeployedResource) -> None:
        self.resource = resource
        self.path, self.logical_id = resource.path, resource.logical_id
        self.name, self.arn = resource.physical_id, text(resource.attributes.get("Arn"))


def _names(function: Named) -> set[str]:
    path = function.path
    return {
        *(function.arn, function.name, function.logical_id),
        *(path, path.partition("/")[2] or path, path.rpartition("/")[2]),
    }


def _unknown(name: str, names: list[str]) -> CommandError:
    short = {path.partition("/")[2]: path for path in names}
    nearest = difflib.get_close_matches(name, [*names, *short], 1, 0.4)
    hint = f"did you mean {short.get(nearest[0], nearest[0])}?" if nearest else "pass one of these"
    return CommandError(
        f"no function named {name}", f"deployed functions: {', '.join(names) or 'none'}", hint
    )
