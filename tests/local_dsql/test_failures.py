"""Failures around a cluster: repair, or an error with cause and remedy."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import psycopg
import pytest

import local_dsql.client.server_handle
from local_dsql import LocalCluster, LocalDatabaseError
from local_dsql.errors import ServerError, ServerMismatchError
from local_dsql.storage.locks import FileLock
from tests.support.processes import PROJECT, USER_PROGRAM, processes_of, start_cluster_user, wait_until
from tests.support.queries import run, value

if TYPE_CHECKING:
    from pathlib import Path


def test_a_killed_server_is_repaired(folder: Path) -> None:
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


def test_clients_of_a_killed_postgresql_get_an_error(folder: Path) -> None:
    with LocalCluster(folder) as cluster, psycopg.connect(cluster.dsn()) as connection:
        connection.execute("SELECT 1")
        os.kill(int((folder / "data" / "postmaster.pid").read_text().splitlines()[0]), signal.SIGKILL)
        with pytest.raises(
            psycopg.errors.AdminShutdown, match=r"database stopped|unexpected postmaster exit"
        ):
            for _ in range(1000):
                connection.execute("SELECT pg_sleep(0.01)")
        assert connection.broken
        wait_until(lambda: not processes_of(folder))
        cluster.start()
        assert value(cluster.dsn(), "SELECT 1") == 1


def test_leftovers_of_a_machine_crash_are_repaired(folder: Path) -> None:
    """Files of a server that no longer exists: its pid is reused by another process, its socket is unused."""
    (folder / "server.json").write_text(
        json.dumps({"pid": os.getpid(), "control": str(folder / "nowhere.sock")})
    )
    (folder / "data" / "postmaster.pid").write_text(f"{os.getppid()}\n{folder / 'data'}\n")
    for lock in ("server.lock", "start.lock", "users.lock"):
        (folder / lock).touch()
    with LocalCluster(folder) as cluster:
        assert value(cluster.dsn(), "SELECT 1") == 1


@pytest.mark.slow
def test_an_interrupted_start_is_repeated(tmp_path: Path) -> None:
    folder = tmp_path / "new"
    with start_cluster_user(folder) as user:
        wait_until((folder / "data").exists)
        time.sleep(0.1)
        for process in processes_of(folder):
            with contextlib.suppress(ProcessLookupError):  # the process has just ended
                os.kill(process.pid, signal.SIGKILL)
        user.wait()
    with LocalCluster(folder) as cluster:
        assert value(cluster.dsn(), "SELECT 1") == 1


def test_an_ordinary_user_can_run_a_cluster(folder: Path) -> None:
    """In a user namespace in which this user has the id 1000 and no privileges."""
    command = [sys.executable, "-c", "import os; assert os.geteuid() == 1000\n" + USER_PROGRAM, str(folder)]
    become = ["unshare", "--user", "--map-user=1000", "--map-group=1000"]
    if os.geteuid() != 0 or subprocess.run([*become, "true"], check=False).returncode:
        pytest.skip("this is an ordinary user already, or user namespaces are forbidden here")
    answer = subprocess.run(
        [*become, *command], input="\n", capture_output=True, text=True, cwd=PROJECT, check=False
    )
    assert answer.returncode == 0, answer.stderr
    assert not processes_of(folder)


def test_a_hanging_server_is_an_error(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_dsql.client.server_handle, "STOP_TIMEOUT", 0.1)
    hanging = FileLock(folder / "users.lock")
    hanging.lock_exclusive(1)
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
def test_a_damaged_file_is_a_clear_error(folder: Path, harm: str, message: str) -> None:
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
    assert "choose another folder" in failure.value.remedy


@pytest.mark.parametrize("arguments", [{"dialect": "2020"}, {"regions": ["nowhere"]}])
def test_unknown_names_are_refused(folder: Path, arguments: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"2020|nowhere"):
        LocalCluster(folder, **arguments).start()  # type: ignore[arg-type]


def test_not_started_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(ServerError, match="not started"):
        LocalCluster(tmp_path).dsn()


# disks

FULL = """
import json, os, sys
from pathlib import Path
import psycopg
from local_dsql import LocalCluster, LocalDatabaseError

