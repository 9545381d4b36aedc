"""A server that dies while it has users: the one that any of them starts has the same options and settings."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import psycopg
import pytest

import local_dsql.client.server_handle
from dsql_dialect.profiles import NEWEST
from local_dsql import LocalCluster
from local_dsql.client.launch import ServerOptions
from local_dsql.cluster import stop_server
from local_dsql.errors import ServerMismatchError
from local_dsql.storage.folder import Folder
from local_dsql.storage.locks import FileLock
from tests.support.processes import processes_of, start_cluster_user, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

EAST, WEST, NORTH = "us-east-1", "us-east-2", "us-west-2"
LATENCY, DELAY = 0.05, 2.0


def _kill_postgresql(cluster: LocalCluster) -> None:
    os.kill(int((cluster.folder.data / "postmaster.pid").read_text().splitlines()[0]), signal.SIGKILL)


def _kill_server(cluster: LocalCluster) -> None:
    os.kill(cluster.status.pid, signal.SIGKILL)


def _stop(cluster: LocalCluster) -> None:
    stop_server(cluster.folder.path)


ENDS: dict[str, Callable[[LocalCluster], None]] = {
    "PostgreSQL killed": _kill_postgresql,
    "server killed": _kill_server,
    "stopped by another program": _stop,
}


@pytest.fixture
def used(folder: Path) -> Iterator[tuple[LocalCluster, LocalCluster]]:
    """A cluster with all settings, and a second user that has asked for none."""
    options = {"regions": [EAST, WEST], "dialect": NEWEST.name, "commit_latency": LATENCY}
    with LocalCluster(folder, **options) as first, LocalCluster(folder) as second:  # type: ignore[arg-type]
        with LocalCluster(folder, regions=[NORTH]):
            pass
        first.delay_jobs(DELAY)
        first.stop_region(WEST)
        second.set_available(NORTH, available=False)
        yield first, second


STARTERS = ("another user", "a new user", "the user that set it")


@pytest.mark.parametrize(("end", "starter"), [*zip(ENDS.values(), STARTERS, strict=True)], ids=ENDS)
def test_a_restart_keeps_what_was_set(
    used: tuple[LocalCluster, LocalCluster], end: Callable[[LocalCluster], None], starter: str
) -> None:
    first, second = used
    before = first.start().status
    end(first)
    wait_until(lambda: not processes_of(first.folder.path))
    assert first.stopped_regions == second.stopped_regions == (WEST,), "known without a server"
    new = LocalCluster(first.folder.path)
    starting = {"the user that set it": first, "another user": second, "a new user": new}[starter]
    after = starting.start().status
    assert after.pid != before.pid
    assert (after.dialect, after.commit_latency, after.job_delay) == (NEWEST.name, LATENCY, DELAY)
    assert after.ports == before.ports
    assert after.stopped_regions == (WEST, NORTH)
    assert first.start().status == after, "the options that it has asked for are those of the server"
    psycopg.connect(first.dsn(EAST)).close()
    with pytest.raises(psycopg.OperationalError, match="refused"):
        psycopg.connect(first.dsn(WEST))
    first.start_region(WEST)
    psycopg.connect(first.dsn(WEST)).close()
    new.close()


def test_a_region_is_open_if_it_is_neither_stopped_nor_unavailable(
    used: tuple[LocalCluster, LocalCluster],
) -> None:
    cluster, _ = used
    cluster.set_available(WEST, available=True)
    assert cluster.start().status.stopped_regions == (WEST, NORTH), "stopped by a user"
    cluster.start_region(NORTH)
    assert cluster.start().status.stopped_regions == (WEST, NORTH), "unavailable in the control plane"
    cluster.set_available(WEST, available=False)
    cluster.start_region(WEST)
    assert (cluster.start().status.stopped_regions, cluster.stopped_regions) == ((WEST, NORTH), ())
    cluster.set_available(WEST, available=True)
    cluster.set_available(NORTH, available=True)
    assert cluster.start().status.stopped_regions == ()
    psycopg.connect(cluster.dsn(WEST)).close()


def test_a_user_with_other_options_is_refused_also_before_the_restart(
    used: tuple[LocalCluster, LocalCluster],
) -> None:
    first, _ = used
    _kill_server(first)
    wait_until(lambda: not processes_of(first.folder.path))
    with pytest.raises(ServerMismatchError, match="another commit latency"):
        LocalCluster(first.folder.path, commit_latency=0.1).start()


@pytest.mark.parametrize("end", ["closed", "killed"])
def test_settings_end_with_the_last_user(folder: Path, end: str) -> None:
    if end == "closed":
        with LocalCluster(folder, regions=[EAST, WEST], commit_latency=LATENCY) as cluster:
            cluster.stop_region(WEST)
    else:
        with start_cluster_user(folder) as user:
            assert user.stdout
            user.stdout.readline()
            with LocalCluster(folder, regions=[EAST, WEST]) as cluster:
                cluster.stop_region(WEST)
            for process in processes_of(folder):
                os.kill(process.pid, signal.SIGKILL)
            user.kill()
        wait_until(lambda: not processes_of(folder))
        assert (folder / "options.json").exists()
    with LocalCluster(folder, regions=[EAST, WEST]) as cluster:
        assert (cluster.status.commit_latency, cluster.status.stopped_regions) == (0.0, ())
        assert cluster.stopped_regions == ()


@pytest.mark.parametrize("content", [None, "", "garbage", "[]", "1", '{"of": "a later version"}'])
def test_a_missing_or_damaged_file_counts_as_none(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "options.json").write_text(content)
    assert ServerOptions.kept(Folder.at(tmp_path)) is None
    ServerOptions(stopped_regions=(WEST,)).keep(Folder.at(tmp_path))
    assert ServerOptions.kept(Folder.at(tmp_path)) == ServerOptions(stopped_regions=(WEST,))


def test_a_user_whose_restart_failed_is_still_a_user(used: tuple[LocalCluster, LocalCluster]) -> None:
    """Another process holds the lock on the start for too long."""
    first, second = used
    second.close()
    _kill_server(first)
    wait_until(lambda: not processes_of(first.folder.path))
    starting = FileLock(first.folder.start_lock)
    starting.lock_exclusive(0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(local_dsql.client.server_handle, "START_TIMEOUT", 0.1)
        with pytest.raises(ServerMismatchError):
            first.start()
    starting.release()
    assert first.start().status.commit_latency == LATENCY
    assert first.stopped_regions == (WEST,)
