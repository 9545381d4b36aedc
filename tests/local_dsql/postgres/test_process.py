"""A real PostgreSQL: account, end, repair, errors."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

from local_dsql.errors import PostgresError
from local_dsql.postgres import (
    Binaries,
    DataDirectory,
    OtherUser,
    Postgres,
    SameUser,
    UserNamespace,
    find_binaries,
)
from local_dsql.postgres.errors import exit_error
from local_dsql.postgres.process import HAS_DEATH_SIGNAL
from local_dsql.postgres.settings import SETTINGS
from tests.support.processes import processes_of, wait_until

if TYPE_CHECKING:
    from tests.local_dsql.postgres.conftest import Bench

PROJECT = Path(__file__).parents[3]
NOBODY = 65534
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can switch the account")

DEATH_SIGNAL = [
    pytest.param(
        True, id="death-signal", marks=pytest.mark.skipif(not HAS_DEATH_SIGNAL, reason="Linux only")
    ),
    pytest.param(False, id="supervisor"),
]


def connect(postgres: Postgres) -> psycopg.Connection:
    return psycopg.connect(host=str(postgres.sockets), user="postgres", dbname="postgres", autocommit=True)


def value(postgres: Postgres, query: str) -> object:
    with connect(postgres) as connection:
        row = connection.execute(query.encode()).fetchone()
    assert row is not None
    return row[0]


@pytest.mark.parametrize("death_signal", DEATH_SIGNAL)
def test_starts_and_stops(bench: Bench, death_signal: bool) -> None:
    postgres = bench.start(death_signal=death_signal)
    postgres.wait_until_ready()
    assert str(value(postgres, "SELECT version()")).startswith("PostgreSQL 16.")
    postgres.stop()
    assert postgres.exit_code == 0
    assert not processes_of(bench.folder)


def test_settings_are_in_force(bench: Bench) -> None:
    postgres = bench.start()
    postgres.wait_until_ready()
    with connect(postgres) as connection:
        rows = connection.execute("SELECT name, setting, unit FROM pg_settings").fetchall()
        # PostgreSQL does not list parameters that it does not know itself: those with a dot.
        unlisted = {
            name: connection.execute("SELECT current_setting(%s)", [name]).fetchall()[0][0]
            for name in SETTINGS
            if "." in name
        }
    listed = {name: f"{setting}{unit if unit and unit != '8kB' else ''}" for name, setting, unit in rows}
    shown = listed | unlisted
    same = {name: shown[name] for name, wanted in SETTINGS.items() if shown[name] == wanted}
    in_other_units = {"shared_buffers": "8192"}
    assert same | in_other_units == dict(SETTINGS) | in_other_units
    assert (shown["lc_messages"], shown["server_encoding"]) == ("C", "UTF8")


def test_listens_only_on_its_socket(bench: Bench) -> None:
    postgres = bench.start()
    postgres.wait_until_ready()
    address = bench.data.lock_file.read_text().splitlines()[5]
    assert address == ""
    assert postgres.socket.is_socket()
    assert postgres.socket.stat().st_mode & 0o777 == 0o700


@as_root
def test_root_needs_no_other_account(bench: Bench) -> None:
    if not isinstance(bench.account, UserNamespace):
        pytest.skip("user namespaces are forbidden here")
    bench.folder.chmod(0o700)
    postgres = bench.start()
    postgres.wait_until_ready()
    assert {process.uid for process in processes_of(bench.folder)} == {0}
    assert bench.data.path.stat().st_uid == 0


@as_root
def test_another_account_where_namespaces_are_forbidden(bench: Bench, reachable_folder: Path) -> None:
    bench.folder, bench.account = reachable_folder, OtherUser(NOBODY, NOBODY)
    bench.data = DataDirectory(bench.data.path.rename(reachable_folder / "data"))
    copy = reachable_folder / "copy"
    bench.binaries = bench.account.binaries(find_binaries(), copy)
    postgres = bench.start()
    postgres.wait_until_ready()
    assert {process.uid for process in processes_of(reachable_folder)} == {NOBODY}


@as_root
def test_unreachable_binaries_are_copied(reachable_folder: Path, tmp_path: Path) -> None:
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    found = find_binaries()
    package = found.folder.parent.parent
    libraries = package.with_name(f"{package.name}.libs")
    (private / package.name).mkdir()
    subprocess.run(["cp", "-a", found.folder.parent, private / package.name], check=True)
    subprocess.run(["cp", "-a", libraries, private], check=True)
    hidden = Binaries(private / package.name / "pginstall" / "bin", found.version)
    account = OtherUser(NOBODY, NOBODY)
    copied = account.binaries(hidden, reachable_folder / "copy")
    assert reachable_folder / "copy" in copied.folder.parents
    data = DataDirectory(reachable_folder / "data")
    data.initialise(copied, account)
    assert data.path.stat().st_uid == NOBODY


@as_root
def test_a_folder_closed_to_the_other_account_is_an_error(tmp_path: Path) -> None:
    data = tmp_path / "private" / "data"
    data.mkdir(parents=True)
    data.parent.chmod(0o700)
    with pytest.raises(PostgresError, match="may not enter a parent folder") as refusal:
        OtherUser(NOBODY, NOBODY).own(data)
    assert "every user can reach" in refusal.value.remedy


class Forbidden(SameUser):
    """An account that no process can switch to."""

    def enter(self) -> None:
        raise OSError(errno.ENOSPC, "No space for a namespace", "unshare")


@pytest.mark.parametrize("death_signal", DEATH_SIGNAL)
def test_an_account_that_cannot_be_entered_is_an_error(bench: Bench, death_signal: bool) -> None:
    bench.account = Forbidden()
    with pytest.raises(PostgresError, match="No space for a namespace") as refusal:
        bench.start(death_signal=death_signal).wait_until_ready()
    assert "start it as an ordinary user" in refusal.value.remedy


def test_a_directory_for_an_account_that_cannot_be_entered_is_an_error(tmp_path: Path) -> None:
    data = DataDirectory(tmp_path / "data")
    with pytest.raises(PostgresError, match="No space for a namespace"):
        data.initialise(find_binaries(), Forbidden())
    assert not data.path.exists()


PARENT = """
import sys, time
from pathlib import Path
from local_dsql.postgres import DataDirectory, Postgres, choose_account, find_binaries
folder = Path(sys.argv[1])
(folder / "run").mkdir()
postgres = Postgres.start(
    find_binaries(), DataDirectory(folder / "data"), sockets=folder / "run", log=folder / "log",
    account=choose_account(), death_signal=sys.argv[2] == "True",
)
postgres.wait_until_ready()
print("ready", flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("death_signal", DEATH_SIGNAL)
def test_ends_with_a_killed_parent(bench: Bench, death_signal: bool) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, bench.folder, str(death_signal)], stdout=subprocess.PIPE, cwd=PROJECT
    ) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"ready\n"
        parent.kill()
    took = wait_until(lambda: not processes_of(bench.folder))
    assert took < 3
    bench.start().wait_until_ready()


