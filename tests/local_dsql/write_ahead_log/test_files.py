"""Files and pages of the log: records across their ends, sizes of files, files that are gone or hold other bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from local_dsql.write_ahead_log import LogGap, LogNotWritten, Snapshot, format_lsn
from tests.local_dsql.write_ahead_log.servers import MIB, rows, running
from tests.local_dsql.write_ahead_log.watched import Watched

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.local_dsql.write_ahead_log.servers import Server

EMIT = (
    "SELECT count(pg_logical_emit_message(true, 'x', repeat('m', {size}))) FROM generate_series(1, {count})"
)


@pytest.fixture(params=[1, 4, 16], ids="{} MiB".format, scope="module")
def sized(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("sized")
    with running(
        folder, request.param * MIB, {"wal_recycle": "on", "min_wal_size": f"{request.param * 2}MB"}
    ) as server:
        yield server


@pytest.fixture
def table(sized: Server) -> Iterator[Watched]:
    with sized.connect() as session:
        session.execute("DROP TABLE IF EXISTS t; CREATE TABLE t (i int, x text)")
    watched = Watched(sized)
    yield watched
    watched.close()


def inserted(watched: Watched) -> int:
    """Return how many rows of `t` the open transaction has inserted."""
    watched.read()
    ((file,),) = rows(watched.own, "SELECT pg_relation_filenode('t')::int8")
    return len(watched.changes()[file].inserts)


def test_records_of_all_lengths_across_pages_and_files(table: Watched, sized: Server) -> None:
    table.begin()
    count = 0
    start = table.reader.position
    while table.reader.position - start < 3 * sized.segment_size:
        table.own.execute("INSERT INTO t SELECT i, repeat('x', i * 7 % 1900) FROM generate_series(1, 1000) i")
        count += 1000
        assert inserted(table) == count
    table.end()


def test_records_longer_than_a_file(table: Watched) -> None:
    table.begin()
    for size in (MIB - 100, MIB, 3 * MIB + 17, 40 * MIB):
        table.own.execute(EMIT.format(size=size, count=1).encode())
        table.own.execute("INSERT INTO t VALUES (1)")
    assert inserted(table) == 4
    table.end()


def test_a_commit_longer_than_a_file(table: Watched) -> None:
    """300,000 subtransactions are named by a COMMIT of 1.2 MB."""
    ((text,),) = rows(table.own, "SELECT pg_current_snapshot()::text")
    table.own.execute(
        "DO $$ BEGIN FOR i IN 1 .. 300000 LOOP BEGIN INSERT INTO t VALUES (i); "
        "EXCEPTION WHEN OTHERS THEN NULL; END; END LOOP; END $$"
    )
    table.read()
    (committed,) = [one for one in table.reader.committed(Snapshot.parse(text)) if one.subtransactions]
    assert len(committed.subtransactions) == len(committed.operations) == 300_000


def test_steps_end_anywhere(table: Watched) -> None:
    """Whatever a step's length, and wherever the log is cut in time, the records are the same."""
    table.begin()
    table.own.execute("INSERT INTO t SELECT i, repeat('x', i) FROM generate_series(1, 1000) i")
    start, end = table.reader.position, table.flushed()
    for cut in range(start, end, 999):
        table.reader.advance(cut)
        assert table.reader.position <= max(cut, start) + 48  # a page's header, and the alignment
    while not table.reader.advance_some(end, 100):
        assert table.reader.pending_bytes(end) > 0
    assert table.reader.pending_bytes(end) == 0
    assert inserted(table) == 1000
    table.end()


def test_a_step_is_bounded(table: Watched) -> None:
    table.own.execute(EMIT.format(size=100, count=20_000).encode())
    end = table.flushed()
    before = table.reader.position
    assert end - before > 2 * MIB
    assert not table.reader.advance_some(end, 64 * 1024)
    assert table.reader.position - before < 80 * 1024


@pytest.mark.parametrize(
    "started", ["BEGIN; INSERT INTO t VALUES (0)", "SELECT"], ids=["with-xid", "without"]
)
def test_the_rest_of_a_file_is_left_out_after_a_switch(table: Watched, started: str) -> None:
    table.begin()
    table.prober.execute(started.encode())
    for i in range(3):
        table.own.execute(f"INSERT INTO t VALUES ({i})".encode())
        table.prober.execute("SELECT pg_switch_wal()")
    assert inserted(table) == 3
    table.prober.rollback()
    table.end()


def test_more_than_what_is_written_is_refused(table: Watched, sized: Server) -> None:
    table.read()
    end = table.reader.position
    with pytest.raises(LogNotWritten, match="write-ahead log at"):
        table.reader.advance(end + 100)
    with pytest.raises((LogNotWritten, LogGap)):
        table.reader.advance(end + 3 * sized.segment_size)


def test_a_position_within_a_record_is_refused(table: Watched) -> None:
    table.own.execute(EMIT.format(size=1000, count=10).encode())
    table.reader.skip(table.reader.position + 512)
    with pytest.raises(LogNotWritten, match="no record"):
        table.read()


def test_a_file_that_is_gone_is_a_gap(table: Watched, sized: Server) -> None:
    sized_folder = sized.data.path / "pg_wal"
    table.own.execute(EMIT.format(size=MIB, count=3 * sized.segment_size // MIB).encode())
    table.own.execute("CHECKPOINT")
    table.own.execute("SELECT pg_switch_wal()")
    table.own.execute("CHECKPOINT")
    with pytest.raises(LogGap, match="gone before it was read"):
        table.read()
    assert sized_folder.is_dir()
    table.reader.skip(table.flushed())
    table.begin()
    table.own.execute("INSERT INTO t VALUES (1)")
    assert inserted(table) == 1
    table.end()


def test_a_file_that_was_reused_is_a_gap_though_it_is_open(table: Watched, sized: Server) -> None:
    """PostgreSQL renames an old file and writes over it: an open descriptor then reads later log, or none."""
    table.read()
    for _ in range(12):
        table.own.execute(EMIT.format(size=MIB, count=sized.segment_size // MIB).encode())
        table.own.execute("CHECKPOINT")
    with pytest.raises(LogGap):
        table.read()


def test_bytes_of_another_place_are_never_read_as_records(
    table: Watched, sized: Server, tmp_path: Path
) -> None:
    """A file under another one's name, as recycling leaves it until it is written over, is told by its pages."""
    table.own.execute(EMIT.format(size=MIB, count=2 * sized.segment_size // MIB).encode())
    end = table.flushed()
    ((first, last),) = rows(
        table.control,
        f"SELECT pg_walfile_name('{format_lsn(table.reader.position)}'), pg_walfile_name('{format_lsn(end)}')",
    )
    copy = tmp_path / "pg_wal"
    copy.mkdir()
    content = (sized.data.path / "pg_wal" / first).read_bytes()
    (copy / first).write_bytes(content)
    following = f"{int(first, 16) + 1:024X}"
    assert following <= last
    (copy / following).write_bytes(content)
    reader = sized.reader(table.control, folder=tmp_path, start=table.reader.position)
    with pytest.raises(LogNotWritten):
        reader.advance(end)
