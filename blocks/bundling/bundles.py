"""The three bundles this distribution makes: runtime layer, migrator, local runtime client."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blocks.bundling import lock
from blocks.bundling.bundle import Bundle, bundle
from blocks.bundling.parts import PackagePart, TextPart, WheelPart

if TYPE_CHECKING:
    from pathlib import Path

    from blocks.bundling.target import Target

# Where Lambda looks for Python packages in a layer (AWS Lambda guide, "Packaging your layer content").
_LAYER_PREFIX = "python/"


def runtime_layer(target: Target) -> Bundle:
    """Return the layer an app function needs: `blocks_runtime`, psycopg and libpq for `target`, below `python/`."""
    wheels = [WheelPart(wheel, target, _LAYER_PREFIX) for wheel in lock.wheels("runtime", target)]
    return bundle([PackagePart("blocks_runtime", _LAYER_PREFIX), *wheels])


def migrator(manifest: str) -> Bundle:
    """Return the code of the migration function: `lambda_migrator` and the manifest (JSON text) at the root."""
    return bundle([PackagePart("lambda_migrator"), TextPart("manifest.json", manifest)])


def migrator_code_digest() -> str:
    """Return the digest of the migrator's own code, whatever the manifest."""
    return PackagePart("lambda_migrator").digest


def runtime_client(target: Target) -> Path:
    """Return a folder to put on PYTHONPATH that holds Lambda's runtime interface client for `target` (Linux)."""
    wheels = [WheelPart(wheel, target) for wheel in lock.wheels("runtime-client", target)]
    return bundle(wheels).path
