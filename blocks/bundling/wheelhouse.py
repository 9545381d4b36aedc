"""Locked wheels on disk: from the cache or downloaded by pip, verified either way."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from blocks.bundling import cache, pip
from blocks.bundling.errors import BundlingError
from blocks_settings.cache_folder import VARIABLE, cache_folder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from blocks.bundling.lock import Wheel
    from blocks.bundling.target import Target


@cache.in_use()
def fetch(wheels: Sequence[Wheel], target: Target) -> tuple[Path, ...]:
    """Return the files of `wheels`, in their order; download missing ones with pip.

    A cached file with changed contents is downloaded again. No network is used when all are cached.

    Raises:
        BundlingError: a wheel is missing and pip could not download it, or its hash differs; or the cache cannot be
            written.
    """
    missing = [wheel for wheel in wheels if not _is_intact(wheel)]
    if missing:
        _download(missing, target)
    return tuple(_place(wheel) for wheel in wheels)


def _place(wheel: Wheel) -> Path:
    return cache_folder() / "wheels" / wheel.sha256 / wheel.file


def _is_intact(wheel: Wheel) -> bool:
    place = _place(wheel)
    return place.is_file() and cache.sha256(place) == wheel.sha256


def _download(wheels: Sequence[Wheel], target: Target) -> None:
    parent = cache_folder() / "wheels"
    parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="download-", dir=parent) as scratch:
        try:
            pip.download([wheel.requirement for wheel in wheels], Path(scratch), target)
        except pip.PipError as error:
            raise _missing(wheels, target, str(error)) from error
        for wheel in wheels:
            _keep(Path(scratch) / wheel.file, wheel, target)


def _keep(downloaded: Path, wheel: Wheel, target: Target) -> None:
    # pip has checked the hash; a file of another name would be another wheel of the same release.
    if not downloaded.is_file() or cache.sha256(downloaded) != wheel.sha256:
        raise _missing([wheel], target, f"the package index has no {wheel.file} with the locked sha256")
    place = _place(wheel)
    place.parent.mkdir(exist_ok=True)
    downloaded.replace(place)


def _missing(wheels: Sequence[Wheel], target: Target, why: str) -> BundlingError:
    names = ", ".join(wheel.file for wheel in wheels)
    return BundlingError(
        f"missing for {target}: {names}",
        f"not in the cache {cache_folder()}, and pip could not download it: {why}",
        "where a package index can be reached, run `python -m blocks.bundling prefetch "
        f"--python {target.python} --arch {target.architecture}`; "
        f"{VARIABLE} names a cache folder copied from there",
    )
