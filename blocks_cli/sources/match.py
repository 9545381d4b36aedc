"""Find the folder of a project that an asset was made from: the assembly does not say it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blocks_cli.sources.files import files_below

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_MOST_ANCHORS = 20


def find_source(staged: Path, root: Path, files: frozenset[str]) -> str | None:
    """Return the folder, relative to `root`, that the asset `staged` was made from, or None if it is not certain.

    `files` are the files of the project. The folder has the same content as the asset; the asset may lack some of its
    files (`exclude=`) or have others (installed packages), but not both. Of several such folders it is the one that
    has more files in common.
    """
    own = files_below(staged)
    found: dict[str, int] = {}
    for folder in _candidates(own, files):
        inside = _below(folder, files)
        common = own & inside
        if (own <= inside or inside <= own) and _are_equal(staged, root / folder, common):
            found[folder] = len(common)
    best = max(found.values(), default=0)
    names = [folder for folder, number in found.items() if number == best]
    return names[0] if len(names) == 1 else None


def _candidates(own: frozenset[str], files: frozenset[str]) -> set[str]:
    """Return the folders of the project in which one of the first files of the asset is at the same place."""
    found: set[str] = set()
    for anchor in sorted(own, key=lambda path: (path.count("/"), path))[:_MOST_ANCHORS]:
        found |= {"." for file in files if file == anchor}
        found |= {file[: -len(anchor) - 1] for file in files if file.endswith(f"/{anchor}")}
    return found


def _below(folder: str, files: Iterable[str]) -> frozenset[str]:
    if folder == ".":
        return frozenset(files)
    prefix = f"{folder}/"
    return frozenset(file[len(prefix) :] for file in files if file.startswith(prefix))


def _are_equal(one: Path, other: Path, names: Iterable[str]) -> bool:
    try:
        return all((one / name).read_bytes() == (other / name).read_bytes() for name in names)
    except OSError:
        return False