def test_what_was_committed_survives_a_kill(bench: Bench) -> None:
    postgres = bench.start()
    postgres.wait_until_ready()
    with connect(postgres) as connection:
        connection.execute("CREATE TABLE kept (id int PRIMARY KEY)")
        connection.execute("INSERT INTO kept SELECT generate_series(1, 1000)")
    os.kill(_postmaster(bench), signal.SIGKILL)
    wait_until(lambda: postgres.exit_code is not None)
    assert "SIGKILL" in str(postgres.failure("PostgreSQL has stopped"))
    again = bench.start()
    again.wait_until_ready()
    assert value(again, "SELECT count(*) FROM kept") == 1000


def test_a_server_left_running_is_stopped_first(bench: Bench) -> None:
    first = bench.start()
    first.wait_until_ready()
    second = bench.start()
    second.wait_until_ready()
    assert first.exit_code is not None
    assert value(second, "SELECT 1") == 1


@pytest.mark.parametrize(
    "content",
    [
        pytest.param("{stranger}\n{data}\n", id="pid-of-another-process"),
        pytest.param("4194000\n{data}\n", id="unused-pid"),
        pytest.param("", id="empty"),
        pytest.param("rubbish\n", id="rubbish"),
    ],
)
def test_a_stale_lock_file_is_repaired(bench: Bench, content: str) -> None:
    with subprocess.Popen(["sleep", "60"]) as stranger:
        bench.data.lock_file.write_text(content.format(stranger=stranger.pid, data=bench.data.path))
        bench.start().wait_until_ready()
        assert stranger.poll() is None
        stranger.kill()


def test_loose_permissions_are_repaired(bench: Bench) -> None:
    bench.data.path.chmod(0o777)
    bench.start().wait_until_ready()
    assert bench.data.path.stat().st_mode & 0o777 == 0o700


def test_broken_data_is_a_clear_error(bench: Bench) -> None:
    (bench.data.path / "global" / "pg_control").write_bytes(b"")
    with pytest.raises(PostgresError, match="did not start") as refusal:
        bench.start().wait_until_ready()
    assert str(bench.data.path) in refusal.value.what
    assert "pg_control" in refusal.value.why


MOUNT_AND_RUN = 'mount -t tmpfs -o size=2m none "$1" && exec "$2" -c "$3" "$1/data"'


@as_root
def test_a_full_disk_is_a_clear_error(bench: Bench) -> None:
    """In its own mount namespace, on a disk of two megabytes."""
    script = (
        "import sys; from pathlib import Path; from local_dsql.postgres import *\n"
        "DataDirectory(Path(sys.argv[1])).initialise(find_binaries(), choose_account())"
    )
    disk = bench.folder / "disk"
    disk.mkdir()
    answer = subprocess.run(
        ["unshare", "-m", "sh", "-c", MOUNT_AND_RUN, "sh", str(disk), sys.executable, script],
        capture_output=True,
        text=True,
        cwd=PROJECT,
        check=False,
    )
    if "mount:" in answer.stderr or "unshare:" in answer.stderr:
        pytest.skip("nothing may be mounted here")
    assert "No space left on device" in answer.stderr
    assert "free some space on the disk" in answer.stderr


@pytest.mark.parametrize(
    ("output", "code", "why", "remedy"),
    [
        ("FATAL: could not write: No space left on device", 1, "exit code 1", "free some space"),
        ("could not open directory: Permission denied", 1, "Permission denied", "choose another folder"),
        ("", -9, "ended by SIGKILL", "start again"),
        ("anything", None, "does not answer", "start again"),
    ],
)
def test_output_becomes_an_error_with_a_remedy(output: str, code: int | None, why: str, remedy: str) -> None:
    error = exit_error("PostgreSQL did not start on /data", output, code)
    assert why in error.why
    assert remedy in error.remedy


def _postmaster(bench: Bench) -> int:
    return int(bench.data.lock_file.read_text().splitlines()[0])
