"""Read a cloud assembly directory: its stacks in deploy order, their templates, their file assets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from blocks_cli.assembly.asset import Asset
from blocks_cli.assembly.dialect import with_dialects, with_folders
from blocks_cli.assembly.graph import order
from blocks_cli.assembly.nested import Source, expand
from blocks_cli.assembly.template import OWN_ID, Template, read_template
from blocks_cli.errors import CommandError
from blocks_cli.json_value import Json, mapping, parse, sequence, text
from blocks_settings.regions import DEFAULT_REGION
from local_dsql.access import LOCAL_ACCOUNT

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

_SYNTH_AGAIN = "run the synth again, then deploy"


@dataclass(frozen=True, slots=True)
class Stack:
    """One stack of the assembly; `assets` maps the S3 object keys in its template to file assets.

    `any_region` is true if the app names no Region for it.
    """

    artifact_id: str
    name: str
    account: str
    region: str
    template: Template
    assets: Mapping[str, Asset]
    dependencies: tuple[str, ...]
    any_region: bool = False


@dataclass(frozen=True, slots=True)
class CloudAssembly:
    """A synthesized app. `stacks` are in deploy order."""

    directory: Path
    stacks: tuple[Stack, ...]

    @classmethod
    def load(cls, directory: Path, region: str = DEFAULT_REGION) -> CloudAssembly:
        """Read `directory` (a `cdk.out`), including stages.

        `region` is for environment-agnostic stacks.

        Raises:
            CommandError: the assembly is missing or damaged, or a template needs a feature that exists only on AWS.
        """
        stacks = {stack.artifact_id: stack for stack in _stacks(directory, region)}
        ordered = order({name: stack.dependencies for name, stack in stacks.items()}, "stacks")
        return cls(directory, tuple(stacks[name] for name in ordered))

    def select(self, names: Sequence[str]) -> tuple[Stack, ...]:
        """Return the stacks in `names` and their dependencies in deploy order; all stacks if `names` is empty.

        Raises:
            CommandError: a name is not a stack of the assembly; the message lists the stacks.
        """
        if not names:
            return self.stacks
        by_name = {key: stack for stack in self.stacks for key in (stack.artifact_id, stack.name)}
        if unknown := [name for name in names if name not in by_name]:
            raise CommandError(
                f"no stack named {unknown[0]}",
                f"the app has: {', '.join(stack.name for stack in self.stacks)}",
                "pass one of them, or none to deploy all",
            )
        wanted = _closure({by_name[name].artifact_id for name in names}, self.stacks)
        return tuple(stack for stack in self.stacks if stack.artifact_id in wanted)


def _closure(wanted: set[str], stacks: Iterable[Stack]) -> set[str]:
    for stack in reversed(tuple(stacks)):
        if stack.artifact_id in wanted:
            wanted = wanted | set(stack.dependencies)
    return wanted


def _stacks(directory: Path, region: str) -> list[Stack]:
    artifacts = mapping(_read_json(directory / "manifest.json").get("artifacts"))
    found: list[Stack] = []
    for artifact_id, raw in artifacts.items():
        artifact = mapping(raw)
        if artifact.get("type") == "aws:cloudformation:stack":
            found.append(_stack(directory, artifact_id, artifact, artifacts, region))
        elif artifact.get("type") == "cdk:cloud-assembly":
            inner = text(mapping(artifact.get("properties")).get("directoryName"))
            found.extend(_stacks(directory / inner, region))
    return found


def _stack(
    directory: Path,
    artifact_id: str,
    artifact: Mapping[str, Json],
    artifacts: Mapping[str, Json],
    region: str,
) -> Stack:
    properties = mapping(artifact.get("properties"))
    name = text(properties.get("stackName")) or artifact_id
    account, stack_region = _environment(text(artifact.get("environment")), region)
    dependencies = tuple(text(item) for item in sequence(artifact.get("dependencies")))
    assets = _assets(directory, [mapping(artifacts.get(item)) for item in dependencies])
    metadata = _metadata(directory, artifact)
    paths = _construct_paths(metadata)
    source = Source(name, lambda key: _read_json(assets[key].source), paths)
    body = expand(_read_json(directory / text(properties.get("templateFile"))), source)
    template = read_template(body, name, _own_paths(paths))
    return Stack(
        artifact_id=artifact_id,
        name=name,
        account=account,
        region=stack_region,
        template=with_folders(with_dialects(template, assets), metadata),
        assets=assets,
        dependencies=dependencies,
        any_region=not _region_of(text(artifact.get("environment"))),
    )


def _environment(environment: str, region: str) -> tuple[str, str]:
    """Return account and Region of `aws://account/region`, with the local ones as defaults."""
    account = environment.removeprefix("aws://").partition("/")[0]
    return (
        LOCAL_ACCOUNT if account in {"", "unknown-account"} else account,
        _region_of(environment) or region,
    )


def _region_of(environment: str) -> str:
    """Return the Region of `aws://account/region`; empty if the stack names none."""
    region = environment.removeprefix("aws://").partition("/")[2]
    return "" if region == "unknown-region" else region


def _metadata(directory: Path, artifact: Mapping[str, Json]) -> Mapping[str, Json]:
    extra = artifact.get("additionalMetadataFile")
    return _read_json(directory / text(extra)) if extra else mapping(artifact.get("metadata"))


def _construct_paths(metadata: Mapping[str, Json]) -> list[tuple[str, str]]:
    """Return construct paths with the logical ids of their resources; nested stacks may have the same ids."""
    return [
        (path, text(mapping(entry).get("data")))
        for path, entries in metadata.items()
        for entry in sequence(entries)
        if mapping(entry).get("type") == "aws:cdk:logicalId"
    ]


def _own_paths(paths: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return construct paths by logical id, the shortest of several.

    The main resource of a construct gets the construct's path, without its own id, `Resource` or `Default`.
    """
    longest_first = sorted(paths, key=lambda each: len(each[0]), reverse=True)
    return {logical_id: OWN_ID.sub("", path.strip("/")) for path, logical_id in longest_first}


def _assets(directory: Path, artifacts: Iterable[Mapping[str, Json]]) -> dict[str, Asset]:
    assets: dict[str, Asset] = {}
    for artifact in artifacts:
        if artifact.get("type") == "cdk:asset-manifest":
            manifest = directory / text(mapping(artifact.get("properties")).get("file"))
            assets |= _assets_of(directory, mapping(_read_json(manifest).get("files")))
    return assets


def _assets_of(directory: Path, files: Mapping[str, Json]) -> dict[str, Asset]:
    assets: dict[str, Asset] = {}
    for content_hash, raw in files.items():
        source = mapping(mapping(raw).get("source"))
        asset = Asset(content_hash, directory / text(source.get("path")), text(source.get("packaging")))
        for destination in mapping(mapping(raw).get("destinations")).values():
            assets[text(mapping(destination).get("objectKey"))] = asset
    return assets


def _read_json(file: Path) -> dict[str, Json]:
    try:
        body = parse(file.read_text("utf-8"))
    except FileNotFoundError:
        raise CommandError(
            f"{file}: no such file", "the cloud assembly is incomplete", _SYNTH_AGAIN
        ) from None
    except (OSError, ValueError) as error:
        raise CommandError(f"{file}: cannot be read", str(error), _SYNTH_AGAIN) from None
    if not isinstance(body, dict):
        raise CommandError(f"{file}: not a JSON object", "the cloud assembly is damaged", _SYNTH_AGAIN)
    return body
