"""A data directory that is created once and copied for each test that damages it."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from local_dsql.postgres import (
    Account,
    Binaries,
    DataDirectory,
    Postgres,
    choose_account,
    find_binaries,
)

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass
class Bench:
    """Starts PostgreSQL servers on a data directory, and stops them at the end."""

    folder: Path
    binaries: Binaries
    account: Account
    data: DataDirectory
    started: list[Postgres]

    @property
    def log(self) -> Path:
        return self.folder / "log"

    def start(self, *, death_signal: bool = True) -> Postgres:
        sockets = self.folder / "run"
        sockets.mkdir(mode=0o700, exist_ok=True)
        self.account.own(sockets)
        postgres = Postgres.start(
            self.binaries,
            self.data,
            sockets=sockets,
            log=self.log,
            account=self.account,
            death_signal=death_signal,
        )
        self.started.append(postgres)
        return postgres


@pytest.fixture(scope="session")
def initialised(tmp_path_factory: pytest.TempPathFactory) -> DataDirectory:
    data = DataDirectory(tmp_path_factory.mktemp("initialised") / "data")
    data.initialise(find_binaries(), choose_account())
    return data


@pytest.fixture
def bench(tmp_path: Path, initialised: DataDirectory) -> Iterator[Bench]:
    folder = tmp_path / "with a space"
    folder.mkdir()
    data = DataDirectory(folder / "data")
    shutil.copytree(initialised.path, data.path)
    data.path.chmod(0o700)
    bench = Bench(folder, find_binaries(), choose_account(), data, [])
    yield bench
    for postgres in bench.started:
        postgres.stop()


@pytest.fixture
def reachable_folder() -> Iterator[Path]:
    """A folder whose parents are accessible to all users."""
    folder = Path(f"/tmp/local-dsql-test-{os.getpid()}")
    folder.mkdir(mode=0o755)
    yield folder
    shutil.rmtree(folder)
