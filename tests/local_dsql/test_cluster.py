"""LocalCluster: connections, Regions, reset, sharing, end of the server."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import threading
from typing import TYPE_CHECKING

import psycopg
import pytest

from blocks_runtime import signing
from local_dsql import LocalCluster, Permission
from local_dsql.cluster import stop_server
from local_dsql.errors import ServerError, ServerMismatchError
from tests.support.processes import processes_of, start_cluster_user, wait_until
from tests.support.programs import needs_psql
from tests.support.queries import run, value

if TYPE_CHECKING:
    from pathlib import Path

ROLE = "arn:aws:iam::000000000000:role/app"


# as it is


@needs_psql
@pytest.mark.parametrize("region", ["us-east-1", "us-east-2", None])
def test_the_dsn_works_as_it_is(shared_cluster: LocalCluster, region: str | None) -> None:
    dsn = shared_cluster.dsn(region)
    assert "sslmode=verify-full" in dsn
    assert value(dsn, "SELECT current_user") == "admin"
    answer = subprocess.run(["psql", dsn, "-Atc", "select 6 * 7"], capture_output=True, text=True, check=True)
    assert answer.stdout == "42\n"


@needs_psql
def test_libpq_environment_is_the_same(shared_cluster: LocalCluster) -> None:
    environment = os.environ | shared_cluster.libpq_environment()
    answer = subprocess.run(
        ["psql", "-Atc", "select current_user"], env=environment, capture_output=True, text=True, check=True
    )
    assert answer.stdout == "admin\n"


@pytest.mark.parametrize("negotiation", ["postgres", "direct"])
def test_the_name_at_aws_verifies(shared_cluster: LocalCluster, negotiation: str) -> None:
    region = "us-east-2"
    host = f"{shared_cluster.identifier}.dsql.{region}.on.aws"
    credentials = shared_cluster.admin_credentials
    with psycopg.connect(
        host=host,
        hostaddr="127.0.0.1",
        port=shared_cluster.endpoint(region).rpartition(":")[2],
        user="admin",
        dbname="postgres",
        password=signing.token(host, region, "admin", credentials),
        sslmode="verify-full",
        sslnegotiation=negotiation,
        sslrootcert=str(shared_cluster.ca_file),
    ) as connection:
        assert connection.pgconn.ssl_in_use


def test_names(shared_cluster: LocalCluster) -> None:
    assert re.fullmatch(r"[a-z2-7]{26}", shared_cluster.identifier)
    assert shared_cluster.regions == ("us-east-1", "us-east-2")
    assert shared_cluster.arn("us-east-2") == (
        f"arn:aws:dsql:us-east-2:000000000000:cluster/{shared_cluster.identifier}"
    )
    assert re.fullmatch(r"localhost:\d+", shared_cluster.endpoint())
    assert shared_cluster.endpoint("us-east-1") != shared_cluster.endpoint("us-east-2")


def test_regions_are_one_database(shared_cluster: LocalCluster) -> None:
    run(shared_cluster.dsn("us-east-1"), "CREATE TABLE everywhere (id int PRIMARY KEY)")
    run(shared_cluster.dsn("us-east-2"), "INSERT INTO everywhere VALUES (7)")
    assert value(shared_cluster.dsn("us-east-1"), "SELECT id FROM everywhere") == 7


# identities


def role_dsn(cluster: LocalCluster, *, user: str, action: str = "DbConnect") -> str:
    credentials = cluster.identity(ROLE, [Permission("dsql:DbConnect", cluster.arn())])
    role = "admin" if action == "DbConnectAdmin" else "app"
    token = signing.token("localhost", cluster.regions[0], role, credentials)
    return psycopg.conninfo.make_conninfo(cluster.dsn(), user=user, password=token)


def test_only_a_mapped_role_logs_in(shared_cluster: LocalCluster) -> None:
    run(shared_cluster.dsn(), "CREATE ROLE app WITH LOGIN", "CREATE ROLE other WITH LOGIN")
    run(shared_cluster.dsn(), f"AWS IAM GRANT app TO '{ROLE}'")
    assert value(role_dsn(shared_cluster, user="app"), "SELECT current_user") == "app"
    for user in ("other", "admin", "postgres", "unknown"):
        with pytest.raises(psycopg.OperationalError, match="access denied"):
            psycopg.connect(role_dsn(shared_cluster, user=user))
    with pytest.raises(psycopg.OperationalError, match="access denied"):
        psycopg.connect(role_dsn(shared_cluster, user="admin", action="DbConnectAdmin"))


def test_keys_stay_when_permissions_change(shared_cluster: LocalCluster) -> None:
    arn = "arn:aws:iam::000000000000:role/changing"
    first = shared_cluster.identity(arn, [Permission("dsql:DbConnect", "*")])
    assert shared_cluster.identity(arn, []) == first


def test_an_arn_of_no_role_or_user_is_refused(shared_cluster: LocalCluster) -> None:
    with pytest.raises(ValueError, match="not the ARN of an IAM role or user"):
        shared_cluster.identity("app", [])


# a cluster of one's own


def test_reset_empties_everything_but_the_keys(folder: Path) -> None:
    with LocalCluster(folder, regions=["us-east-1", "us-east-2"]) as cluster:
        dsns = [cluster.dsn(region) for region in cluster.regions]
        cluster.reset()
        run(dsns[0], "CREATE TABLE t (id int PRIMARY KEY)", 'CREATE ROLE "a ""b" WITH LOGIN')
        cluster.reset()
        assert value(dsns[0], "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == 0
        assert (
            value(dsns[1], "SELECT count(*) FROM pg_roles WHERE rolname LIKE 'a%' AND rolname <> 'admin'")
            == 0
        )
        run(dsns[1], "CREATE TABLE t (id int PRIMARY KEY)", 'CREATE ROLE "a ""b" WITH LOGIN')


def maintenance(folder: Path) -> psycopg.Connection:
    """Connect to PostgreSQL directly, without the proxy."""
    return psycopg.connect(host=str(folder / "run"), user="postgres", dbname="template1", autocommit=True)


def test_a_reset_leaves_its_ports_to_no_other_program(folder: Path) -> None:
    with LocalCluster(folder, regions=("us-east-1", "us-east-2")) as cluster:
        cluster.stop_region("us-east-2")
        port = int(cluster.endpoint("us-east-1").rpartition(":")[2])
        taken, over = threading.Event(), threading.Event()

        def take() -> None:
            while not over.is_set():
                with socket.socket() as other:
                    other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    with contextlib.suppress(OSError):
                        other.bind(("127.0.0.1", port))
                        taken.set()

        thread = threading.Thread(target=take)
        thread.start()
        try:
            for _ in range(3):
                cluster.reset()
        finally:
            over.set()
            thread.join()
        assert not taken.is_set()
        assert value(cluster.dsn("us-east-1"), "SELECT 1") == 1
        cluster.start_region("us-east-2")
        assert value(cluster.dsn("us-east-2"), "SELECT 1") == 1


def test_a_reset_database_has_the_privileges_of_the_first(folder: Path) -> None:
    query = "SELECT datdba, datacl FROM pg_database WHERE datname = 'postgres'"
    with LocalCluster(folder) as cluster, maintenance(folder) as postgres:
        first = postgres.execute(query).fetchone()
        for _ in range(3):
            cluster.reset()
            assert postgres.execute(query).fetchone() == first
            run(cluster.dsn(), "CREATE SCHEMA own", "CREATE TABLE own.t (id int PRIMARY KEY)")


@pytest.mark.parametrize(
    "harm",
    [
        "DROP DATABASE postgres WITH (FORCE)",
        # states that PostgreSQL leaves if it is killed during DROP DATABASE
        "UPDATE pg_database SET datconnlimit = -2 WHERE datname = 'postgres'",
    ],
    ids=["after the drop", "within the drop"],
)
def test_an_interrupted_reset_is_repaired(folder: Path, harm: str) -> None:
    with LocalCluster(folder) as cluster:
        cluster.reset()
        with maintenance(folder) as postgres:
            postgres.execute(harm.encode())
        os.kill(cluster.status.pid, signal.SIGKILL)
        wait_until(lambda: not processes_of(folder))
    with LocalCluster(folder) as cluster:
        assert value(cluster.dsn(), "SELECT 1") == 1


def test_data_keys_and_ports_persist(folder: Path) -> None:
    with LocalCluster(folder) as cluster:
        before = cluster.status
        dsn = cluster.dsn()
        cluster.reset()
        run(dsn, "CREATE TABLE kept (id int PRIMARY KEY)", "INSERT INTO kept VALUES (1)")
    assert not processes_of(folder)
    with LocalCluster(folder) as cluster:
        after = cluster.status
        assert (after.identifier, after.ports, after.admin) == (before.identifier, before.ports, before.admin)
        assert after.pid != before.pid
        assert value(dsn, "SELECT count(*) FROM kept") == 1


def test_an_endpoint_moves_if_its_port_is_in_use(folder: Path) -> None:
    with LocalCluster(folder) as cluster:
        port = cluster.status.ports["us-east-1"]
    with socket.create_server(("127.0.0.1", port)), LocalCluster(folder) as cluster:
        assert cluster.status.ports["us-east-1"] != port
        assert value(cluster.dsn(), "SELECT 1") == 1
        assert f"port {port} is in use" in cluster.folder.server_log.read_text()


def test_a_stopped_region_refuses_until_started(folder: Path) -> None:
    with LocalCluster(folder, regions=["us-east-1", "us-east-2"]) as cluster:
        with psycopg.connect(cluster.dsn("us-east-2"), autocommit=True) as connection:
            cluster.stop_region("us-east-2")
            with pytest.raises(psycopg.OperationalError):
                connection.execute("SELECT 1")
        with pytest.raises(psycopg.OperationalError, match="refused"):
            psycopg.connect(cluster.dsn("us-east-2"))
        cluster.reset()
        with pytest.raises(psycopg.OperationalError, match="refused"):
            psycopg.connect(cluster.dsn("us-east-2"))
        assert value(cluster.dsn("us-east-1"), "SELECT 1") == 1
        cluster.start_region("us-east-2")
        assert value(cluster.dsn("us-east-2"), "SELECT 1") == 1
        with pytest.raises(ValueError, match="eu-west-1 is not a Region of this cluster"):
            cluster.stop_region("eu-west-1")


# sharing


def test_two_users_share_one_server(folder: Path) -> None:
    first = LocalCluster(folder, regions=["us-east-1"]).start()
    second = LocalCluster(folder, regions=["eu-west-1", "us-east-1"]).start()
    assert second.status.pid == first.status.pid
    assert value(second.dsn("eu-west-1"), "SELECT 1") == 1
    first.close()
    assert value(second.dsn("us-east-1"), "SELECT 1") == 1
    second.close()
    assert not processes_of(folder)


def test_starters_at_the_same_moment_start_one_server(tmp_path: Path) -> None:
    folder = tmp_path / "new"
    users = [start_cluster_user(folder) for _ in range(3)]
    answers = {user.stdout.readline() for user in users if user.stdout}
    assert len(answers) == 1
    for user in users:
        user.communicate("\n")
    assert not processes_of(folder)


def test_a_killed_user_leaves_nothing_behind(folder: Path) -> None:
    with start_cluster_user(folder) as user:
        assert user.stdout is not None
        assert user.stdout.readline()
        user.kill()
    assert wait_until(lambda: not processes_of(folder)) < 2


@pytest.mark.parametrize(
    ("option", "value_", "message"),
    [("dialect", "2026-09", "another dialect"), ("commit_latency", 0.5, "another commit latency")],
)
def test_other_options_than_those_of_the_server_are_an_error(
    folder: Path, option: str, value_: object, message: str
) -> None:
    with LocalCluster(folder) as cluster:
        other = LocalCluster(folder, **{option: value_})  # type: ignore[arg-type]
        with pytest.raises(ServerMismatchError, match=message) as refusal:
            other.start()
        assert str(cluster.status.pid) in refusal.value.why


def test_stop_server_stops_it_for_all_users(folder: Path) -> None:
    with LocalCluster(folder) as cluster:
        assert stop_server(folder)
        assert not processes_of(folder)
        with pytest.raises(ServerError, match="start it again"):
            cluster.reset()
    assert not stop_server(folder)


def test_a_pinned_server_outlives_its_users(folder: Path) -> None:
    with LocalCluster(folder) as cluster:
        cluster.pin()
        dsn = cluster.dsn()
    assert value(dsn, "SELECT 1") == 1
    assert stop_server(folder)


def test_files_in_the_folder_are_private(shared_cluster: LocalCluster) -> None:
    assert shared_cluster.folder.path.stat().st_mode & 0o077 == 0
    token = shared_cluster.dsn().partition("@")[0].partition("admin:")[2]
    secret = shared_cluster.admin_credentials.secret_access_key
    logs = shared_cluster.folder.server_log.read_text() + shared_cluster.folder.postgres_log.read_text()
    assert token not in logs
    assert secret not in logs
    assert secret not in repr(shared_cluster.status)