disk = Path(sys.argv[1])
seen = {}

def fill(left):
    free = os.statvfs(disk)
    with (disk / "ballast").open("wb") as ballast:
        ballast.write(bytes(max(0, free.f_bavail * free.f_frsize - left)))

def make_room():
    (disk / "ballast").unlink()

fill(left=25_000_000)
try:
    LocalCluster(disk / "cluster").start()
except LocalDatabaseError as error:
    seen["start"] = str(error)
make_room()

with LocalCluster(disk / "cluster") as cluster, psycopg.connect(cluster.dsn(), autocommit=True) as connection:
    connection.execute("CREATE TABLE t (id int PRIMARY KEY, x text)")
    connection.execute("INSERT INTO t VALUES (0, 'kept')")
    fill(left=1_000_000)
    try:
        for n in range(1, 9):
            connection.execute(
                "INSERT INTO t SELECT %s + g, repeat(md5(g::text), 200) FROM generate_series(1, 1000) g", (n * 1000,)
            )
    except psycopg.Error as error:
        seen["insert"] = [error.sqlstate, str(error)]
    seen["committed"] = n
    make_room()
    seen["rows"] = connection.execute("SELECT count(*) FROM t").fetchone()[0]
    connection.execute("INSERT INTO t VALUES (-1, 'again')")

print(json.dumps(seen))
"""
"""Works on an otherwise empty disk of 120 MB, and prints what it has seen."""


def mounted(options: str, folder: Path, program: str) -> subprocess.CompletedProcess[str]:
    """Run a Python program with a mount on `folder`, in its own mount namespace; skip the test if that fails."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount something")
    script = f'mount {options} "$1" && exec "$2" -c "$3" "$1"'
    answer = subprocess.run(
        ["unshare", "-m", "sh", "-c", script, "sh", str(folder), sys.executable, program],
        capture_output=True,
        text=True,
        cwd=PROJECT,
        check=False,
    )
    if "mount:" in answer.stderr or "unshare:" in answer.stderr:
        pytest.skip("nothing may be mounted here")
    return answer


@pytest.mark.slow
def test_a_full_disk_is_an_error_without_data_loss(tmp_path: Path) -> None:
    answer = mounted("-t tmpfs -o size=120m none", tmp_path, FULL)
    assert answer.returncode == 0, answer.stderr
    seen = json.loads(answer.stdout)
    assert "No space left on device" in seen["start"] or "could not write init file" in seen["start"]
    assert "do:  free some space on the disk of that folder" in seen["start"]
    assert seen["insert"][0] == "53100"
    assert "No space left on device" in seen["insert"][1]
    assert seen["rows"] == 1 + (seen["committed"] - 1) * 1000


READ_ONLY = """
import sys
from local_dsql import LocalCluster
LocalCluster(sys.argv[1] + "/cluster").start()
"""


def test_a_folder_that_cannot_be_written_is_a_clear_error(tmp_path: Path) -> None:
    answer = mounted("-t tmpfs -o ro none", tmp_path, READ_ONLY)
    assert f"cannot use the folder {tmp_path / 'cluster'} for a local database" in answer.stderr
    assert "Read-only file system" in answer.stderr
    assert "choose another folder" in answer.stderr


def test_a_folder_of_another_user_is_a_clear_error(tmp_path: Path) -> None:
    """As an ordinary user, because root has access."""
    become = ["unshare", "--user", "--map-user=1000", "--map-group=1000"] if os.geteuid() == 0 else []
    if become and subprocess.run([*become, "true"], check=False).returncode:
        pytest.skip("user namespaces are forbidden here")
    foreign = tmp_path / "foreign"
    foreign.mkdir(mode=0o500)
    answer = subprocess.run(
        [*become, sys.executable, "-c", READ_ONLY, str(foreign)],
        capture_output=True,
        text=True,
        cwd=PROJECT,
        check=False,
    )
    assert f"cannot use the folder {foreign / 'cluster'}" in answer.stderr
    assert "why: Permission denied" in answer.stderr
    assert "grant this user access to it" in answer.stderr
