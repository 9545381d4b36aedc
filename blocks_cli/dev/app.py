"""The synthesized app, with the folders that its assets were made from."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from blocks_cli.assembly.resource_types import FUNCTION, LAYER
from blocks_cli.errors import CommandError
from blocks_cli.json_value import mapping, text
from blocks_cli.migrations.folder import compile_manifest, read_names
from blocks_cli.sources.files import files_below
from blocks_cli.sources.match import find_source
from migration_manifest import Manifest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from blocks_cli.assembly.asset import Asset
    from blocks_cli.assembly.cloud import Stack
    from blocks_cli.assembly.template import Resource
    from blocks_cli.lambda_.code_store import CodeStore

MANIFEST = "manifest.json"
"""File of a migrator's bundle with the compiled migrations."""

_CODE = {FUNCTION: "Code", LAYER: "Content"}
_BUNDLED = {"requirements.txt", "pyproject.toml", "poetry.lock", "uv.lock", "Pipfile.lock"}
"""Files that say which packages are bundled: a change of them needs a synth."""


@dataclass(frozen=True, slots=True)
class CodeSource:
    """An asset of a function or layer, and the folder of the project that it was made from."""

    key: str
    folder: str


@dataclass(frozen=True, slots=True)
class MigrationSource:
    """The asset of a migrator, and the folder of migrations that it was made from."""

    key: str
    folder: str
    manifest: Manifest


@dataclass(frozen=True)
class App:
    """A synthesized app. `files` are those of the project at the time of the synth."""

    root: Path
    store: CodeStore
    stacks: tuple[Stack, ...]
    files: frozenset[str]
    code: tuple[CodeSource, ...]
    migrations: tuple[MigrationSource, ...]

    @classmethod
    def of(cls, root: Path, store: CodeStore, stacks: Iterable[Stack]) -> App:
        """Return the app of these stacks, after unpacking the assets of its functions and layers."""
        found, files = tuple(stacks), files_below(root)
        keys = {store.asset(asset) for asset in _assets(found)}
        migrations = [each for key in keys if (each := _migrations(root, store.path(key), key, files))]
        rest = keys - {each.key for each in migrations}
        code = [
            CodeSource(key, folder)
            for key in rest
            if (folder := find_source(store.path(key), root, files)) not in (None, ".")
        ]
        return cls(root, store, found, files, tuple(code), tuple(migrations))

    def with_changes(self, changed: Iterable[str]) -> App | None:
        """Return the app after changes of files, or None if only a synth can tell.

        Raises:
            CommandError: a migration has an error.
        """
        files = [file for file in changed if self._matters(file)]
        app: App | None = self
        for file in files:
            app = app and app._after_change(file)
        return app

    def _matters(self, file: str) -> bool:
        """Return whether a file exists, or is part of what is deployed."""
        return file in self.files or (self.root / file).is_file() or self._is_deployed(file)

    def _is_deployed(self, file: str) -> bool:
        """Return whether a file that was created after the last synth was deployed since."""
        path = Path(file)
        names = {
            (each.folder, migration.name)
            for each in self.migrations
            for migration in each.manifest.migrations
        }
        bundled = (
            self.store.path(each.key) / file[len(each.folder) + 1 :]
            for each in self.code
            if file.startswith(f"{each.folder}/")
        )
        return (path.parent.as_posix(), path.stem) in names or any(each.exists() for each in bundled)

    def _after_change(self, file: str) -> App | None:
        migrations = [each for each in self.migrations if str(Path(file).parent.as_posix()) == each.folder]
        code = [each for each in self.code if file.startswith(f"{each.folder}/")]
        if migrations and file.endswith(".sql"):
            app = self
            for source in migrations:
                app = app._migrated(source)
            return app
        if not code or Path(file).name in _BUNDLED:
            return None
        app = self
        for each in code:
            changed = app._coded(each, file)
            if changed is None:
                return None
            app = changed
        return app

    def _migrated(self, source: MigrationSource) -> App:
        manifest = compile_manifest(self.root / source.folder, source.manifest.dialect)
        if manifest.digest == source.manifest.digest:
            return self
        content = json.dumps(manifest.document(), ensure_ascii=False, indent=2).encode()
        key = self.store.derived(source.key, {MANIFEST: content})
        fresh = MigrationSource(key, source.folder, Manifest.of(manifest.document()))
        kept = tuple(each for each in self.migrations if each != source)
        texts = {source.key: key, source.manifest.digest: manifest.digest}
        return dataclasses.replace(self, stacks=self._replace_in_stacks(texts), migrations=(*kept, fresh))

    def _coded(self, source: CodeSource, file: str) -> App | None:
        """Return the app with a changed file of a bundle, or None if the bundle may leave it out."""
        name, path = file[len(source.folder) + 1 :], self.root / file
        staged = self.store.path(source.key) / name
        content = path.read_bytes() if path.is_file() else None
        if content is None and not staged.exists():
            return self
        if content is not None and not staged.exists() and not self._is_complete(source):
            return None
        if content is not None and staged.exists() and staged.read_bytes() == content:
            return self
        key = self.store.derived(source.key, {name: content})
        kept = tuple(each for each in self.code if each != source)
        return dataclasses.replace(
            self,
            stacks=self._replace_in_stacks({source.key: key}),
            code=(*kept, CodeSource(key, source.folder)),
        )

    def _is_complete(self, source: CodeSource) -> bool:
        """Return whether the bundle had all files of its folder at the last synth."""
        own = files_below(self.store.path(source.key))
        prefix = f"{source.folder}/"
        return all(file[len(prefix) :] in own for file in self.files if file.startswith(prefix))

    def _replace_in_stacks(self, texts: Mapping[str, str]) -> tuple[Stack, ...]:
        return tuple(_replace_in_stack(stack, texts, self.store) for stack in self.stacks)


