"""Which SQL a cluster of the assembly speaks: the migrations that were compiled for it know."""

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
"""A property of our own of a cluster: no template has it, the local cluster is started by it."""


def with_dialects(template: Template, assets: Mapping[str, Asset]) -> Template:
    """Return the template with the dialect of its manifest on every cluster that has migrations."""
    found = dict(_dialects(template, migrations, assets) for migrations in template.resources.values())
    resources = {
        name: _speaking(resource, found[name]) if found.get(name) else resource
        for name, resource in template.resources.items()
    }
    return dataclasses.replace(template, resources=resources)


def _speaking(cluster: Resource, dialect: str) -> Resource:
    return dataclasses.replace(cluster, properties={**cluster.properties, DIALECT: dialect})


def _dialects(template: Template, migrations: Resource, assets: Mapping[str, Asset]) -> tuple[str, str]:
    """Return the logical id of the cluster that `migrations` are for and their dialect, else empty texts."""
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
        return ""  # not a migrator of ours
    return text(mapping(manifest).get("dialect"))


def _owner(value: Json | None) -> str:
    """Return the logical id in a `Fn::GetAtt`."""
    target = mapping(value).get("Fn::GetAtt")
    return text(target[0]) if isinstance(target, list) and target else ""
