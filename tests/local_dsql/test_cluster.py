"""The cluster from outside: connections that work as they are, Regions, reset, sharing, and its end."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

import local_dsql.cluster
from local_dsql import LocalCluster, LocalDatabaseError, Permission
from local_dsql.access import sign_token
from local_dsql.cluster import stop_server
from local_dsql.errors import ServerError, ServerMismatchError
from local_dsql.locks import FileLock
from tests.local_dsql.processes import processes_of, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

PROJECT = Path(__file__).parents[2]
ROLE = "arn:aws:iam::000000000000:role/app"


def value(dsn: str, query: str) -> object:
    with psycopg.connect(dsn, autocommit=True) as connection:
        row = connection.execute(query.encode()).fetchone()
    assert row is not None
    return row[0]


def run(dsn: str, *statements: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


# as it is


@pytest.mark.parametrize("region", ["us-east-1", "us-east-2", None])
def test_the_dsn_works_as_it_is(shared_cluster: LocalCluster, region: str | None) -> None:
    dsn = shared_cluster.dsn(region)
    assert "sslmode=verify-full" in dsn
    assert value(dsn, "SELECT current_user") == "admin"
    answer = subprocess.run(["psql", dsn, "-Atc", "select 6 * 7"], capture_output=True, text=True, check=True)
    assert answer.stdout == "42\n"


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
        password=sign_token(credentials, host=host, region=region, action="DbConnectAdmin"),
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
    token = sign_token(credentials, host=cluster.endpoint(), region=cluster.regions[0], action=action)
    return psycopg.conninfo.make_conninfo(cluster.dsn(), user=user, password=token)


def test_a_mapped_role_logs_in_and_no_other(shared_cluster: LocalCluster) -> None:
    run(shared_cluster.dsn(), "CREATE ROLE app WITH LOGIN", "CREATE ROLE other WITH LOGIN")
    run(shared_cluster.dsn(), f"AWS IAM GRANT app TO '{ROLE}'")
    assert value(role_dsn(shared_cluster, user="app"), "SELECT current_user") == "app"
    for user in ("other", "admin", "postgres", "nobody"):
        with pytest.raises(psycopg.OperationalError, match="access denied"):
            psycopg.connect(role_dsn(shared_cluster, user=user))
    with pytest.raises(psycopg.OperationalError, match="access denied"):
        psycopg.connect(role_dsn(shared_cluster, user="admin", action="DbConnectAdmin"))


def test_keys_stay_when_permissions_change(shared_cluster: LocalCluster) -> None:
    arn = "arn:aws:iam::000000000000:role/changing"
    first = shared_cluster.identity(arn, [Permission("dsql:DbConnect", "*")])
    assert shared_cluster.identity(arn, []) == first


def test_what_is_no_principal_is_refused(shared_cluster: LocalCluster) -> None:
    with pytest.raises(ValueError, match="not the ARN of an IAM role or user"):
        shared_cluster.identity("app", [])


# a cluster of one's own


@pytest.fixture(scope="session")
def stopped_cluster(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cluster that was started once: that is quicker than to make one for each test."""
    folder = tmp_path_factory.mktemp("own cluster")
    with LocalCluster(folder):
        return folder


@pytest.fixture
def folder(stopped_cluster: Path) -> Iterator[Path]:
    """A cluster that is not running, with whatever data; a process left running in it fails the test."""
    yield stopped_cluster
    wait_until(lambda: not processes_of(stopped_cluster), timeout=5)


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
    """Past the front, as nobody but the server may."""
    return psycopg.connect(host=str(folder / "run"), user="postgres", dbname="template1", autocommit=True)


