"""Placeholders for resources without a local counterpart: a name, and generated attributes."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from local_dsql.access import LOCAL_ACCOUNT

if TYPE_CHECKING:
    from blocks_cli.local.state import DeployedResource

MARK = "stand-in"
"""Key in `DeployedResource.local` of a placeholder; the value is its Region."""


def physical_name(stack: str, logical_id: str, distinction: str = "", limit: int = 64) -> str:
    """Return a name in CloudFormation's form: stack, logical id, and a deterministic suffix.

    Another `distinction` is another suffix, for a property whose change replaces the resource.
    """
    suffix = hashlib.sha256(f"{stack}/{logical_id}{distinction}".encode()).hexdigest()[:12].upper()
    return f"{f'{stack}-{logical_id}'[: limit - 13]}-{suffix}"


def is_placeholder(resource: DeployedResource) -> bool:
    """Return whether a resource is a placeholder."""
    return MARK in resource.local


def plausible_attribute(resource: DeployedResource, name: str) -> str:
    """Return a value in the right form for an attribute: an ARN, a URL, a host name, a port, or a name."""
    _, service, kind = f"{resource.type.lower()}::resource".split("::")[:3]
    for ending, pattern in _SHAPES.items():
        if name.lower().endswith(ending):
            return pattern.format(
                service=service,
                kind=kind,
                region=resource.local[MARK],
                account=LOCAL_ACCOUNT,
                id=resource.physical_id,
            )
    return resource.physical_id


_SHAPES = {
    "arn": "arn:aws:{service}:{region}:{account}:{kind}/{id}",
    "url": "https://{id}.{service}.{region}.invalid",
    "endpoint": "{id}.{service}.{region}.invalid",
    "address": "{id}.{service}.{region}.invalid",
    "domainname": "{id}.{service}.{region}.invalid",
    "port": "0",
}
