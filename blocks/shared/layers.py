"""The runtime layer, one for each Python version and architecture in a stack."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from aws_cdk import AssetHashType, Stack
from aws_cdk import aws_lambda as lambda_

from blocks import bundling
from blocks.shared.errors import ConstructError

if TYPE_CHECKING:
    from constructs import Construct


def runtime_layer(
    scope: Construct, runtime: lambda_.Runtime, architecture: lambda_.Architecture
) -> lambda_.LayerVersion:
    """Return the stack's layer with blocks_runtime and psycopg; create it on first use.

    Raises:
        ConstructError: psycopg does not load in that Lambda runtime.
        BundlingError: there are no locked wheels for it, or they cannot be downloaded.
    """
    target = target_of(runtime, architecture)
    _refuse_old_linux(target)
    stack = Stack.of(scope)
    id = f"BlocksRuntime-{runtime.name}-{architecture.name}"
    existing = stack.node.try_find_child(id)
    if existing is not None:
        return cast("lambda_.LayerVersion", existing)
    return lambda_.LayerVersion(
        stack,
        id,
        code=code_of(bundling.runtime_layer(target)),
        compatible_runtimes=[runtime],
        compatible_architectures=[architecture],
        description=f"blocks_runtime and psycopg for {target}",
    )


def target_of(runtime: lambda_.Runtime, architecture: lambda_.Architecture) -> bundling.Target:
    """Return the bundling target of a Python runtime of Lambda.

    Raises:
        BundlingError: there are no locked wheels for it.
    """
    return bundling.Target(runtime.name.removeprefix("python"), architecture.name)


def code_of(bundle: bundling.Bundle) -> lambda_.Code:
    """Return a bundle as a Lambda asset whose hash is the same on every machine."""
    return lambda_.Code.from_asset(
        str(bundle.path), asset_hash=bundle.digest, asset_hash_type=AssetHashType.CUSTOM
    )


def default_runtime() -> lambda_.Runtime:
    """Return the newest Python runtime of Lambda that the lock has wheels for."""
    name = f"PYTHON_{bundling.DEFAULT_PYTHON.replace('.', '_')}"
    return cast("lambda_.Runtime", getattr(lambda_.Runtime, name))


def _refuse_old_linux(target: bundling.Target) -> None:
    if target == bundling.Target("3.11", "aarch64"):
        raise ConstructError(
            "psycopg does not load in Lambda's python3.11 on arm64",
            "that runtime is Amazon Linux 2 with glibc 2.26, and psycopg-binary for aarch64 needs glibc 2.27",
            "use Runtime.PYTHON_3_12 or later, or Architecture.X86_64",
        )
