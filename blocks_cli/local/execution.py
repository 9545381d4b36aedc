"""Execute the plan of one stack; every completed step is recorded at once."""

from __future__ import annotations

import dataclasses
import time
from typing import TYPE_CHECKING

from blocks_cli.assembly.graph import dependencies
from blocks_cli.assembly.intrinsics import Scope, condition_holds, resolve
from blocks_cli.assembly.resource_types import IDENTITIES, PARAMETER, is_custom
from blocks_cli.json_value import Json, mapping, text
from blocks_cli.local.imported_clusters import local_names
from blocks_cli.local.plan import (
    Action,
    Change,
    StackReferences,
    active_resources,
    differing,
    plan,
    plan_removal,
    resolved_properties,
)
from blocks_cli.local.resources import HANDLERS, handler_for, handler_of
from blocks_cli.local.resources.handler import ResourceRequest, ResourceResult
from blocks_cli.local.resources.simple import placeholder
from blocks_cli.local.state import DeployedResource, StackState

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from blocks_cli.assembly.cloud import Stack
    from blocks_cli.assembly.template import Resource
    from blocks_cli.local.account import LocalAccount


class StackDeployment:
    """Deployment of one stack: from its recorded state to its template."""

    def __init__(
        self,
        stack: Stack,
        account: LocalAccount,
        parameters: Mapping[str, str],
        skipped: Collection[str] = (),
    ) -> None:
        self._stack = stack
        self._account = account
        self._parameters = parameters
        self._skipped = skipped
        if stack.name not in account.states:
            account.states[stack.name] = StackState(stack.name, stack.region, stack.account)

    @property
    def _state(self) -> StackState:
        return self._account.states[self._stack.name]

    def scope(self) -> Scope:
        """Return the current values that expressions of the template can refer to."""
        states = self._account.states.values()
        template = self._stack.template
        return Scope(
            stack=self._stack.name,
            account=self._stack.account,
            region=self._stack.region,
            references=StackReferences(self._state.resources, template.resources),
            declared=template.parameters,
            parameters=self._parameters,
            mappings=template.mappings,
            conditions=template.conditions,
            exports={name: value for state in states for name, value in state.exports.items()},
            outputs={(state.name, name): value for state in states for name, value in state.outputs.items()},
            systems_manager={
                resource.physical_id: text(resource.attributes.get("Value"))
                for resource in self._account.resources()
                if resource.type == PARAMETER
            },
            clusters=local_names(self._account),
        )

    def run(self) -> list[Change]:
        """Execute all steps in order; return the changes.

        Raises:
            CommandError: a step failed; the previous steps are completed and recorded.
        """
        changes = plan(self._state, self._stack.template, self.scope())
        self._account.report.planned(self._stack.name, changes)
        wanted = active_resources(self._stack.template, self.scope())
        done = [self._apply(change, wanted[change.logical_id]) for change in changes if _applies(change)]
        done += remove(
            self._account, self._stack.name, [change for change in changes if not _applies(change)]
        )
        self._account.save(self._with_outputs())
        return done

    def _apply(self, change: Change, resource: Resource) -> Change:
        """Create or update one resource, unless its evaluated properties are unchanged."""
        dynamic = resource.type not in HANDLERS and not is_custom(resource.type)
        properties = resolved_properties(resource, self.scope(), dynamic=dynamic)
        previous = self._state.resources.get(resource.logical_id)
        change = _actual(change, previous, properties)
        started = time.monotonic()
        self._account.report.started(self._stack.name, change)
        if change.action is Action.KEEP and previous:
            self._record(resource, previous, previous)
        else:
            self._record(resource, self._make(resource, properties, previous), previous)
            self._start(resource.logical_id)
        self._account.report.finished(self._stack.name, change, time.monotonic() - started)
        return change

    def _make(
        self, resource: Resource, properties: Mapping[str, Json], previous: DeployedResource | None
    ) -> DeployedResource:
        """Create or update a resource with its handler."""
        request = ResourceRequest(
            stack=self._stack.name,
            region=self._stack.region,
            account=self._stack.account,
            partition=self.scope().partition,
            logical_id=resource.logical_id,
            type=resource.type,
            path=resource.path,
            properties=properties,
            assets=self._stack.assets,
            previous=previous,
        )
        outcome = self._outcome(request)
        return DeployedResource(
            logical_id=resource.logical_id,
            type=resource.type,
            path=resource.path,
            physical_id=outcome.physical_id,
            properties=properties,
            attributes=outcome.attributes,
            local=outcome.local,
        )

    def _outcome(self, request: ResourceRequest) -> ResourceResult:
        if request.path not in self._skipped:
            return handler_for(request.type).apply(request, self._account)
        self._account.note(f"{request.path}: {request.type} was skipped by --skip; a placeholder is used")
        return placeholder(request)

    def _record(
        self, resource: Resource, deployed: DeployedResource, previous: DeployedResource | None
    ) -> None:
        """Save the resource as deployed; a replaced one becomes a leftover."""
        deployed = dataclasses.replace(
            deployed,
            path=resource.path,
            depends_on=tuple(dependencies(resource, self._stack.template.resources)),
            retained=resource.retained,
        )
        state = self._state.with_resource(deployed)
        if previous and previous.physical_id != deployed.physical_id:
            state = dataclasses.replace(state, leftovers=(*state.leftovers, previous))
        if state != self._state:
            self._account.save(state)

    def _start(self, logical_id: str) -> None:
        resource = self._state.resources[logical_id]
        handler_of(resource).restore(resource, self._account)
        if resource.type in IDENTITIES:
            self._account.publish_permissions()

    def _with_outputs(self) -> StackState:
        scope = self.scope()
        outputs: dict[str, Json] = {}
        exports: dict[str, Json] = {}
        for name, raw in self._stack.template.outputs.items():
            output, place = mapping(raw), f"{self._stack.name} output {name}"
            condition = text(output.get("Condition"))
            if condition and not condition_holds(condition, scope, place):
                continue
            outputs[name] = resolve(output.get("Value"), scope, place, dynamic=True)
            if export := mapping(output.get("Export")).get("Name"):
                exports[text(resolve(export, scope, place))] = outputs[name]
        return dataclasses.replace(
            self._state, outputs=outputs, exports=exports, dependencies=self._stack.dependencies
        )