def test_a_reset_database_has_the_privileges_of_the_first(folder: Path) -> None:
    query = "SELECT datdba, datacl FROM pg_database WHERE datname = 'postgres'"
    with LocalCluster(folder) as cluster, maintenance(folder) as postgres:
        first = postgres.execute(query).fetchone()
        for _ in range(3):
            cluster.reset()
            assert postgres.execute(query).fetchone() == first
            run(cluster.dsn(), "CREATE SCHEMA own", "CREATE TABLE own.t (id int PRIMARY KEY)")


def test_a_reset_cut_short_heals(folder: Path) -> None:
    with LocalCluster(folder) as cluster:
        cluster.reset()
        with maintenance(folder) as postgres:
            postgres.execute("DROP DATABASE postgres WITH (FORCE)")
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


def test_a_taken_port_moves(folder: Path) -> None:
    with LocalCluster(folder) as cluster:
        port = cluster.status.ports["us-east-1"]
    with socket.create_server(("127.0.0.1", port)), LocalCluster(folder) as cluster:
        assert cluster.status.ports["us-east-1"] != port
        assert value(cluster.dsn(), "SELECT 1") == 1
        assert f"port {port} is taken" in cluster.folder.server_log.read_text()


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


STARTER = """
import sys
from local_dsql import LocalCluster
with LocalCluster(sys.argv[1]) as cluster:
    print(cluster.status.pid, cluster.identifier, flush=True)
    sys.stdin.readline()
"""


def start_user(folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", STARTER, folder],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=PROJECT,
    )


def test_starters_at_the_same_moment_start_one_server(tmp_path: Path) -> None:
    folder = tmp_path / "new"
    users = [start_user(folder) for _ in range(3)]
    answers = {user.stdout.readline() for user in users if user.stdout}
    assert len(answers) == 1
    for user in users:
        user.communicate("\n")
    assert not processes_of(folder)


def test_a_killed_user_leaves_nothing_behind(folder: Path) -> None:
    with start_user(folder) as user:
        assert user.stdout is not None
        assert user.stdout.readline()
        user.kill()
    assert wait_until(lambda: not processes_of(folder)) < 2


@pytest.mark.parametrize(
    ("option", "value_", "message"),
    [("dialect", "2026-09", "another dialect"), ("commit_latency", 0.5, "another commit latency")],
)
def test_who_wants_it_otherwise_is_told(folder: Path, option: str, value_: object, message: str) -> None:
    with LocalCluster(folder) as cluster:
        other = LocalCluster(folder, **{option: value_})  # type: ignore[arg-type]
        with pytest.raises(ServerMismatchError, match=message) as refusal:
            other.start()
        assert str(cluster.status.pid) in refusal.value.why


def test_stop_server_stops_it_for_all(folder: Path) -> None:
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


# mishaps


def test_a_killed_server_heals(folder: Path) -> None:
    cluster = LocalCluster(folder).start()
    dsn = cluster.dsn()
    cluster.reset()
    run(dsn, "CREATE TABLE kept (id int PRIMARY KEY)", "INSERT INTO kept VALUES (1)")
    os.kill(cluster.status.pid, signal.SIGKILL)
    wait_until(lambda: not processes_of(folder))
    with pytest.raises(LocalDatabaseError, match="start it again"):
        cluster.reset()
    pid = cluster.start().status.pid
    assert cluster.start().status.pid == pid
    assert value(dsn, "SELECT count(*) FROM kept") == 1
    cluster.close()


def test_a_killed_postgresql_ends_the_server_with_its_reason(folder: Path) -> None:
    cluster = LocalCluster(folder).start()
    os.kill(int((folder / "data" / "postmaster.pid").read_text().splitlines()[0]), signal.SIGKILL)
    wait_until(lambda: not processes_of(folder))
    with pytest.raises(ServerError) as failure:
        cluster.reset()
    assert "SIGKILL" in failure.value.why
    cluster.close()
    with LocalCluster(folder) as again:
        assert value(again.dsn(), "SELECT 1") == 1


