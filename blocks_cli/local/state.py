"""State of the deployed stacks, in one JSON file per stack."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, cast

from blocks_cli.errors import CommandError
from blocks_cli.json_value import Json, mapping
from blocks_settings.app_record import damaged_state

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

CODE = "code"
"""Key in `DeployedResource.local`: the code store's key of the unpacked bundle."""

SOURCE = "source"
"""Key in `DeployedResource.local`: the folder of the project that the bundle was made from, relative to the project."""

FORMAT = 1
"""Version of the file format; a file with another version is refused, never rewritten."""


@dataclass(frozen=True, slots=True)
class DeployedResource:
    """One deployed resource.

    `properties` are evaluated; `physical_id` is the value of `Ref`. `depends_on` are the resources that it was created
    after. `local` has data of the local deploy, such as the key of its unpacked code.
    """

    logical_id: str
    type: str
    path: str
    physical_id: str
    properties: Mapping[str, Json] = field(default_factory=dict)
    attributes: Mapping[str, Json] = field(default_factory=dict)
    depends_on: tuple[str, ...] = ()
    retained: bool = False
    retained_on_failure: bool = False
    retained_on_replacement: bool = False
    local: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StackState:
    """One deployed stack; `leftovers` are replaced resources that are not deleted yet.

    `dependencies` are the stacks that are deployed before it and destroyed after it. `imports` are the names of the
    exports that it uses. `any_region` is true for a stack that names no Region itself.
    """

    name: str
    region: str
    account: str
    resources: Mapping[str, DeployedResource] = field(default_factory=dict)
    leftovers: tuple[DeployedResource, ...] = ()
    outputs: Mapping[str, Json] = field(default_factory=dict)
    exports: Mapping[str, Json] = field(default_factory=dict)
    dependencies: tuple[str, ...] = ()
    imports: tuple[str, ...] = ()
    any_region: bool = False

    def with_resource(self, resource: DeployedResource) -> StackState:
        """Return the state with `resource` created or updated."""
        return replace(self, resources={**self.resources, resource.logical_id: resource})

    def without_resource(self, logical_id: str) -> StackState:
        """Return the state without a resource."""
        rest = {name: resource for name, resource in self.resources.items() if name != logical_id}
        return replace(self, resources=rest)

    def with_leftover(self, resource: DeployedResource) -> StackState:
        """Return the state with one more leftover."""
        return replace(self, leftovers=(*self.leftovers, resource))

    def without_leftover(self, resource: DeployedResource) -> StackState:
        """Return the state without a leftover: the resource with its logical and physical id."""
        kept = (each for each in self.leftovers if not _same(each, resource))
        return replace(self, leftovers=tuple(kept))

    def has_leftover(self, resource: DeployedResource) -> bool:
        """Return whether a leftover has the logical and physical id of `resource`."""
        return any(_same(each, resource) for each in self.leftovers)

    def without_cluster(self, cluster: DeployedResource) -> StackState:
        """Return the state without a cluster; resources that refer to its endpoint count as changed."""
        endpoint = str(cluster.attributes["Endpoint"])
        return self.renamed({endpoint: f"{cluster.physical_id}.gone"}).without_resource(cluster.logical_id)

    def renamed(self, texts: Mapping[str, str]) -> StackState:
        """Return the state with every occurrence of a key of `texts` replaced by its value.

        This way a local cluster that gets another port does not change the resources that refer to it.
        """
        if not texts:
            return self
        encoded = json.dumps(asdict(self))
        for old, new in texts.items():
            encoded = encoded.replace(json.dumps(old)[1:-1], json.dumps(new)[1:-1])
        return _decode(json.loads(encoded))


def _same(one: DeployedResource, other: DeployedResource) -> bool:
    return (one.logical_id, one.physical_id) == (other.logical_id, other.physical_id)


class StateFolder:
    """The state files of a workspace. Saves are atomic."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def load(self) -> dict[str, StackState]:
        """Return all deployed stacks by name.

        Raises:
            CommandError: a file is damaged or has another version.
        """
        files = sorted(self._folder.glob("*.json"))
        states = [self._read(file) for file in files]
        return {state.name: state for state in states}

    def save(self, state: StackState) -> None:
        """Write the state of one stack."""
        self._folder.mkdir(parents=True, exist_ok=True)
        file = self._folder / f"{state.name}.json"
        fresh = file.with_suffix(f".{os.getpid()}")
        fresh.write_text(json.dumps({"format": FORMAT, "stack": asdict(state)}, indent=1), "utf-8")
        fresh.replace(file)

    def remove(self, name: str) -> None:
        """Remove the state of a stack."""
        (self._folder / f"{name}.json").unlink(missing_ok=True)

    def _read(self, file: Path) -> StackState:
        try:
            body = json.loads(file.read_text("utf-8"))
            version = body["format"]
            if version == FORMAT:
                return _decode(body["stack"])
        except (ValueError, KeyError, TypeError) as error:
            damaged = damaged_state(file, error)
            raise CommandError(damaged.what, damaged.why, damaged.remedy) from None
        raise CommandError(
            f"{file}: unsupported format {version}",
            f"this version of blocks-dsql reads format {FORMAT}",
            "upgrade blocks-dsql, or run `blocks destroy --local --purge`, then deploy again",
        )


def _decode(body: dict[str, Json]) -> StackState:
    resources = mapping(body["resources"])
    leftovers = cast("list[Json]", body["leftovers"])
    return StackState(
        name=str(body["name"]),
        region=str(body["region"]),
        account=str(body["account"]),
        resources={name: _decode_resource(mapping(raw)) for name, raw in resources.items()},
        leftovers=tuple(_decode_resource(mapping(raw)) for raw in leftovers),
        outputs=mapping(body["outputs"]),
        exports=mapping(body["exports"]),
        dependencies=tuple(cast("list[str]", body.get("dependencies", []))),
        imports=tuple(cast("list[str]", body.get("imports", []))),
        any_region=bool(body.get("any_region")),
    )


def _decode_resource(body: dict[str, Json]) -> DeployedResource:
    return DeployedResource(
        logical_id=str(body["logical_id"]),
        type=str(body["type"]),
        path=str(body["path"]),
        physical_id=str(body["physical_id"]),
        properties=mapping(body["properties"]),
        attributes=mapping(body["attributes"]),
        depends_on=tuple(cast("list[str]", body["depends_on"])),
        retained=bool(body["retained"]),
        retained_on_failure=bool(body.get("retained_on_failure")),
        retained_on_replacement=bool(body.get("retained_on_replacement")),
        local=cast("dict[str, str]", mapping(body["local"])),
    )
