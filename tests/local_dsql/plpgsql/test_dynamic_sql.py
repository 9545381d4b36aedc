"""The proxy answers an EXECUTE without a delay for other sessions, and keeps no file of it."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import psycopg
import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.local_dsql.plpgsql.conftest import PlpgsqlCluster

LONG = "DO $$ BEGIN EXECUTE 'SELECT ARRAY[' || repeat('1,', 150000) || '1]'; END $$"
MOST = 0.4
"""Seconds; the parse of that text takes longer."""


def test_a_long_text_stops_no_other_session(november: PlpgsqlCluster) -> None:
    with november.connect() as one, november.connect() as other:
        work = threading.Thread(target=one.execute, args=(LONG,))
        work.start()
        longest = 0.0
        while work.is_alive():
            began = time.monotonic()
            other.execute("SELECT 1")
            longest = max(longest, time.monotonic() - began)
        work.join()
    assert 0 < longest < MOST


def test_a_long_text_is_checked(november: PlpgsqlCluster) -> None:
    with november.connect() as connection:
        with pytest.raises(psycopg.errors.FeatureNotSupported, match="setting configuration parameter"):
            connection.execute("DO $$ BEGIN EXECUTE 'RESET ROLE' || repeat(' ', 10000); END $$")
        with pytest.raises(psycopg.errors.RaiseException, match="10000 waited"):
            connection.execute(
                "DO $$ DECLARE n int; BEGIN EXECUTE 'SELECT length(''' || repeat('x', 10000) ||"
                " ''') FROM pg_database WHERE datname = ''postgres''' INTO n; RAISE EXCEPTION '% waited', n; END $$"
            )


def test_files_of_ended_sessions_are_removed(november: PlpgsqlCluster) -> None:
    def files() -> set[Path]:
        return set(november.sockets.glob("execute_*"))

    with november.connect() as connection:
        before = files()
        connection.execute("DO $$ BEGIN EXECUTE 'SELECT 1'; END $$")
        (mine,) = files() - before
        assert mine.suffix == ".answer"
        assert "SELECT" not in mine.read_text()
        pid = mine.stem.removeprefix("execute_")
    with november.direct() as postgres:
        while postgres.execute("SELECT FROM pg_stat_activity WHERE pid = %s", (pid,)).fetchone():
            time.sleep(0.01)
    with november.connect() as connection:
        connection.execute("DO $$ BEGIN EXECUTE 'SELECT 1'; END $$")
    assert mine not in files()
