"""The kept copy of a new data directory: used if it is whole and this user's alone, made again if not."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from blocks_settings.cache_folder import VARIABLE
from local_dsql.postgres import DataDirectory, choose_account, find_binaries
from local_dsql.postgres.kept_directory import KeptDirectory

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.local_dsql.postgres.conftest import Bench


@pytest.fixture
def kept(tmp_path: Path, initialised: DataDirectory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the kept directory in a cache folder of its own."""
    monkeypatch.setenv(VARIABLE, str(tmp_path / "cache"))
    KeptDirectory(find_binaries()).keep(initialised.path)
    (folder,) = (tmp_path / "cache").iterdir()
    return folder


def test_postgres_runs_on_a_copy(bench: Bench, kept: Path) -> None:
    system_catalog = kept / "data" / "global" / "pg_control"
    before = system_catalog.read_bytes()
    bench.data.create(bench.binaries, bench.account)
    bench.start().wait_until_ready()
    assert system_catalog.read_bytes() == before


def _cut_off(kept: Path) -> None:
    (kept / "data" / "PG_VERSION").write_text("")


def _incomplete(kept: Path) -> None:
    (kept / "data" / "postgresql.conf").unlink()


def _writable_by_others(kept: Path) -> None:
    kept.chmod(0o777)


def _unknown_size(kept: Path) -> None:
    (kept / "size.json").write_text("{")


def _no_data(kept: Path) -> None:
    shutil.rmtree(kept / "data")


def _absent(kept: Path) -> None:
    shutil.rmtree(kept)


@pytest.mark.parametrize(
    "damage", [_cut_off, _incomplete, _writable_by_others, _unknown_size, _no_data, _absent]
)
def test_a_damaged_copy_is_not_used(tmp_path: Path, kept: Path, damage: Callable[[Path], None]) -> None:
    damage(kept)
    target = tmp_path / "target"
    assert not KeptDirectory(find_binaries()).copy_to(target)
    assert not target.exists()


def test_a_damaged_copy_is_replaced(tmp_path: Path, kept: Path) -> None:
    _cut_off(kept)
    DataDirectory(tmp_path / "first").create(find_binaries(), choose_account())
    assert KeptDirectory(find_binaries()).copy_to(tmp_path / "second")
    assert [path.name for path in kept.parent.iterdir()] == [kept.name]


def test_a_cache_folder_that_cannot_be_used_is_no_error(
    tmp_path: Path, initialised: DataDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(VARIABLE, str(tmp_path / "file" / "below"))
    kept = KeptDirectory(find_binaries())
    kept.keep(initialised.path)
    assert not kept.copy_to(tmp_path / "target")
