"""Facts of the app on this machine: of the deployed stacks, else of the last synth."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from blocks_runtime.shared.local_service import local_name
from blocks_settings.errors import SettingsError
from blocks_settings.keys import DATABASE, DIALECT, MIGRATIONS, REGIONS, STACK
from blocks_settings.value import Setting, Source

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from blocks_settings.keys import Key
    from blocks_settings.value import T

METADATA = "blocks:database"
"""Type of the metadata entry that the construct adds for each database: dialect and migrations folder."""

DIALECT_PROPERTY, MIGRATIONS_PROPERTY = "blocks:dialect", "blocks:migrations"
"""Properties that a local deploy adds to the clusters in its record."""

_CLUSTER = "AWS::DSQL::Cluster"
_OWN_IDS = {"Resource", "Default", "Cluster"}


@dataclass(frozen=True, slots=True)
class AppDatabase:
    """One database of the app.

    `folder` is the name of its local folder, `id` that of its construct. `migrations` is relative to the project.
    Empty texts are unknown.
    """

    id: str
    stack: str
    folder: str
    dialect: str = ""
    migrations: str = ""
    regions: tuple[str, ...] = ()
    deployed: bool = True


@dataclass(frozen=True, slots=True)
class AppRecord:
    """The databases of the app of a project."""

    project: Path
    databases: tuple[AppDatabase, ...] = ()

    @classmethod
    def of(cls, project: Path) -> AppRecord:
        """Read the record of the local deploy, else the output of the last synth.

        Raises:
            SettingsError: a file of the record is damaged.
        """
        deployed = _merged([*_deployed(project / ".blocks" / "stacks")])
        known = {each.folder for each in deployed}
        synthesized = [
            each for each in _synthesized(project / ".blocks" / "cdk.out") if each.folder not in known
        ]
        return cls(project, (*deployed, *synthesized))

    def get(self, key: Key[T], database: str | None, stack: str | None) -> Setting[T] | None:
        """Return a setting of the database, or None if the app does not determine it."""
        if key.name == DATABASE.name:
            names = {each.id for each in self.databases}
            found = self.databases[0] if len(names) == 1 else None
        else:
            found = self.find(database, stack)
        raw = None if found is None else _values(found).get(key.name)
        if found is None or not raw:
            return None
        place = f"{'deployed' if found.deployed else 'synthesized'} stack {found.stack}"
        try:
            return Setting(key.read(raw, self.project), Source.APP, place)
        except ValueError:
            return None  # of a later version, for example a dialect that this one lacks

    def find(self, database: str | None, stack: str | None = None) -> AppDatabase | None:
        """Return the database with an id, of a stack if one is named; the first one deployed of several."""
        wanted = database and local_name(database)
        return next(
            (
                each
                for each in self.databases
                if stack in (None, each.stack)
                and (wanted is None or wanted in (each.folder, local_name(each.id)))
            ),
            None,
        )


def _values(found: AppDatabase) -> dict[str, object]:
    return {
        DATABASE.name: found.id,
        DIALECT.name: found.dialect,
        MIGRATIONS.name: found.migrations,
        REGIONS.name: found.regions,
        STACK.name: found.stack,
    }


def _merged(found: list[AppDatabase]) -> list[AppDatabase]:
    """Return one entry for each database, with the Regions of all its clusters."""
    by_folder: dict[str, list[AppDatabase]] = {}
    for each in found:
        by_folder.setdefault(each.folder, []).append(each)
    merged = []
    for clusters in by_folder.values():
        main = next((each for each in clusters if each.dialect), clusters[0])
        regions = dict.fromkeys(region for each in (main, *clusters) for region in each.regions)
        merged.append(
            AppDatabase(main.id, main.stack, main.folder, main.dialect, main.migrations, tuple(regions))
        )
    return merged


def _deployed(folder: Path) -> Iterator[AppDatabase]:
    for file in sorted(folder.glob("*.json")) if folder.is_dir() else ():
        try:
            stack = json.loads(file.read_text("utf-8"))["stack"]
            for resource in stack["resources"].values():
                if resource["type"] == _CLUSTER:
                    yield _of_resource(stack["name"], resource)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise damaged_state(file, error) from None


def damaged_state(file: Path, error: Exception) -> SettingsError:
    """Return the error for a damaged state file of a stack."""
    return SettingsError(
        f"{file}: the state file is damaged",
        repr(error),
        "restore the file from a copy; or remove it and deploy again: the databases keep their rows",
    )


def _of_resource(stack: str, resource: Mapping[str, Mapping[str, object]]) -> AppDatabase:
    properties, local = resource["properties"], resource["local"]
    region = local.get("region")
    return AppDatabase(
        id=id_of_path(str(resource["path"]), str(resource["logical_id"])),
        stack=stack,
        folder=str(local["folder"]),
        dialect=str(properties.get(DIALECT_PROPERTY) or ""),
        migrations=str(properties.get(MIGRATIONS_PROPERTY) or ""),
        regions=(str(region),) if region else (),
    )


def _synthesized(folder: Path) -> Iterator[AppDatabase]:
    """Read the metadata of an assembly and those inside it; a damaged one is left to the next synth."""
    artifacts = _read(folder / "manifest.json").get("artifacts")
    for name, artifact in artifacts.items() if isinstance(artifacts, dict) else ():
        properties = artifact.get("properties") or {}
        if inner := properties.get("directoryName"):
            yield from _synthesized(folder / str(inner))
            continue
        extra = artifact.get("additionalMetadataFile")
        metadata = _read(folder / str(extra)) if extra else artifact.get("metadata") or {}
        stack = str(properties.get("stackName") or name)
        for path, data in database_metadata(metadata).items():
            id = id_of_path(path.strip("/"), path)
            yield AppDatabase(
                id,
                stack,
                local_name(id),
                data.get("dialect", ""),
                data.get("migrations", ""),
                deployed=False,
            )


def database_metadata(metadata: Mapping[str, object]) -> dict[str, dict[str, str]]:
    """Return the entries that the construct has added to the metadata of a stack, by construct path."""
    return {
        path: cast("dict[str, str]", entry["data"])
        for path, entries in metadata.items()
        for entry in cast("list[dict[str, object]]", entries)
        if entry.get("type") == METADATA and isinstance(entry.get("data"), dict)
    }


def id_of_path(path: str, logical_id: str) -> str:
    """Return the id of a cluster's construct.

    `path` is the construct path of the cluster (`Stack/main/Resource`); without it the result is the logical id without
    the CDK's digest.
    """
    ids = [part for part in path.split("/")[1:] if part not in _OWN_IDS]
    return ids[-1] if ids else re.sub(r"[0-9A-F]{8}$", "", logical_id) or logical_id


def _read(file: Path) -> dict[str, dict[str, dict[str, dict[str, object]]]]:
    try:
        found = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
