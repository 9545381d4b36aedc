"""A local cluster for the session, and a database of it as a function with `grant_connect` has it."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg.errors import SerializationFailure

from blocks_runtime import DistributedDatabase
from blocks_runtime.contract import Variables
from local_dsql import LocalCluster, Permission
from tests.support.relay import Relay, relay

if TYPE_CHECKING:
    from collections.abc import Iterator

ROLE = "app"
ARN = "arn:aws:iam::123456789012:role/app"


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCluster]:
    """A cluster with one database role, which the app's IAM role may use."""
    with with_role(LocalCluster(tmp_path_factory.mktemp("runtime") / "cluster")) as started:
        yield started


@contextmanager
def with_role(cluster: LocalCluster) -> Iterator[LocalCluster]:
    """Start a cluster and make the database role and the table that tests share."""
    with cluster as started:
        with psycopg.connect(started.dsn(), autocommit=True) as admin:
            admin.execute(f"CREATE ROLE {ROLE} WITH LOGIN")
            admin.execute(f"AWS IAM GRANT {ROLE} TO '{ARN}'")
            admin.execute("CREATE TABLE items (id int PRIMARY KEY, n int NOT NULL CHECK (n >= 0))")
            admin.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON items TO {ROLE}")
        yield started


def function_environment(cluster: LocalCluster) -> dict[str, str]:
    """Return the environment of the app's function, as the stack and Lambda set it."""
    keys = cluster.identity(ARN, [Permission("dsql:DbConnect", cluster.arn())])
    variables = Variables(cluster.endpoint(), cluster.regions[0], ROLE, str(cluster.ca_file))
    return variables.environment("main") | {
        "AWS_ACCESS_KEY_ID": keys.access_key_id,
        "AWS_SECRET_ACCESS_KEY": keys.secret_access_key,
        "AWS_SESSION_TOKEN": keys.session_token or "",
        "AWS_LAMBDA_FUNCTION_NAME": "app",
    }


@pytest.fixture
def function(cluster: LocalCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give this process the environment of the app's function, and the table its two rows."""
    for name, value in function_environment(cluster).items():
        monkeypatch.setenv(name, value)
    with psycopg.connect(cluster.dsn(), autocommit=True) as admin:
        while not _has_two_rows(admin):
            pass  # a session that the test before has cut committed meanwhile


def _has_two_rows(admin: psycopg.Connection[tuple[object, ...]]) -> bool:
    """Give the table its two rows, and return False if another transaction committed a change of it meanwhile."""
    try:
        admin.execute("DELETE FROM items")
        admin.execute("INSERT INTO items VALUES (1, 100), (2, 100)")
    except SerializationFailure:
        return False
    return True


@pytest.fixture
def db(function: None) -> Iterator[DistributedDatabase]:
    """The app's database."""
    with DistributedDatabase("main") as database:
        yield database


@pytest.fixture
def direct(function: None) -> Iterator[DistributedDatabase]:
    """The app's database, connected before a relay may stand in between."""
    with DistributedDatabase("main") as database:
        database.warm_up()
        yield database


@pytest.fixture
def wire(function: None, cluster: LocalCluster, monkeypatch: pytest.MonkeyPatch) -> Iterator[Relay]:
    """A relay that the app's database is reached through."""
    with relay(cluster.endpoint()) as made:
        monkeypatch.setenv("BLOCKS_MAIN_ENDPOINT", f"localhost:{made.port}")
        yield made
