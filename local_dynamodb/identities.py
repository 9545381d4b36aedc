"""Identities and their permissions: which keys may do what with which tables.

Source: AWS service authorization reference, "Actions, resources, and condition keys for Amazon DynamoDB"; a
transaction needs the permissions of its parts.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from local_dsql.access.cluster_name import LOCAL_ACCOUNT
from local_dsql.access.permissions import Effect, Permission, allowed
from local_dynamodb.engine.errors import ApiError
from local_dynamodb.requests import items_of, tables_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

_PARTS = {
    "ConditionCheck": "ConditionCheckItem",
    "Put": "PutItem",
    "Update": "UpdateItem",
    "Delete": "DeleteItem",
    "Get": "GetItem",
}

_TABLE_ARN = re.compile(r"arn:aws[a-z-]*:dynamodb:([^:]*):[0-9]{12}:")


@dataclass(frozen=True, slots=True)
class Identity:
    """A role with its permissions."""

    name: str
    permissions: tuple[Permission, ...]


class Identities:
    """Identities by the id of their access key."""

    def __init__(self, known: Iterable[tuple[str, str, Sequence[Sequence[str]]]] = ()) -> None:
        """Begin with identities that were registered before: key, name of the role, permissions."""
        self._known: dict[str, Identity] = {}
        for each in known:
            self.put(*each)

    def put(self, access_key_id: str, name: str, permissions: Sequence[Sequence[str]]) -> None:
        """Register a key, or change its permissions; each is an action, a resource and an effect."""
        local = rf"arn:aws:dynamodb:\1:{LOCAL_ACCOUNT}:"
        listed = [
            (action, _TABLE_ARN.sub(local, resource), effect) for action, resource, effect in permissions
        ]
        self._known[access_key_id] = Identity(
            name, tuple(Permission(action, resource, Effect(effect)) for action, resource, effect in listed)
        )

    def check(self, access_key_id: str, operation: str, region: str, parameters: Mapping[str, Any]) -> None:
        """Check that a key may carry out a request.

        Raises:
            ApiError: it may not.
        """
        identity = self._known.get(access_key_id)
        if identity is None:
            return
        for action, table in _needed(operation, parameters):
            arn = f"arn:aws:dynamodb:{region}:{LOCAL_ACCOUNT}:table/{table}"
            if not allowed(identity.permissions, f"dynamodb:{action}", arn):
                raise ApiError(
                    "AccessDeniedException",
                    f"User: {identity.name} is not authorized to perform: dynamodb:{action} on resource: {arn} "
                    "because no identity-based policy allows the action",
                )


def _needed(operation: str, parameters: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the actions that a request needs, each with the table."""
    actions = items_of(parameters)
    for each in actions:
        for kind, action in each.items():
            yield _PARTS.get(kind, operation), str(action["TableName"]).rpartition("/")[2]
    if not actions:
        yield from ((operation, table.rpartition("/")[2]) for table in sorted(tables_of(parameters)))
