"""pip is a program that may not be where this Python is: environments that uv makes have none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from blocks.bundling import BundlingError, pip
from blocks.bundling.target import Target

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def no_pip_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An environment without pip, and the only folder on PATH."""
    monkeypatch.setattr("blocks.bundling.pip.importlib.util.find_spec", lambda _: None)
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


@pytest.mark.usefixtures("no_pip_here")
def test_fails_with_a_remedy_without_pip(tmp_path: Path) -> None:
    with pytest.raises(BundlingError, match=r"has no pip \(environments made by uv have none\)") as refused:
        pip.download(["psycopg==3.3.9"], tmp_path, Target("3.13", "x86_64"))
    assert "uv pip install pip" in refused.value.remedy


def test_a_pip_on_path_is_used(no_pip_here: Path, tmp_path: Path) -> None:
    program = no_pip_here / "pip3"
    program.write_text('#!/bin/sh\nprintf \'%s \' "$@" > "${0%/*}/asked"\n', encoding="utf-8")
    program.chmod(0o755)
    pip.download(["psycopg==3.3.9"], tmp_path, Target("3.13", "aarch64"))
    asked = (no_pip_here / "asked").read_text(encoding="utf-8")
    assert "--no-deps --only-binary=:all: --implementation cp --python-version 3.13" in asked
    # manylinux2014 alone would get an older release for aarch64, silently.
    assert "--platform manylinux2014_aarch64" in asked
    assert "--platform manylinux_2_28_aarch64" in asked
