"""Built bundles: folders in the cache whose name and bytes depend on their parts alone."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from blocks.bundling import cache
from blocks.bundling.parts import digest_of_files, digest_of_texts
from blocks_settings.cache_folder import cache_folder

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from blocks.bundling.parts import Part

# Increase it when the layout of the folder changes for the same parts.
_LAYOUT = "1"

# 1980-01-01: zip files cannot hold an earlier date.
_MTIME = 315532800

_UNUSED_AFTER_SECONDS = 30 * 24 * 3600


@dataclass(frozen=True, slots=True)
class Bundle:
    """A folder ready to become a Lambda asset, and the digest of its parts.

    The digest is the same on every machine; `path` is not.
    """

    path: Path
    digest: str


@cache.in_use()
def bundle(parts: Sequence[Part]) -> Bundle:
    """Return the bundle of `parts`; build it unless the cache has it intact.

    File times and modes are fixed, so zipping the folder twice gives the same bytes.

    Raises:
        BundlingError: a wheel is not in the cache and cannot be downloaded, or the cache cannot be written.
    """
    digest = digest_of(parts)
    place = cache_folder() / "bundles" / digest
    if not _is_intact(place):
        _build(place, parts)
    # A copied cache may be read-only; unused bundles are not removed from it either.
    with contextlib.suppress(PermissionError):
        os.utime(place)
    return Bundle(place / "tree", digest)


def digest_of(parts: Sequence[Part]) -> str:
    """Return the digest of the bundle of `parts`, without building it."""
    return digest_of_texts(_LAYOUT, *(part.digest for part in parts))


def _is_intact(place: Path) -> bool:
    seal = place / "seal"
    return seal.is_file() and seal.read_text(encoding="ascii") == _seal(place / "tree")


def _seal(tree: Path) -> str:
    return digest_of_files(_files_below(tree))


def _files_below(tree: Path) -> Iterator[tuple[str, bytes]]:
    for path in tree.rglob("*"):
        if path.is_file():
            yield path.relative_to(tree).as_posix(), path.read_bytes()


def _build(place: Path, parts: Sequence[Part]) -> None:
    """Build the bundle in a temporary folder and rename it into place, so that a bundle is always complete."""
    place.parent.mkdir(parents=True, exist_ok=True)
    _drop_unused(place.parent)
    with tempfile.TemporaryDirectory(prefix="build-", dir=place.parent) as scratch:
        made = Path(scratch) / "made"
        _write(made / "tree", parts)
        (made / "seal").write_text(_seal(made / "tree"), encoding="ascii")
        _normalize(made / "tree")
        _move_into_place(made, place)


def _write(tree: Path, parts: Sequence[Part]) -> None:
    for part in parts:
        for name, contents in part.files():
            path = tree / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(contents)


def _normalize(tree: Path) -> None:
    for path in (tree, *tree.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    # Writing into a folder changes its time, so times are set last.
    for path in (tree, *tree.rglob("*")):
        os.utime(path, (_MTIME, _MTIME))


def _move_into_place(made: Path, place: Path) -> None:
    if place.exists() and not _is_intact(place):
        shutil.rmtree(place, ignore_errors=True)
    try:
        made.rename(place)
    except OSError:
        # Another process has built the same bundle meanwhile, with the same bytes.
        if not _is_intact(place):
            raise


def _drop_unused(bundles: Path) -> None:
    """Remove bundles unused for a month, such as those of earlier releases."""
    deadline = time.time() - _UNUSED_AFTER_SECONDS
    for place in bundles.iterdir():
        # Other processes build and rename bundles concurrently.
        with contextlib.suppress(FileNotFoundError):
            if place.stat().st_mtime < deadline:
                shutil.rmtree(place, ignore_errors=True)
