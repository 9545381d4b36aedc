"""Bundles for Lambda, built without Docker from an exact lock with hashes.

The same parts give the same bytes on every machine. Wheels are downloaded from the package index once and kept in a
cache folder, so later runs need no network. Nothing here imports aws_cdk.
"""

from __future__ import annotations

from blocks.bundling.bundle import Bundle
from blocks.bundling.bundles import migrator, migrator_code_digest, peering, runtime_client, runtime_layer
from blocks.bundling.errors import BundlingError
from blocks.bundling.target import DEFAULT_PYTHON, Target, every_target

__all__ = [
    "DEFAULT_PYTHON",
    "Bundle",
    "BundlingError",
    "Target",
    "every_target",
    "migrator",
    "migrator_code_digest",
    "peering",
    "runtime_client",
    "runtime_layer",
]
