"""Rollback of a stack after a failed deploy.

AWS does not document which request a replaced custom resource gets in a rollback. A handler must be right with either:
Delete of the new physical id alone, or Update with the old properties first.
"""

from __future__ import annotations

import dataclasses
import enum
from typing import TYPE_CHECKING

from blocks_cli.assembly.graph import order
from blocks_cli.assembly.resource_types import CLUSTER, is_custom
from blocks_cli.errors import CommandError
from blocks_cli.local.cleanup import clean_up
from blocks_cli.local.placeholders import is_placeholder
from blocks_cli.local.plan import Action, plan_removal

if TYPE_CHECKING:
    from collections.abc import Collection

    from blocks_cli.local.plan import Change
    from blocks_cli.local.stack_resources import StackResources
    from blocks_cli.local.state import DeployedResource, StackState


class Rollback(enum.Enum):
    """Treatment of the completed steps of a stack after a failed local deploy."""

    NONE = "none"
    """Keep them, as `cdk deploy --no-rollback`."""
    DELETE = "delete"
    """Undo them. The new physical id of a replaced custom resource gets Delete."""
    UPDATE = "update"
    """Undo them. A replaced custom resource gets Update with its old properties, then all unused ids get Delete.

    The id from before the deploy is unused, too, if the Update answers another one.
    """


def roll_back(
    resources: StackResources, before: StackState, touched: Collection[str], mode: Rollback
) -> None:
    """Return a stack to the state `before` a failed deploy, and delete what the deploy made.

    `touched` are the logical ids of the resources that the deploy created or updated. Evaluated properties are those
    from before the deploy. A stack that did not exist is forgotten.
    """
    account, name = resources.account, resources.stack.name
    account.note(f"stack {name}: the deploy failed; its completed steps are undone (--rollback {mode.value})")
    undo = _Undo(resources, before, mode, touched)
    try:
        undo.creation()
        for logical_id in order({id: each.depends_on for id, each in before.resources.items()}, name):
            undo.resource(logical_id)
    except CommandError as error:
        account.note(f"stack {name}: the rollback failed and ends here: {error.what}: {error.why}")
        return
    leftovers = [each for each in resources.state.leftovers if not before.has_leftover(each)]
    removals = plan_removal(resources.state, keep=before.resources)
    discarded = [_discarded(change, resources.state) for change in removals]
    clean_up(account, name, leftovers, discarded, retain=False)
    if not before.resources and not before.leftovers:
        account.forget(name)


class _Undo:
    """Undoes the steps of a deploy, one resource at a time."""

    def __init__(
        self, resources: StackResources, before: StackState, mode: Rollback, touched: Collection[str]
    ) -> None:
        self._resources = resources
        self._before = before
        self._mode = mode
        self._touched = touched
        failed = resources.failed
        self._failed = failed if failed and not is_placeholder(failed) else None

    def creation(self) -> None:
        """Prepare the deletion of a resource whose creation failed; it is not recorded."""
        if self._failed and self._failed.logical_id not in self._before.resources:
            self._leave(self._failed)

    def resource(self, logical_id: str) -> None:
        """Return one resource to its old state."""
        old, now = self._before.resources[logical_id], self._resources.state.resources[logical_id]
        if self._failed and self._failed.logical_id == logical_id:
            self._undo_failed(old, self._failed)
        elif logical_id in self._touched:
            self._undo_made(old, now)
        else:
            kept = dataclasses.replace(now, path=old.path, depends_on=old.depends_on, retained=old.retained)
            self._resources.record(kept, now)

    def _undo_failed(self, old: DeployedResource, failed: DeployedResource) -> None:
        """Undo an Update that failed, and that CloudFormation takes for a replacement if it answered a new id."""
        replaced = failed.physical_id != old.physical_id
        if replaced:
            self._leave(failed)
        if not replaced or self._mode is Rollback.UPDATE:
            self._update(old, dataclasses.replace(failed, physical_id=old.physical_id))

    def _undo_made(self, old: DeployedResource, now: DeployedResource) -> None:
        """Undo a change that was completed."""
        replaced = now.physical_id != old.physical_id
        if _is_updated(old, now) and not (replaced and self._mode is Rollback.DELETE):
            self._update(old, now)
        else:
            self._drop(old)
            self._resources.record(old, now)
        self._resources.start(old.logical_id)

    def _update(self, old: DeployedResource, now: DeployedResource) -> None:
        """Update `now` to the properties of `old`."""
        self._resources.record(self._resources.make(old, old.properties, now), now)

    def _leave(self, resource: DeployedResource) -> None:
        self._resources.account.save(self._resources.state.with_leftover(resource))

    def _drop(self, old: DeployedResource) -> None:
        """Take the resource from before the deploy from the leftovers: it is current again."""
        self._resources.account.save(self._resources.state.without_leftover(old))


def _discarded(change: Change, state: StackState) -> Change:
    """Return the removal of a created resource; a policy of Retain keeps it, RetainExceptOnCreate does not."""
    kept = state.resources[change.logical_id].retained_on_failure
    return dataclasses.replace(change, action=Action.RETAIN if kept else Action.DELETE)


def _is_updated(old: DeployedResource, now: DeployedResource) -> bool:
    """Return whether an Update undoes a change; others have all they need in their record."""
    handled = is_custom(old.type) or old.type == CLUSTER
    return handled and not is_placeholder(old) and not is_placeholder(now)
