"""Configuration of local functions from deployed `AWS::Lambda::Function` resources."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from blocks_cli.assembly.resource_types import FUNCTION
from blocks_cli.json_value import Json, mapping, sequence, text
from blocks_cli.lambda_.code_store import merged_key
from blocks_cli.lambda_.configuration import (
    DEFAULT_MEMORY,
    DEFAULT_STORAGE,
    DEFAULT_TIMEOUT,
    FunctionConfiguration,
)
from blocks_cli.local.state import CODE, SOURCE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from blocks_cli.lambda_.code_store import CodeStore
    from blocks_cli.local.state import DeployedResource

_ENDPOINT = re.compile(r"(BLOCKS_.+)_ENDPOINT")


def configuration(
    function: DeployedResource, resources: Iterable[DeployedResource], store: CodeStore
) -> FunctionConfiguration:
    """Return the configuration of a function; `resources` contain the layers."""
    properties = function.properties
    arn = text(function.attributes["Arn"])
    variables = mapping(mapping(properties.get("Environment")).get("Variables"))
    group = text(mapping(properties.get("LoggingConfig")).get("LogGroup"))
    concurrency = properties.get("ReservedConcurrentExecutions")
    return FunctionConfiguration(
        name=function.physical_id,
        arn=arn,
        path=function.path,
        logical_id=function.logical_id,
        handler=text(properties.get("Handler")),
        runtime=text(properties.get("Runtime")),
        code=store.path(function.local[CODE]),
        layers=_layers(properties.get("Layers"), resources, store),
        environment={name: text(value) for name, value in variables.items()},
        role_arn=text(properties.get("Role")),
        region=arn.split(":")[3],
        log_group=group or f"/aws/lambda/{function.physical_id}",
        timeout=float(text(properties.get("Timeout")) or DEFAULT_TIMEOUT),
        memory=int(text(properties.get("MemorySize")) or DEFAULT_MEMORY),
        storage=int(text(mapping(properties.get("EphemeralStorage")).get("Size")) or DEFAULT_STORAGE),
        source=function.local.get(SOURCE),
        concurrency=int(text(concurrency)) if concurrency is not None else None,
    )


def authorities(environment: Mapping[str, str], ca_files: Mapping[str, str]) -> dict[str, str]:
    """Return a `BLOCKS_<NAME>_CA` for every `BLOCKS_<NAME>_ENDPOINT` of a local cluster."""
    found = ((_ENDPOINT.fullmatch(name), value) for name, value in environment.items())
    return {f"{match[1]}_CA": ca_files[value] for match, value in found if match and value in ca_files}


def missing_layers(function: DeployedResource, resources: Iterable[DeployedResource]) -> list[str]:
    """Return the ARNs of layers that are not defined in the app, and so are not available locally."""
    known = {resource.physical_id for resource in resources}
    return [arn for arn in map(text, sequence(function.properties.get("Layers"))) if arn not in known]


def used_code(resources: Sequence[DeployedResource], store: CodeStore) -> set[str]:
    """Return the keys of the code that deployed functions run: their bundles, layers and merged layers."""
    functions = [each for each in resources if each.type == FUNCTION and CODE in each.local]
    merged = {merged_key(configuration(each, resources, store).layers) for each in functions}
    return merged | {each.local[CODE] for each in resources if CODE in each.local}


def _layers(arns: Json, resources: Iterable[DeployedResource], store: CodeStore) -> tuple[Path, ...]:
    keys = {resource.physical_id: resource.local.get(CODE) for resource in resources}
    found = (keys.get(text(arn)) for arn in sequence(arns))
    return tuple(store.path(key) for key in found if key)
