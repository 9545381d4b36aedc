"""Search for interpreters of other versions: in the folders of pyenv and uv, also if these are not readable."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from blocks_cli.lambda_ import interpreter

if TYPE_CHECKING:
    from pathlib import Path

PLACES = [
    ("PYENV_ROOT", "versions/9.7.1"),
    ("UV_PYTHON_INSTALL_DIR", "cpython-9.7.1-linux"),
]


@pytest.fixture(autouse=True)
def nothing_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("PATH", "PYENV_ROOT", "UV_PYTHON_INSTALL_DIR"):
        monkeypatch.setenv(variable, str(tmp_path / "empty"))
    interpreter.find.cache_clear()


@pytest.mark.parametrize(("variable", "place"), PLACES, ids=[variable for variable, _ in PLACES])
def test_interpreters_of_version_managers_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, place: str
) -> None:
    installed = tmp_path / "a [folder]" / place / "bin" / "python9.7"
    installed.parent.mkdir(parents=True)
    installed.write_text(f'#!/bin/sh\nexec {sys.executable} -c "print([[9, 7], []])"\n')
    installed.chmod(0o755)
    monkeypatch.setenv(variable, str(tmp_path / "a [folder]"))
    found = interpreter.find((9, 7))
    assert found is not None
    assert found.executable == installed


def test_an_unreadable_folder_is_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as that of another user after `su`; a name that is too long fails for root as well."""
    for variable, _ in PLACES:
        monkeypatch.setenv(variable, "/" + "long" * 100)
    assert interpreter.find((9, 7)) is None
