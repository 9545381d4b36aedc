"""Renewing the lock: what is written is what is read, and what cannot be locked is said."""

from __future__ import annotations

import shutil
from importlib import resources
from typing import TYPE_CHECKING

import pytest

from blocks.bundling import BundlingError, __main__, every_target, lock, relock, wheelhouse

if TYPE_CHECKING:
    from pathlib import Path


def checked_in() -> str:
    return resources.files("blocks.bundling").joinpath("lock.toml").read_text(encoding="utf-8")


def test_the_checked_in_lock_is_as_the_command_writes_it() -> None:
    assert relock.render(lock.groups()) == checked_in()


def test_fails_for_a_project_that_is_not_locked() -> None:
    with pytest.raises(BundlingError, match="not in the lock: asyncpg"):
        relock.relock({"asyncpg": "0.30.0"})


def test_fails_for_a_version_without_wheels(index: Path) -> None:
    with pytest.raises(
        BundlingError, match=r"no wheel of psycopg 9\.9\.9 for Python 3\.11 on x86_64"
    ) as refused:
        relock.relock({"psycopg": "9.9.9"})
    assert refused.value.why == "pip said: No matching distribution found for psycopg==9.9.9"


def test_fails_for_an_invalid_release(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        __main__.main(["lock", "psycopg"])
    assert "'psycopg' is not PROJECT==VERSION, such as psycopg==3.3.9" in capsys.readouterr().err


@pytest.mark.slow
def test_locking_again_gives_the_same_lock(
    index: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with monkeypatch.context() as usual_cache:
        usual_cache.delenv("BLOCKS_CACHE_DIR")
        for target in every_target():
            for group in lock.groups():
                for path in wheelhouse.fetch(lock.wheels(group, target), target):
                    shutil.copy(path, index)
    assert __main__.main(["lock", "simplejson==4.3.0"]) == 0
    assert capsys.readouterr().out == checked_in()
