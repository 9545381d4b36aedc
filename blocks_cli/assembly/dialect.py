"""The SQL dialect and the migrations folder of each cluster in the assembly."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING

from blocks_cli.assembly.resource_types import CLUSTER, MIGRATIONS
from blocks_cli.json_value import Json, mapping, text
from blocks_settings.app_record import DIALECT_PROPERTY, MIGRATIONS_PROPERTY, database_metadata

if TYPE_CHECKING:
    from collections.abc import Mapping

    from blocks_cli.assembly.asset import Asset
    from blocks_cli.assembly.template import Resource, Template


def with_dialects(template: Template, assets: Mapping[str, Asset]) -> Template:
    """Return the template with the property `blocks:dialect` on each cluster that has migrations."""
    found = dict(_dialects(template, migrations, assets) for migrations in template.resources.values())
    resources = {
        name: _with(resource, DIALECT_PROPERTY, found[name]) if found.get(name) else resource
        for name, resource in template.resources.items()
    }
    return dataclasses.replace(template, resources=resources)


def with_folders(template: Template, metadata: Mapping[str, Json]) -> Template:
    """Return the template with the migrations folder on each cluster whose construct names it in the metadata."""
    folders = {
        path.strip("/"): data.get("migrations", "") for path, data in database_metadata(metadata).items()
    }
    resources = {
        name: _with(resource, MIGRATIONS_PROPERTY, folders[resource.path])
        if resource.type == CLUSTER and folders.get(resource.path)
        else resource
        for name, resource in template.resources.items()
    }
    return dataclasses.replace(template, resources=resources)


def _with(cluster: Resource, name: str, value: str) -> Resource:
    return dataclasses.replace(cluster, properties={**cluster.properties, name: value})


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
