"""The SQL dialect of each cluster in the assembly, taken from its compiled migrations."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING

from blocks_cli.assembly.resource_types import CLUSTER, MIGRATIONS
from blocks_cli.json_value import Json, mapping, text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from blocks_cli.assembly.asset import Asset
    from blocks_cli.assembly.template import Resource, Template

DIALECT = "blocks:dialect"
"""Property added to clusters; it sets the dialect of the local cluster."""


def with_dialects(template: Template, assets: Mapping[str, Asset]) -> Template:
    """Return the template with the property `DIALECT` on each cluster that has migrations."""
    found = dict(_dialects(template, migrations, assets) for migrations in template.resources.values())
    resources = {
        name: _speaking(resource, found[name]) if found.get(name) else resource
        for name, resource in template.resources.items()
    }
    return dataclasses.replace(template, resources=resources)


def _speaking(cluster: Resource, dialect: str) -> Resource:
    return dataclasses.replace(cluster, properties={**cluster.properties, DIALECT: dialect})


def _dialects(template: Template, migrations: Resource, assets: Mapping[str, Asset]) -> tuple[str, str]:
    """Return the logical id of the cluster of `migrations`, and their dialect; else empty strings."""
    cluster = template.resources.get(_owner(migrations.properties.get("Endpoint")))
    function = template.resources.get(_owner(migrations.properties.get("ServiceToken")))
    if migrations.type != MIGRATIONS or not cluster or cluster.type != CLUSTER or not function:
        return "", ""
    asset = assets.get(text(mapping(function.properties.get("Code")).get("S3Key")))
    return cluster.logical_id, _read_dialect(asset) if asset else ""


def _read_dialect(asset: Asset) -> str:
    try:
        manifest: Json = json.loads((asset.source / "manifest.json").read_text("utf-8"))
    except (OSError, ValueError):
        return ""  # not the migrator of this library
    return text(mapping(manifest).get("dialect"))


def _owner(value: Json | None) -> str:
    """Return the logical id of a `Fn::GetAtt`."""
    target = mapping(value).get("Fn::GetAtt")
    return text(target[0]) if isinstance(target, list) and target else ""
