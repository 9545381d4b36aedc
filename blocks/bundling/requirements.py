"""Packages of a function's requirements file, installed for Lambda without Docker and kept in the cache."""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from blocks.bundling import cache, lock, pip
from blocks.bundling.errors import BundlingError
from blocks_settings.cache_folder import cache_folder

if TYPE_CHECKING:
    from blocks.bundling.target import Target


@cache.in_use()
def installed_requirements(file: Path, target: Target) -> Path:
    """Return a folder with the packages that a requirements file names, and their dependencies, as wheels for `target`.

    psycopg has the version of the runtime layer: both are on the path of the function. A file with the same text is not
    installed again; pin its versions (`pip freeze`, `uv pip compile`) so that a build can be repeated.

    Raises:
        BundlingError: a package has no wheel for the target, or cannot be downloaded; or the cache cannot be written.
    """
    constraints = [f"{wheel.project}=={wheel.version}" for wheel in lock.wheels("runtime", target)]
    key = "\0".join((file.read_text(encoding="utf-8"), str(target), *constraints))
    place = cache_folder() / "requirements" / hashlib.sha256(key.encode()).hexdigest()[:32]
    if place.is_dir():
        return place
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="install-", dir=place.parent) as scratch:
        made = Path(scratch) / "packages"
        made.mkdir()
        try:
            pip.install(file, constraints, made, target)
        except pip.PipError as error:
            raise BundlingError(
                f"the packages of {file} cannot be installed for {target}",
                str(error),
                "name versions that have wheels for Linux, and run this where the package index can be reached; "
                "psycopg and blocks-dsql come with the runtime layer and can be left out",
            ) from error
        if not place.is_dir():  # another process was not faster
            made.rename(place)
    return place