def test_a_start_cut_short_is_repeated(tmp_path: Path) -> None:
    folder = tmp_path / "new"
    with start_user(folder) as user:
        wait_until((folder / "data").exists)
        time.sleep(0.1)
        for process in processes_of(folder):
            os.kill(process.pid, signal.SIGKILL)
        user.wait()
    with LocalCluster(folder) as cluster:
        assert value(cluster.dsn(), "SELECT 1") == 1


def test_an_ordinary_user_needs_nothing_of_roots(folder: Path) -> None:
    """In a user namespace, where this user is number 1000 and has no power."""
    command = [sys.executable, "-c", "import os; assert os.geteuid() == 1000\n" + STARTER, str(folder)]
    become = ["unshare", "--user", "--map-user=1000", "--map-group=1000"]
    if os.geteuid() != 0 or subprocess.run([*become, "true"], check=False).returncode:
        pytest.skip("this is an ordinary user already, or user namespaces are forbidden here")
    answer = subprocess.run(
        [*become, *command], input="\n", capture_output=True, text=True, cwd=PROJECT, check=False
    )
    assert answer.returncode == 0, answer.stderr
    assert not processes_of(folder)


def test_a_server_that_hangs_is_told_of(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_dsql.cluster, "END_PATIENCE", 0.1)
    hanging = FileLock(folder / "users.lock")
    hanging.wait_exclusive(1)
    with pytest.raises(ServerMismatchError, match="does not answer") as refusal:
        LocalCluster(folder).start()
    hanging.release()
    assert "fuser" in refusal.value.remedy


def test_a_long_path_has_its_sockets_elsewhere(tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 30)
    with LocalCluster(folder) as cluster:
        assert value(cluster.dsn(), "SELECT 1") == 1
        elsewhere = cluster.folder.sockets.readlink()
        assert elsewhere.stat().st_mode & 0o777 == 0o700
        os.kill(cluster.status.pid, signal.SIGKILL)
        wait_until(lambda: not processes_of(folder))
    with LocalCluster(folder):
        assert not elsewhere.exists()
        elsewhere = folder.joinpath("run").readlink()
    assert not elsewhere.exists()


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        ("identities.json", "cannot read the local identities"),
        ("cluster.json", "cannot read the record"),
        ("built.json", "built by another version"),
    ],
)
def test_a_spoilt_file_is_a_clear_error(folder: Path, harm: str, message: str) -> None:
    sound = (folder / harm).read_text()
    (folder / harm).write_text('{"format": 1, "catalog": "older", "roles": []}')
    with pytest.raises(LocalDatabaseError, match=message) as failure:
        LocalCluster(folder).start()
    assert "remove the f" in failure.value.remedy
    (folder / harm).write_text(sound)
    with LocalCluster(folder) as cluster:
        assert value(cluster.dsn(), "SELECT 1") == 1


def test_a_file_in_the_way_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LocalDatabaseError, match="cannot use the folder") as failure:
        LocalCluster(tmp_path / "file" / "cluster").start()
    assert "--path" in failure.value.remedy


@pytest.mark.parametrize("arguments", [{"dialect": "2020"}, {"regions": ["nowhere"]}])
def test_unknown_names_are_refused(folder: Path, arguments: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"2020|nowhere"):
        LocalCluster(folder, **arguments).start()  # type: ignore[arg-type]


def test_not_started_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(ServerError, match="not started"):
        LocalCluster(tmp_path).dsn()


def test_nothing_in_the_folder_is_open_to_others(shared_cluster: LocalCluster) -> None:
    assert shared_cluster.folder.path.stat().st_mode & 0o077 == 0
    token = shared_cluster.dsn().partition("@")[0].partition("admin:")[2]
    secret = shared_cluster.admin_credentials.secret_access_key
    logs = shared_cluster.folder.server_log.read_text() + shared_cluster.folder.postgres_log.read_text()
    assert token not in logs
    assert secret not in logs
    assert secret not in repr(shared_cluster.status)
