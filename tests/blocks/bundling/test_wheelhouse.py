"""Fetching wheels: real pip, no network; the index is a folder of links to wheels that are cached already."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from blocks.bundling import BundlingError, Target, __main__, cache, wheelhouse
from blocks_settings.cache_folder import cache_folder

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from blocks.bundling.lock import Wheel


def test_a_missing_wheel_is_downloaded_once(index: Path, wheels: Sequence[Wheel], target: Target) -> None:
    fetched = wheelhouse.fetch(wheels, target)
    assert [path.name for path in fetched] == [wheel.file for wheel in wheels]
    assert all(cache.sha256(path) == wheel.sha256 for path, wheel in zip(fetched, wheels, strict=True))
    shutil.rmtree(index)
    assert wheelhouse.fetch(wheels, target) == fetched


def test_nothing_but_wheels_stays_in_the_cache(index: Path, wheels: Sequence[Wheel], target: Target) -> None:
    wheelhouse.fetch(wheels, target)
    left = {path.name for path in (cache_folder() / "wheels").rglob("*") if path.is_file()}
    assert left == {wheel.file for wheel in wheels}


def test_a_changed_wheel_in_the_cache_is_downloaded_again(
    index: Path, wheels: Sequence[Wheel], target: Target
) -> None:
    first, *_ = wheelhouse.fetch(wheels, target)
    first.write_bytes(first.read_bytes()[:-1])
    assert cache.sha256(wheelhouse.fetch(wheels, target)[0]) == wheels[0].sha256


def test_fails_naming_wheel_cache_and_command_when_there_is_no_index(
    index: Path, wheels: Sequence[Wheel], target: Target
) -> None:
    shutil.rmtree(index)
    index.mkdir()
    with pytest.raises(BundlingError) as refused:
        wheelhouse.fetch(wheels, target)
    said = str(refused.value)
    assert all(wheel.file in said for wheel in wheels)
    assert str(cache_folder()) in said
    assert "python -m blocks.bundling prefetch --python 3.13 --arch x86_64" in said


def test_the_pins_of_the_app_itself_do_not_matter(
    index: Path, wheels: Sequence[Wheel], target: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pins = tmp_path / "constraints.txt"
    pins.write_text("".join(f"{wheel.project}<0\n" for wheel in wheels), encoding="utf-8")
    monkeypatch.setenv("PIP_CONSTRAINT", str(pins))
    assert len(wheelhouse.fetch(wheels, target)) == len(wheels)


def test_fails_for_a_wheel_with_another_hash(index: Path, wheels: Sequence[Wheel], target: Target) -> None:
    with (index / wheels[0].file).open("ab") as file:
        file.write(b"appended")
    with pytest.raises(BundlingError, match=r"missing for Python 3\.13 on x86_64"):
        wheelhouse.fetch(wheels, target)
    assert not [path for path in (cache_folder() / "wheels").rglob("*") if path.is_file()]


def test_prefetch_fails_in_three_parts(
    index: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert __main__.main(["prefetch", "--python", "3.13", "--arch", "x86_64"]) == 1
    what, why, remedy = capsys.readouterr().err.strip().splitlines()
    assert what.startswith("missing for Python 3.13 on x86_64: psycopg-3.3.9-py3-none-any.whl")
    assert why.startswith("  why: not in the cache")
    assert remedy.startswith("  do:  ")


def test_prefetch_lists_the_cached_targets(capsys: pytest.CaptureFixture[str]) -> None:
    assert __main__.main(["prefetch", "--python", "3.13", "--arch", "amd64"]) == 0
    assert capsys.readouterr().out == f"Python 3.13 on x86_64: in {cache_folder()}\n"


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"BLOCKS_CACHE_DIR": "/a", "XDG_CACHE_HOME": "/b"}, "/a"),
        ({"XDG_CACHE_HOME": "/b"}, "/b/blocks-dsql"),
        ({"HOME": "/c"}, "/c/.cache/blocks-dsql"),
    ],
    ids=["chosen", "xdg", "home"],
)
def test_the_cache_folder(
    environment: dict[str, str], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("BLOCKS_CACHE_DIR", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert str(cache_folder()) == expected