def _assets(stacks: Iterable[Stack]) -> Iterator[Asset]:
    for stack in stacks:
        for resource in stack.template.resources.values():
            code = mapping(resource.properties.get(_CODE.get(resource.type, "")))
            if asset := stack.assets.get(text(code.get("S3Key"))):
                yield asset


def _migrations(root: Path, bundle: Path, key: str, files: frozenset[str]) -> MigrationSource | None:
    """Return the source of a migrator's bundle: the folder with the same files of migrations; None if there is none."""
    try:
        manifest = Manifest.of(json.loads((bundle / MANIFEST).read_text("utf-8")))
    except (OSError, ValueError, KeyError, TypeError):
        return None  # the bundle of another function
    wanted = [(each.name, each.checksum) for each in manifest.migrations]
    folders = sorted({Path(file).parent.as_posix() for file in files if file.endswith(".sql")})
    found = [folder for folder in folders if _names(root / folder) == wanted]
    return MigrationSource(key, found[0], manifest) if len(found) == 1 else None


def _names(folder: Path) -> list[tuple[str, str]] | None:
    try:
        return [(each.name, each.checksum) for each in read_names(folder).migrations]
    except CommandError:
        return None


def _replace_in_stack(stack: Stack, texts: Mapping[str, str], store: CodeStore) -> Stack:
    """Return a stack with other assets: their keys replaced in assets and properties."""
    assets = {}
    for name, asset in stack.assets.items():
        key = texts.get(asset.hash, asset.hash)
        fresh = asset if key == asset.hash else dataclasses.replace(asset, hash=key, source=store.path(key))
        assets[_replace_in_text(name, texts)] = fresh
    resources = {
        name: _replace_in_resource(resource, texts) for name, resource in stack.template.resources.items()
    }
    template = dataclasses.replace(stack.template, resources=resources)
    return dataclasses.replace(stack, assets=assets, template=template)


def _replace_in_resource(resource: Resource, texts: Mapping[str, str]) -> Resource:
    before = json.dumps(dict(resource.properties))
    after = _replace_in_text(before, texts)
    return resource if after == before else dataclasses.replace(resource, properties=json.loads(after))


def _replace_in_text(value: str, texts: Mapping[str, str]) -> str:
    for old, new in texts.items():
        value = value.replace(old, new)
    return value
