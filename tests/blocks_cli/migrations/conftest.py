"""A project with a local database that is reset for each test, and `blocks` run in it."""

from __future__ import annotations

import contextlib
import io
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psycopg
import pytest

from blocks_cli.main import main
from local_dsql import LocalCluster

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

BANK = {
    "001_accounts": "CREATE TABLE accounts (id int PRIMARY KEY, owner text, balance bigint NOT NULL);",
    "002_rows": "INSERT INTO accounts SELECT n, 'owner ' || n, 100 FROM generate_series(1, 10) AS n;",
    "003_index": "CREATE INDEX ASYNC accounts_owner ON accounts (owner);",
}


@dataclass(frozen=True)
class Result:
    """Output and exit code of a command; `text` has both streams in order."""

    code: int
    out: str
    err: str
    text: str


class _Tee(io.StringIO):
    """A stream that also writes to another one."""

    def __init__(self, both: io.StringIO) -> None:
        super().__init__()
        self._both = both

    def write(self, text: str) -> int:
        self._both.write(text)
        return super().write(text)


@dataclass(frozen=True)
class Project:
    """A project folder: its migrations, its local database, and `blocks` run in it."""

    folder: Path
    cluster: LocalCluster
    monkeypatch: pytest.MonkeyPatch

    @property
    def migrations(self) -> Path:
        return self.folder / "migrations"

    def write(self, files: Mapping[str, str | bytes]) -> None:
        """Write migrations, by name without `.sql`."""
        self.migrations.mkdir(exist_ok=True)
        for name, text in files.items():
            data = text if isinstance(text, bytes) else text.encode()
            (self.migrations / f"{name}.sql").write_bytes(data)

    def blocks(self, *arguments: str) -> Result:
        """Run a `blocks` command in the project."""
        both = io.StringIO()
        out, err = _Tee(both), _Tee(both)
        with self.monkeypatch.context() as patch, pytest.raises(SystemExit) as ended:
            patch.setattr(sys, "stdout", out)
            patch.setattr(sys, "stderr", err)
            main([*arguments])
        assert isinstance(ended.value.code, int)
        return Result(ended.value.code, out.getvalue(), err.getvalue(), both.getvalue())

    def run(self, *statements: str) -> None:
        """Execute statements as `admin` in autocommit mode, with retries after OC001."""
        with psycopg.connect(self.cluster.dsn(), autocommit=True) as connection:
            for statement in statements:
                while True:
                    with contextlib.suppress(psycopg.errors.SerializationFailure):
                        connection.execute(statement)
                        break

    def rows(self, query: str) -> list[tuple[object, ...]]:
        """Return the rows of a query as `admin`."""
        with psycopg.connect(self.cluster.dsn(), autocommit=True) as connection:
            return connection.execute(query).fetchall()

    def journal(self) -> list[tuple[object, ...]]:
        """Return name, number of completed statements, and state of each journal row."""
        return self.rows("SELECT name, statement, state FROM _migrations ORDER BY version")


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, LocalCluster]]:
    """The project and its database, in the newest dialect, which includes the portable one."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "cdk.json").write_text("{}")
    with LocalCluster(folder / ".blocks" / "local" / "main", dialect="2026-09") as cluster:
        yield folder, cluster


@pytest.fixture
def project(running: tuple[Path, LocalCluster], monkeypatch: pytest.MonkeyPatch) -> Project:
    folder, cluster = running
    cluster.reset()
    for file in (folder / "migrations").glob("*"):
        file.unlink()
    (folder / "migrations").mkdir(exist_ok=True)
    monkeypatch.chdir(folder)
    for name in ("BLOCKS_MIGRATIONS", "BLOCKS_DIALECT", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    return Project(folder, cluster, monkeypatch)


@pytest.fixture
def cluster_keys(project: Project, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Make the local database reachable like a remote cluster; return the options for it."""
    own = project.cluster.admin_credentials
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", own.access_key_id)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", own.secret_access_key)
    monkeypatch.setenv("AWS_SESSION_TOKEN", own.session_token or "")
    monkeypatch.setenv("BLOCKS_MAIN_CA", str(project.cluster.ca_file))
    return ["--endpoint", project.cluster.endpoint(), "--region", project.cluster.regions[0]]
