"""Search for PostgreSQL, and the errors if none is found."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from local_dsql.errors import PostgresNotFoundError
from local_dsql.postgres import binaries
from local_dsql.postgres.binaries import VARIABLE, find_binaries

if TYPE_CHECKING:
    from pathlib import Path


def install(folder: Path, version: str) -> Path:
    """Create programs that only print a version."""
    folder.mkdir(parents=True)
    for name in ("postgres", "initdb"):
        (folder / name).write_text(f"#!/bin/sh\necho '{name} (PostgreSQL) {version}'\n")
        (folder / name).chmod(0o755)
    return folder


@pytest.fixture
def nothing_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave PATH as the only place of the search."""
    only_path = {"PATH": binaries._PLACES["PATH"]}
    monkeypatch.setattr(binaries, "_PLACES", only_path)


def test_the_wheel_is_16() -> None:
    found = find_binaries({"PATH": ""})
    assert found.version.startswith("16.")
    assert found.folder.parts[-2:] == ("pginstall", "bin")


def test_the_variable_comes_first(tmp_path: Path) -> None:
    folder = install(tmp_path / "own", "16.3 (Debian 16.3-1)")
    assert find_binaries({VARIABLE: str(folder)}).folder == folder


@pytest.mark.usefixtures("nothing_installed")
def test_path_is_searched_last(tmp_path: Path) -> None:
    folder = install(tmp_path / "bin", "16.9")
    assert find_binaries({"PATH": f"/nowhere:{folder}"}).version == "16.9"


@pytest.mark.parametrize("version", ["15.18", "17.0", "18.4", "9.6.24", "17beta1"])
def test_another_major_is_refused(tmp_path: Path, version: str) -> None:
    folder = install(tmp_path / "own", version)
    with pytest.raises(PostgresNotFoundError, match="PostgreSQL 16 is required") as refusal:
        find_binaries({VARIABLE: str(folder)})
    assert str(folder) in refusal.value.what
    assert "pip install" in refusal.value.remedy


def test_a_variable_that_names_nothing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(PostgresNotFoundError, match="no postgres"):
        find_binaries({VARIABLE: str(tmp_path)})


@pytest.mark.usefixtures("nothing_installed")
def test_the_error_lists_other_versions(tmp_path: Path) -> None:
    folder = install(tmp_path / "bin", "15.18")
    with pytest.raises(PostgresNotFoundError, match=r"PATH: .* has PostgreSQL 15\.18"):
        find_binaries({"PATH": str(folder)})
    with pytest.raises(PostgresNotFoundError, match="neither the wheel"):
        find_binaries({"PATH": ""})
