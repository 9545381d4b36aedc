"""Store of unpacked bundles and layers, by content hash."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
import time
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from blocks_cli.errors import CommandError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from blocks_cli.assembly.asset import Asset


LIMIT = 200_000_000
"""Bytes of unpacked code that a deploy leaves, unless its stacks need more."""

_RECENT = 3600.0
"""Seconds since the last use in which an entry is not removed."""


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

        fresh = self._ensure(_digest("\n".join(parts).encode()), make)
        self._link_bytecode(key, fresh, changes)
        return fresh

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

        return self.path(self._ensure(merged_key(layers), merge))

    def prune(self, needed: Collection[str], limit: int = LIMIT, now: float | None = None) -> list[str]:
        """Remove the entries that were not used for longest until the others have at most `limit` bytes.

        Entries in `needed`, and those used within the last hour, stay: another process may run them. Returns the keys
        of the removed entries.
        """
        entries = [each for each in self._folder.iterdir() if each.is_dir()] if self._folder.is_dir() else []
        sizes = {each: folder_size(each) for each in entries}
        total, removed = sum(sizes.values()), []
        recent = (time.time() if now is None else now) - _RECENT
        for entry in sorted(entries, key=lambda each: each.stat().st_mtime):
            if total <= limit or entry.stat().st_mtime > recent:
                break
            if entry.name not in needed:
                shutil.rmtree(entry, ignore_errors=True)
                shutil.rmtree(self._bytecode_of(entry.name), ignore_errors=True)
                total -= sizes[entry]
                removed.append(entry.name)
        return removed

    def _bytecode_of(self, key: str) -> Path:
        """Return the folder with the compiled modules of an entry: its absolute path below `bytecode`."""
        return self.bytecode / str(self.path(key).absolute()).lstrip("/")

    def _link_bytecode(self, key: str, fresh: str, changes: Collection[str]) -> None:
        """Give an entry derived from `key` the compiled modules of all files but the changed ones.

        Python compares only seconds and size of a source file, so a changed file must not get an old module.
        """
        compiled, target = self._bytecode_of(key), self._bytecode_of(fresh)
        for module in compiled.rglob("*.pyc"):
            name = module.relative_to(compiled)
            if name.with_name(f"{name.name.partition('.')[0]}.py").as_posix() not in changes:
                with contextlib.suppress(OSError):  # exists, or no links here: the function compiles it again
                    (target / name).parent.mkdir(parents=True, exist_ok=True)
                    (target / name).hardlink_to(module)

    def _ensure(self, key: str, make: Callable[[Path], None]) -> str:
        with contextlib.suppress(OSError):  # a read-only store
            os.utime(self.path(key))  # `prune` removes the entries that were not used for longest
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


def merged_key(layers: Sequence[Path]) -> str:
    """Return the key of the entry with the content of all `layers`."""
    return f"opt-{_digest(chr(10).join(layer.name for layer in layers).encode())}"


def folder_size(folder: Path) -> int:
    """Return the size in bytes of the files in a folder, as they are on the disk; vanished ones have none."""
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                total += os.lstat(f"{parent}/{name}").st_blocks * 512
    return total


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
