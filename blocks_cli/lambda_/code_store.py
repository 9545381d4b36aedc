"""Store of unpacked bundles and layers, by content hash."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from blocks_cli.errors import CommandError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from blocks_cli.assembly.asset import Asset


class CodeStore:
    """A folder with one folder per entry. Entries are created atomically, so processes may share a store."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def bytecode(self) -> Path:
        """Folder for the compiled modules of all entries, which are read-only for functions."""
        return self._folder.with_name("bytecode")

    def path(self, key: str) -> Path:
        """Return the path of the entry `key`."""
        return self._folder / key

    def asset(self, asset: Asset) -> str:
        """Unpack a file asset unless the store has it; return its key.

        Raises:
            CommandError: the folder or zip of the asset is missing or damaged.
        """
        return self._ensure(asset.hash, lambda target: _unpack(asset, target))

    def derived(self, key: str, changes: Mapping[str, bytes | None]) -> str:
        """Store a copy of the entry `key` with changed files, None for a removed one; return its key."""
        parts = [key, *(part for name in sorted(changes) for part in (name, _digest(changes[name])))]

        def make(target: Path) -> None:
            shutil.copytree(self.path(key), target, symlinks=True)
            for name, content in changes.items():
                if content is None:
                    (target / name).unlink()
                else:
                    (target / name).parent.mkdir(parents=True, exist_ok=True)
                    (target / name).write_bytes(content)

        return self._ensure(_digest("\n".join(parts).encode()), make)

    def inline(self, source: str) -> str:
        """Store the source of an inline Python function as `index.py`; return its key."""

        def write(target: Path) -> None:
            target.mkdir()
            (target / "index.py").write_text(source, "utf-8")

        return self._ensure(hashlib.sha256(source.encode()).hexdigest(), write)

    def merged(self, layers: Sequence[Path]) -> Path:
        """Return a folder with the content of all `layers`, like Lambda's `/opt`: later layers overwrite earlier."""

        def merge(target: Path) -> None:
            target.mkdir()
            for layer in layers:
                shutil.copytree(layer, target, dirs_exist_ok=True, symlinks=True)

        names = "\n".join(layer.name for layer in layers)
        return self.path(self._ensure(f"opt-{hashlib.sha256(names.encode()).hexdigest()}", merge))

    def _ensure(self, key: str, make: Callable[[Path], None]) -> str:
        if self.path(key).exists():
            return key
        self._folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self._folder, prefix="new-") as temporary:
            fresh = Path(temporary) / "entry"
            make(fresh)
            try:
                fresh.rename(self.path(key))
            except OSError:
                if not self.path(key).exists():  # else another process has stored the same content
                    raise
        return key


def _digest(content: bytes | None) -> str:
    return "" if content is None else hashlib.sha256(content).hexdigest()


def _unpack(asset: Asset, target: Path) -> None:
    try:
        if asset.source.is_dir():
            shutil.copytree(asset.source, target, symlinks=True)
        else:
            with zipfile.ZipFile(asset.source) as bundle:
                bundle.extractall(target)
    except (OSError, zipfile.BadZipFile) as error:
        raise CommandError(
            f"asset {asset.source}: cannot be unpacked", str(error), "run the synth again, then deploy"
        ) from None
