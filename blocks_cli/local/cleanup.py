"""Deletion of resources: the cleanup after all updates of a stack, and the deletion of a whole stack."""

from __future__ import annotations

import dataclasses
import time
from typing import TYPE_CHECKING

from blocks_cli.assembly.resource_types import IDENTITIES
from blocks_cli.errors import CommandError
from blocks_cli.local.plan import Action, plan_removal
from blocks_cli.local.resources import handler_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from blocks_cli.local.account import LocalAccount
    from blocks_cli.local.plan import Change
    from blocks_cli.local.state import DeployedResource, StackState

TRIES = 3
"""Tries of CloudFormation to delete a resource in a cleanup (AWS re:Post, "stack stuck in cleanup")."""


def clean_up(
    account: LocalAccount,
    stack: str,
    leftovers: Sequence[DeployedResource],
    removals: Sequence[Change],
    *,
    retain: bool = True,
) -> list[Change]:
    """Delete replaced and removed resources together, dependents first; return the changes of the removed ones.

    Replaced ones whose `UpdateReplacePolicy` is Retain are kept and forgotten, unless `retain` is false.
    A resource that cannot be deleted is noted and forgotten, as by CloudFormation: the deploy is complete without it.
    """
    cleanup = _Deletion(account, stack, removals, retain=retain)
    for resource in dependents_first([*cleanup.removed(), *reversed(leftovers)]):
        cleanup.delete(resource, tolerant=True)
    return cleanup.done


def destroy(account: LocalAccount, stack: str, *, purge: bool) -> list[Change]:
    """Delete a whole stack, dependents first; retained resources are kept unless `purge`.

    Raises:
        CommandError: a resource cannot be deleted; the previous deletions are recorded.
    """
    state = account.states[stack]
    changes = [_purged(change) if purge else change for change in plan_removal(state)]
    account.report.planned(stack, changes)
    deletion = _Deletion(account, stack, changes, purge=purge, retain=not purge)
    for resource in dependents_first([*deletion.removed(), *reversed(state.leftovers)]):
        deletion.delete(resource)
    account.forget(stack)
    return deletion.done


def dependents_first(resources: Sequence[DeployedResource]) -> list[DeployedResource]:
    """Return resources in the order of their deletion; without a dependency, the last comes first.

    Generations of one resource may depend on each other in a circle, which the order ignores.
    """
    known: dict[str, list[DeployedResource]] = {}
    for resource in resources:
        known.setdefault(resource.logical_id, []).append(resource)
    found: dict[tuple[str, str], DeployedResource | None] = {}
    for resource in resources:
        _visit(resource, known, found)
    return [resource for resource in reversed(found.values()) if resource]


def _visit(
    resource: DeployedResource,
    known: Mapping[str, Sequence[DeployedResource]],
    found: dict[tuple[str, str], DeployedResource | None],
) -> None:
    """Add a resource to `found` after those that it depends on."""
    key = (resource.logical_id, resource.physical_id)
    if key in found:
        return
    found[key] = None
    for name in resource.depends_on:
        for dependency in known.get(name, ()):
            _visit(dependency, known, found)
    del found[key]  # its place is after its dependencies
    found[key] = resource


class _Deletion:
    """Deletes resources of one stack; `done` are the changes that were made."""

    def __init__(
        self,
        account: LocalAccount,
        stack: str,
        changes: Sequence[Change],
        *,
        purge: bool = False,
        retain: bool,
    ) -> None:
        self._account = account
        self._stack = stack
        self._changes = {change.logical_id: change for change in changes}
        self._purge = purge
        self._retain = retain
        self.done: list[Change] = []

    def removed(self) -> list[DeployedResource]:
        """Return the resources that leave the stack, in the order of their creation."""
        return [self._state.resources[name] for name in reversed(self._changes)]

    def delete(self, resource: DeployedResource, *, tolerant: bool = False) -> None:
        """Delete one resource, or note after some tries that it cannot be deleted if `tolerant`."""
        if self._state.has_leftover(resource):
            if self._retain and resource.retained_on_replacement:
                self._account.note(
                    f"{resource.path}: {resource.physical_id} was replaced and is kept (UpdateReplacePolicy)"
                )
            else:
                self._send(resource, tolerant)
            self._save(self._state.without_leftover(resource), resource)
            return
        started, change = time.monotonic(), self._changes[resource.logical_id]
        self._account.report.started(self._stack, change)
        if change.action is Action.DELETE:
            self._send(self._state.resources[resource.logical_id], tolerant)
        self._save(self._state.without_resource(resource.logical_id), resource)
        self._account.report.finished(self._stack, change, time.monotonic() - started)
        self.done.append(change)

    @property
    def _state(self) -> StackState:
        return self._account.states[self._stack]

    def _send(self, resource: DeployedResource, tolerant: bool) -> None:
        for left in reversed(range(TRIES if tolerant else 1)):
            try:
                handler_of(resource).delete(resource, self._account, purge=self._purge)
            except CommandError as error:
                if not tolerant:
                    raise
                if not left:
                    self._account.note(
                        f"{resource.path}: {resource.physical_id} could not be deleted in {TRIES} tries and is "
                        f"forgotten, as on AWS: {error.why}"
                    )
            else:
                return

    def _save(self, state: StackState, deleted: DeployedResource) -> None:
        self._account.save(state)
        if deleted.type in IDENTITIES:
            self._account.publish_permissions()


def _purged(change: Change) -> Change:
    return dataclasses.replace(change, action=Action.DELETE)