def remove(
    account: LocalAccount, stack: str, changes: Sequence[Change], *, purge: bool = False
) -> list[Change]:
    """Delete replaced resources, then execute `changes`; return the changes made.

    Raises:
        CommandError: a resource cannot be deleted; the previous deletions are recorded.
    """
    for leftover in account.states[stack].leftovers:
        handler_of(leftover).delete(leftover, account, purge=purge)
        state = account.states[stack]
        account.save(
            dataclasses.replace(state, leftovers=tuple(r for r in state.leftovers if r is not leftover))
        )
    return [_remove(account, stack, change, purge) for change in changes]


def destroy(account: LocalAccount, stack: str, *, purge: bool) -> list[Change]:
    """Delete a whole stack; retained resources are kept unless `purge`."""
    changes = plan_removal(account.states[stack])
    account.report.planned(stack, changes)
    done = remove(account, stack, changes, purge=purge)
    account.forget(stack)
    return done


def _remove(account: LocalAccount, stack: str, change: Change, purge: bool) -> Change:
    started = time.monotonic()
    if change.action is Action.RETAIN and purge:
        change = dataclasses.replace(change, action=Action.DELETE)
    account.report.started(stack, change)
    resource = account.states[stack].resources[change.logical_id]
    if change.action is Action.DELETE:
        handler_of(resource).delete(resource, account, purge=purge)
    account.save(account.states[stack].without_resource(change.logical_id))
    account.report.finished(stack, change, time.monotonic() - started)
    return change


def _applies(change: Change) -> bool:
    return change.action in {Action.CREATE, Action.UPDATE, Action.KEEP}


def _actual(change: Change, previous: DeployedResource | None, properties: Mapping[str, Json]) -> Change:
    """Return the change with the action that the evaluated properties require."""
    if previous is None:
        return change
    different = differing(previous.properties, properties)
    action = Action.UPDATE if different else Action.KEEP
    return dataclasses.replace(change, action=action, properties=different)
