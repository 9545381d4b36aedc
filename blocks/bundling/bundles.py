"""Bundles of this distribution: runtime layer, migrator, peering function, local runtime client."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blocks.bundling import lock
from blocks.bundling.bundle import Bundle, bundle, digest_of
from blocks.bundling.parts import PackagePart, TextPart, WheelsPart, digest_of_texts

if TYPE_CHECKING:
    from pathlib import Path

    from blocks.bundling.parts import Part
    from blocks.bundling.target import Target

# Folder of Python packages in a layer (AWS Lambda guide, "Packaging your layer content").
_LAYER_PREFIX = "python/"

_MIGRATOR: list[Part] = [
    PackagePart(name) for name in ("lambda_migrator", "custom_resource", "migration_manifest")
]

# The peering function needs no driver, so it has no layer.
_PEERING: list[Part] = [PackagePart(name) for name in ("lambda_peering", "custom_resource", "blocks_runtime")]


def runtime_layer(target: Target) -> Bundle:
    """Return the layer of an app function: `blocks_runtime`, psycopg and libpq for `target`, below `python/`.

    Raises:
        BundlingError: a wheel is not in the cache and cannot be downloaded.
    """
    return bundle(_layer_parts(target))


def migrator(manifest: str) -> Bundle:
    """Return the code of the migration function: its packages beside `manifest.json`, given as its text."""
    return bundle([*_MIGRATOR, TextPart("manifest.json", manifest)])


def migrator_code_digest(target: Target) -> str:
    """Return a digest of all code that the migrator runs: its own, the runtime's and the driver's."""
    return digest_of_texts(digest_of(_MIGRATOR), digest_of(_layer_parts(target)))


def peering() -> Bundle:
    """Return the code of the function that peers two clusters; boto3 is part of Lambda's Python runtime."""
    return bundle(_PEERING)


def runtime_client(target: Target) -> Path:
    """Return a folder for PYTHONPATH: Lambda's runtime interface client for `target`, a Linux interpreter.

    Raises:
        BundlingError: a wheel is not in the cache and cannot be downloaded.
    """
    return bundle([WheelsPart(lock.wheels("runtime-client", target), target)]).path


def _layer_parts(target: Target) -> list[Part]:
    wheels = WheelsPart(lock.wheels("runtime", target), target, _LAYER_PREFIX)
    return [PackagePart("blocks_runtime", _LAYER_PREFIX), wheels]
