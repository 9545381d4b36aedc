"""The proxy answers an EXECUTE without a delay for other sessions, and keeps no file of it."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import TYPE_CHECKING

import psycopg
import pytest

from dsql_dialect import profile
from local_dsql.parsing.long_texts import LongTexts
from local_dsql.proxy.dynamic_sql import VERDICT, DynamicSql

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


def test_answers_of_all_lengths(november: PlpgsqlCluster) -> None:
    """Accepted, refused, and with another SQL to run; what is longer takes another way than what is shorter."""
    body = """
        DECLARE refused int := 0; BEGIN
        FOR i IN 1..100 LOOP
            EXECUTE 'SELECT ' || i;
            BEGIN
                EXECUTE 'RESET ROLE --' || i;
            EXCEPTION WHEN feature_not_supported THEN
                refused := refused + 1;
            END;
            IF i % 5 = 0 THEN
                EXECUTE 'SELECT FROM asked FOR UPDATE SKIP LOCKED --' || repeat('é', i * 20);
            END IF;
        END LOOP;
        RAISE EXCEPTION '% refused', refused;
        END"""
    with november.connect() as connection:
        connection.execute("CREATE TABLE asked (id int PRIMARY KEY)")
        try:
            with pytest.raises(psycopg.errors.RaiseException, match="100 refused"):
                connection.execute(f"DO $$ {body} $$")
        finally:
            connection.execute("DROP TABLE asked")


def verdicts(folder: Path) -> set[Path]:
    """Return the files with answers to texts that were asked again."""
    return set(folder.glob(VERDICT + "*"))


def test_a_text_that_runs_again_is_not_asked_again(november: PlpgsqlCluster) -> None:
    before = verdicts(november.sockets)
    texts = {
        "SELECT 41": "done",
        "RESET ROLE": "setting configuration parameter",
        "SELECT FROM pg_database FOR UPDATE SKIP LOCKED": "permission denied for table pg_database",
    }
    with november.connect() as connection:
        for sql, answer in texts.items():
            for _ in range(4):
                with pytest.raises(psycopg.Error, match=answer):
                    connection.execute(f"DO $$ BEGIN EXECUTE '{sql}'; RAISE EXCEPTION 'done'; END $$")
    assert len(verdicts(november.sockets) - before) == len(texts)


def test_few_answers_are_kept_and_none_after_a_restart(tmp_path: Path) -> None:
    async def ask(texts: range) -> None:
        dynamic = DynamicSql(tmp_path, profile("2026-11"), LongTexts(), most_verdicts=10)
        dynamic.start()
        assert not verdicts(tmp_path)
        try:
            for _ in range(2):
                for number in texts:
                    with (tmp_path / "execute").open("w") as pipe:
                        pipe.write(f"1 question {f'SELECT {number}'.encode().hex()}\n")
                    await asyncio.sleep(0)
                    await asyncio.sleep(0)
        finally:
            dynamic.close()

    asyncio.run(ask(range(3)))
    assert len(verdicts(tmp_path)) == 3
    asyncio.run(ask(range(10)))
    assert len(verdicts(tmp_path)) == 10
    asyncio.run(ask(range(11)))
    assert not verdicts(tmp_path)
