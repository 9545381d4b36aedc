"""Execute the plan of one stack; every completed step is recorded at once."""

from __future__ import annotations

import dataclasses
import time
from typing import TYPE_CHECKING

from blocks_cli.assembly.graph import dependencies
from blocks_cli.assembly.intrinsics import Scope
from blocks_cli.assembly.resource_types import PARAMETER, is_custom
from blocks_cli.errors import CommandError
from blocks_cli.json_value import text
from blocks_cli.local.checks import check_roles
from blocks_cli.local.cleanup import clean_up
from blocks_cli.local.exports import with_outputs
from blocks_cli.local.http_endpoints import urls_of_apis
from blocks_cli.local.imported_clusters import local_names
from blocks_cli.local.plan import (
    Action,
    Change,
    StackReferences,
    active_resources,
    differing,
    plan,
    resolved_properties,
)
from blocks_cli.local.resources import HANDLERS
from blocks_cli.local.resources.handler import KEPT
from blocks_cli.local.rollback import Rollback, roll_back
from blocks_cli.local.stack_resources import StackResources
from blocks_cli.local.state import DeployedResource, StackState

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from blocks_cli.assembly.cloud import Stack
    from blocks_cli.assembly.template import Resource
    from blocks_cli.json_value import Json
    from blocks_cli.local.account import LocalAccount


class StackDeployment:
    """Deployment of one stack: from its recorded state to its template."""

    def __init__(
        self,
        stack: Stack,
        account: LocalAccount,
        parameters: Mapping[str, str],
        skipped: Collection[str] = (),
        rollback: Rollback = Rollback.NONE,
    ) -> None:
        self._stack = stack
        self._account = account
        self._parameters = parameters
        self._rollback = rollback
        if stack.name not in account.states:
            account.states[stack.name] = StackState(
                stack.name, stack.region, stack.account, any_region=stack.any_region
            )
        self._resources = StackResources(stack, account, self.scope().partition, skipped)

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
            apis=urls_of_apis(self._account),
        )

    def run(self) -> list[Change]:
        """Create and update all resources in order, then delete replaced and removed ones; return the changes.

        Raises:
            CommandError: a step failed. The previous steps are completed and recorded, or undone by the rollback.
        """
        changes = plan(self._state, self._stack.template, self.scope())
        self._account.report.planned(self._stack.name, changes)
        done = self._apply_all([change for change in changes if _applies(change)])
        removals = [change for change in changes if not _applies(change)]
        return [*done, *clean_up(self._account, self._stack.name, self._state.leftovers, removals)]

    def _apply_all(self, changes: Sequence[Change]) -> list[Change]:
        """Make all creations and updates, and record the outputs; undo them after a failure, if that is wanted."""
        before, done = self._state, list[Change]()
        wanted = active_resources(self._stack.template, self.scope())
        try:
            for change in changes:
                done.append(self._apply(change, wanted[change.logical_id]))
            others = self._account.states.values()
            self._account.save(with_outputs(self._state, self._stack, self.scope(), others))
        except CommandError as error:
            if self._rollback is not Rollback.NONE:
                touched = {change.logical_id for change in done if change.action is not Action.KEEP}
                roll_back(self._resources, before, touched, self._rollback)
                error.remedy = f"{error.remedy.removesuffix(KEPT)}; the stack was rolled back"
            raise
        return done

    def _apply(self, change: Change, resource: Resource) -> Change:
        """Create or update one resource, unless its evaluated properties are unchanged."""
        dynamic = resource.type not in HANDLERS and not is_custom(resource.type)
        properties = resolved_properties(resource, self.scope(), dynamic=dynamic)
        check_roles(resource, properties, self._stack.template.parameters, self._account.existing())
        previous = self._state.resources.get(resource.logical_id)
        change = _actual(change, previous, properties)
        started = time.monotonic()
        self._account.report.started(self._stack.name, change)
        wanted = self._wanted(resource)
        if change.action is Action.KEEP and previous:
            self._resources.record(_kept(previous, wanted), previous)
        else:
            self._resources.record(self._resources.make(wanted, properties, previous), previous)
            self._resources.start(resource.logical_id)
        self._account.report.finished(self._stack.name, change, time.monotonic() - started)
        return change

    def _wanted(self, resource: Resource) -> DeployedResource:
        """Return the resource as the template declares it, without an id."""
        return DeployedResource(
            logical_id=resource.logical_id,
            type=resource.type,
            path=resource.path,
            physical_id="",
            depends_on=tuple(dependencies(resource, self._stack.template.resources)),
            retained=resource.retained,
            retained_on_failure=resource.retained_on_failure,
            retained_on_replacement=resource.retained_on_replacement,
        )


def _kept(deployed: DeployedResource, wanted: DeployedResource) -> DeployedResource:
    """Return an unchanged resource with the path, dependencies and deletion policy of the template."""
    return dataclasses.replace(
        deployed,
        path=wanted.path,
        depends_on=wanted.depends_on,
        retained=wanted.retained,
        retained_on_failure=wanted.retained_on_failure,
        retained_on_replacement=wanted.retained_on_replacement,
    )


def _applies(change: Change) -> bool:
    return change.action in {Action.CREATE, Action.UPDATE, Action.KEEP}


def _actual(change: Change, previous: DeployedResource | None, properties: Mapping[str, Json]) -> Change:
    """Return the change with the action that the evaluated properties require."""
    if previous is None:
        return change
    different = differing(previous.properties, properties)
    action = Action.UPDATE if different else Action.KEEP
    return dataclasses.replace(change, action=action, properties=different)
