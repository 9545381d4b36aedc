"""A package index without a network: a folder of wheels that are cached already, for real pip."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from blocks.bundling import Target, lock, wheelhouse
from blocks_settings.cache_folder import VARIABLE

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from blocks.bundling.lock import Wheel


@pytest.fixture
def target() -> Target:
    return Target("3.13", "x86_64")


@pytest.fixture
def wheels(target: Target) -> Sequence[Wheel]:
    """The small ones, so that copying costs nothing."""
    return [wheel for wheel in lock.wheels("runtime-client", target) if wheel.project != "awslambdaric"]


@pytest.fixture
def index(wheels: Sequence[Wheel], target: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a folder the only index, and start with an empty cache."""
    folder = tmp_path / "index"
    folder.mkdir()
    for path in wheelhouse.fetch(wheels, target):
        shutil.copy(path, folder)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv(VARIABLE, str(tmp_path / "cache"))
    return folder
