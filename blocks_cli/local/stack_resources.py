"""The resources of one stack: made by their handlers, recorded, and started."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

from blocks_cli.assembly.resource_types import IDENTITIES, is_custom
from blocks_cli.local.placeholders import physical_name
from blocks_cli.local.resources import handler_for, handler_of
from blocks_cli.local.resources.handler import HandlerFailedError, ResourceRequest
from blocks_cli.local.resources.simple import placeholder

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from blocks_cli.assembly.cloud import Stack
    from blocks_cli.json_value import Json
    from blocks_cli.local.account import LocalAccount
    from blocks_cli.local.state import DeployedResource, StackState


@dataclass
class StackResources:
    """The resources of a deployed stack; paths in `skipped` get placeholders.

    `failed` is the resource whose handler has failed, with the physical id of its response, or a generated one.
    """

    stack: Stack
    account: LocalAccount
    partition: str
    skipped: Collection[str] = ()
    failed: DeployedResource | None = None

    @property
    def state(self) -> StackState:
        """Recorded state of the stack."""
        return self.account.states[self.stack.name]

    def make(
        self, wanted: DeployedResource, properties: Mapping[str, Json], previous: DeployedResource | None
    ) -> DeployedResource:
        """Create or update a resource with its handler; `wanted` has its type, path and dependencies.

        Raises:
            CommandError: it failed.
        """
        request = ResourceRequest(
            stack=self.stack.name,
            region=self.stack.region,
            account=self.stack.account,
            partition=self.partition,
            logical_id=wanted.logical_id,
            type=wanted.type,
            path=wanted.path,
            properties=properties,
            assets=self.stack.assets,
            previous=previous,
        )
        attempted = dataclasses.replace(wanted, properties=properties)
        if wanted.path in self.skipped:
            self.account.note(f"{wanted.path}: {wanted.type} was skipped by --skip; a placeholder is used")
            result = placeholder(request)
        else:
            try:
                result = handler_for(wanted.type).apply(request, self.account)
            except HandlerFailedError as error:
                self.failed = _failed(attempted, error.physical_id, previous, self.stack.name)
                raise
        return dataclasses.replace(
            attempted, physical_id=result.physical_id, attributes=result.attributes, local=result.local
        )

    def record(self, deployed: DeployedResource, previous: DeployedResource | None) -> None:
        """Save the resource as deployed; a replaced one becomes a leftover.

        A leftover whose physical id is returned again is the current resource, and no longer deleted.
        """
        state = self.state.with_resource(deployed)
        if previous and previous.physical_id != deployed.physical_id:
            state = state.with_leftover(previous)
        if state.has_leftover(deployed):
            state = state.without_leftover(deployed)
            if is_custom(deployed.type):
                self.account.note(
                    f"{deployed.path}: its handler returned {deployed.physical_id} again, which was to be deleted; "
                    "AWS does not document whether CloudFormation then deletes it"
                )
        if state != self.state:
            self.account.save(state)

    def start(self, logical_id: str) -> None:
        """Start a recorded resource."""
        resource = self.state.resources[logical_id]
        handler_of(resource).restore(resource, self.account)
        if resource.type in IDENTITIES:
            self.account.publish_permissions()


def _failed(
    attempted: DeployedResource, answered: str, previous: DeployedResource | None, stack: str
) -> DeployedResource:
    """Return the resource as CloudFormation knows it after the failure: it generates an id if there is none."""
    known = previous.physical_id if previous else physical_name(stack, attempted.logical_id)
    return dataclasses.replace(attempted, physical_id=answered or known)
