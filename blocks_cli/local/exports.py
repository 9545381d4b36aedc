"""Outputs, exports and imports of a stack."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from blocks_cli.assembly.intrinsics import Scope, condition_holds, resolve
from blocks_cli.errors import CommandError
from blocks_cli.json_value import Json, mapping, text
from blocks_cli.local.plan import active_resources

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from blocks_cli.assembly.cloud import Stack
    from blocks_cli.local.state import StackState

_IMPORT = "Fn::ImportValue"


def with_outputs(state: StackState, stack: Stack, scope: Scope, others: Iterable[StackState]) -> StackState:
    """Return the state with the outputs, exports, imports and dependencies of its new template.

    Raises:
        CommandError: an output cannot be evaluated, or an export is gone that one of the `others` imports.
    """
    outputs: dict[str, Json] = {}
    exports: dict[str, Json] = {}
    for name, raw in stack.template.outputs.items():
        output, place = mapping(raw), f"{stack.name} output {name}"
        condition = text(output.get("Condition"))
        if condition and not condition_holds(condition, scope, place):
            continue
        outputs[name] = resolve(output.get("Value"), scope, place, dynamic=True)
        if export := mapping(output.get("Export")).get("Name"):
            exports[text(resolve(export, scope, place))] = outputs[name]
    _check_removed(state, exports, others)
    properties = [dict(each.properties) for each in active_resources(stack.template, scope).values()]
    named = (text(resolve(name, scope, f"{stack.name} import")) for name in _imports([*properties]))
    return dataclasses.replace(
        state,
        outputs=outputs,
        exports=exports,
        imports=tuple(sorted({*named})),
        dependencies=stack.dependencies,
    )


def _check_removed(state: StackState, exports: Mapping[str, Json], others: Iterable[StackState]) -> None:
    """Refuse to remove an export that another stack imports, as CloudFormation does."""
    for other in others:
        used = [name for name in other.imports if name in state.exports and name not in exports]
        if used and other.name != state.name:
            raise CommandError(
                f"stack {state.name}: the export {used[0]} is gone from its template",
                f"Cannot delete export {used[0]} as it is in use by {other.name}",
                f"deploy {other.name} without the import first, and keep the export until then: "
                "`stack.export_value(…)`",
            )


def _imports(value: Json) -> Iterator[Json]:
    """Return the names in all `Fn::ImportValue` of a value."""
    if isinstance(value, list):
        for item in value:
            yield from _imports(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            if key == _IMPORT:
                yield item
            else:
                yield from _imports(item)
