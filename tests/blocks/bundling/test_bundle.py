"""Bundles: the same bytes from the same parts, whole or not at all."""

from __future__ import annotations

import io
import os
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from blocks.bundling import BundlingError
from blocks.bundling import bundle as bundles
from blocks.bundling.parts import TextPart
from blocks_settings.cache_folder import VARIABLE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PARTS = [TextPart("b/two.txt", "two"), TextPart("one.txt", "one")]


@dataclass
class BrokenPart:
    digest: str = "0"

    def files(self) -> Iterator[tuple[str, bytes]]:
        yield "half.txt", b"half"
        raise RuntimeError("the network went away")


@pytest.fixture(autouse=True)
def cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv(VARIABLE, str(folder))
    return folder


@pytest.mark.parametrize("below", ["", "deeper"], ids=["a file", "below a file"])
def test_fails_naming_the_variable_for_an_unusable_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, below: str
) -> None:
    (tmp_path / "occupied").write_text("", encoding="utf-8")
    monkeypatch.setenv(VARIABLE, str(tmp_path / "occupied" / below))
    with pytest.raises(BundlingError, match=r"occupied.* cannot be used") as refused:
        bundles.bundle(PARTS)
    assert VARIABLE in refused.value.remedy


def zipped(tree: Path) -> bytes:
    """Zip a tree as a deploy tool does: with the times and modes that the files have."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as writer:
        for path in sorted(tree.rglob("*")):
            writer.write(path, path.relative_to(tree))
    return archive.getvalue()


def test_the_same_parts_give_the_same_bytes_in_another_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = bundles.bundle(PARTS)
    monkeypatch.setenv(VARIABLE, str(tmp_path / "other"))
    usual = os.umask(0o077)
    try:
        second = bundles.bundle(PARTS)
    finally:
        os.umask(usual)
    assert first.digest == second.digest
    assert first.path != second.path
    assert zipped(first.path) == zipped(second.path)


def test_times_and_modes_are_fixed() -> None:
    tree = bundles.bundle(PARTS).path
    for path in (tree, *tree.rglob("*")):
        assert path.stat().st_mtime == 315532800
        assert path.stat().st_mode & 0o777 == (0o755 if path.is_dir() else 0o644)


@pytest.mark.parametrize(
    "other",
    [
        [TextPart("b/two.txt", "TWO"), TextPart("one.txt", "one")],
        [TextPart("b/2.txt", "two"), TextPart("one.txt", "one")],
        [TextPart("one.txt", "one")],
    ],
    ids=["contents", "name", "missing"],
)
def test_other_parts_have_another_digest(other: list[TextPart]) -> None:
    assert bundles.digest_of(other) != bundles.digest_of(PARTS)


def test_a_bundle_is_built_once() -> None:
    first = bundles.bundle(PARTS)
    (first.path.parent / "here before").touch()
    assert bundles.bundle(PARTS) == first
    assert (first.path.parent / "here before").exists()


@pytest.mark.parametrize("damage", ["changed", "removed", "added"])
def test_a_damaged_bundle_is_built_again(damage: str) -> None:
    tree = bundles.bundle(PARTS).path
    before = zipped(tree)
    if damage == "changed":
        (tree / "one.txt").write_text("1", encoding="utf-8")
    elif damage == "removed":
        (tree / "one.txt").unlink()
    else:
        (tree / "three.txt").write_text("three", encoding="utf-8")
    assert zipped(bundles.bundle(PARTS).path) == before


def test_a_build_that_fails_leaves_nothing(cache_folder: Path) -> None:
    with pytest.raises(RuntimeError):
        bundles.bundle([BrokenPart()])
    assert list((cache_folder / "bundles").iterdir()) == []


def test_building_at_the_same_time_ends_in_one_bundle(cache_folder: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = set(pool.map(lambda _: bundles.bundle(PARTS), range(32)))
    assert len(made) == 1
    assert len(list((cache_folder / "bundles").iterdir())) == 1


def test_a_bundle_unused_for_a_month_is_removed() -> None:
    old = bundles.bundle(PARTS).path.parent
    used = bundles.bundle(PARTS[:1]).path.parent
    month_ago = time.time() - 31 * 24 * 3600
    os.utime(old, (month_ago, month_ago))
    bundles.bundle(PARTS[1:])
    assert not old.exists()
    assert used.exists()
