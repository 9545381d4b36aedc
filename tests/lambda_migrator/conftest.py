"""A local cluster for the session, emptied for each test, and a deployment of migrations on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import psycopg
import pytest

from blocks_runtime.contract import ADMIN_ROLE, Variables
from blocks_runtime.database.target import Target
from blocks_runtime.signing import Credentials
from custom_resource.deadline import Deadline
from dsql_dialect.migrations import compile_folder
from lambda_migrator import handler, invocation
from lambda_migrator.admin import AdminConnection
from lambda_migrator.manifest import read
from lambda_migrator.migrate import Outcome, migrate
from local_dsql import LocalCluster
from tests.support.ledger_rules import exactly

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from lambda_migrator.grants import Grant
    from migration_manifest import Manifest


@dataclass(frozen=True)
class Deployment:
    """A cluster and a folder of migrations, deployed as often as a test likes."""

    cluster: LocalCluster
    folder: Path

    def write(self, files: Mapping[str, str]) -> None:
        """Put migrations into the folder, by name without `.sql`."""
        for name, text in files.items():
            (self.folder / f"{name}.sql").write_text(text)

    def manifest(self) -> Manifest:
        """Compile the folder as a synth does."""
        return read(compile_folder(self.folder).document())

    def variables(self) -> Variables:
        """Return where the cluster is, for `admin`, as the migration function's environment tells."""
        region = self.cluster.regions[0]
        return Variables(self.cluster.endpoint(), region, ADMIN_ROLE, str(self.cluster.ca_file))

    def target(self) -> Target:
        """Return where the cluster is, for `admin`."""
        return Target.of(self.variables())

    def admin(self, seconds: float = 60.0) -> AdminConnection:
        """Return a connection of the migrator with `seconds` to its deadline."""
        own = self.cluster.admin_credentials
        keys = Credentials(own.access_key_id, own.secret_access_key, own.session_token)
        return AdminConnection(self.target(), lambda: keys, Deadline.after(seconds))

    def migrate(self, grants: Sequence[Grant] = (), holder: str = "test", seconds: float = 60.0) -> Outcome:
        """Deploy once."""
        with self.admin(seconds).open() as admin:
            return migrate(admin, self.manifest(), database="main", holder=holder, rule=exactly(grants))

    def rows(self, query: str) -> list[tuple[object, ...]]:
        """Return the rows of a query by `admin`, over a connection that the migrator has no part in."""
        with psycopg.connect(self.cluster.dsn(), autocommit=True) as connection:
            return connection.execute(query).fetchall()

    def run(self, *statements: str) -> None:
        """Execute statements as `admin`, each its own transaction."""
        with psycopg.connect(self.cluster.dsn(), autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement)

    def journal(self) -> list[tuple[object, ...]]:
        """Return what the journal says: name, statements done, state, rows changed."""
        return self.rows("SELECT name, statement, state, rows_changed FROM _migrations ORDER BY version")


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCluster]:
    with LocalCluster(tmp_path_factory.mktemp("migrator") / "cluster") as started:
        yield started


@pytest.fixture
def deployment(cluster: LocalCluster, tmp_path: Path) -> Deployment:
    cluster.reset()
    cluster.delay_jobs(0)
    folder = tmp_path / "migrations"
    folder.mkdir()
    return Deployment(cluster, folder)


@pytest.fixture
def environment(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the process what the migration function's environment and code hold."""
    own = deployment.cluster.admin_credentials
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", own.access_key_id)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", own.secret_access_key)
    monkeypatch.setenv("AWS_SESSION_TOKEN", own.session_token or "")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    for name, value in deployment.variables().environment("main").items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(handler, "MANIFEST", deployment.folder / "manifest.json")
    monkeypatch.setattr(AdminConnection.__init__, "__defaults__", (0.0, 5.0, 0.0))
    monkeypatch.setattr(invocation, "NAME_PATIENCE", 0.0)
