"""Files and pages of the log: records across their ends, sizes of files, files that are gone or hold other bytes."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from local_dsql.write_ahead_log import LogGap, LogNotWritten, Snapshot
from tests.local_dsql.write_ahead_log.servers import MIB, rows, running
from tests.local_dsql.write_ahead_log.watched import Watched

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from local_dsql.write_ahead_log import LogReader
    from tests.local_dsql.write_ahead_log.servers import Server

EMIT = (
    "SELECT count(pg_logical_emit_message(true, 'x', repeat('m', {size}))) FROM generate_series(1, {count})"
)


@pytest.fixture(params=[1, 16], ids="{} MiB".format, scope="module")
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
    while table.reader.position - start < 1.5 * sized.segment_size:
        table.own.execute("INSERT INTO t SELECT i, repeat('x', i * 7 % 1900) FROM generate_series(1, 4000) i")
        count += 4000
        assert inserted(table) == count
    table.end()


def test_records_longer_than_a_file(table: Watched) -> None:
    table.begin()
    for size in (MIB - 100, MIB, 3 * MIB + 17, 40 * MIB):
        table.own.execute(EMIT.format(size=size, count=1).encode())
        table.own.execute("INSERT INTO t VALUES (1)")
    assert inserted(table) == 4
    table.end()


@pytest.mark.parametrize("count", [30_000, pytest.param(300_000, marks=pytest.mark.slow)])
def test_a_commit_of_many_subtransactions(table: Watched, count: int) -> None:
    """The COMMIT names them all: 120 kB, and 1.2 MB, which is more than a file."""
    ((text,),) = rows(table.own, "SELECT pg_current_snapshot()::text")
    table.own.execute(
        f"DO $$ BEGIN FOR i IN 1 .. {count} LOOP BEGIN INSERT INTO t VALUES (i); "
        "EXCEPTION WHEN OTHERS THEN NULL; END; END LOOP; END $$".encode()
    )
    table.read()
    (committed,) = [one for one in table.reader.committed(Snapshot.parse(text)) if one.subtransactions]
    assert len(committed.subtransactions) == len(committed.operations) == count


def test_steps_end_anywhere(table: Watched) -> None:
    """Whatever a step's length, and wherever the log is cut in time, the records are the same."""
    table.begin()
    table.own.execute("INSERT INTO t SELECT i, repeat('x', i) FROM generate_series(1, 1000) i")
    start, end = table.reader.position, table.flushed()
    for cut in range(start, end, 999):
        table.reader.advance(cut)
        assert table.reader.position <= max(cut, start) + 48  # a page's header, and the alignment
    while not table.reader.advance_some(end, 100):
        assert table.reader.position < end
    assert table.reader.position >= end
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
    table.own.execute(EMIT.format(size=MIB, count=3 * sized.segment_size // MIB).encode())
    table.own.execute("CHECKPOINT")
    table.own.execute("SELECT pg_switch_wal()")
    table.own.execute("CHECKPOINT")
    with pytest.raises(LogGap, match="gone before it was read"):
        table.read()
    table.reader.skip(table.flushed())
    table.begin()
    table.own.execute("INSERT INTO t VALUES (1)")
    assert inserted(table) == 1
    table.end()


@dataclass
class Copied:
    """A copy of some log files, and a reader of it that has read nothing yet."""

    folder: Path
    names: list[str]
    reader: LogReader
    end: int

    def write(self, name: str, content: bytes) -> None:
        """Write over a file where it is, as PostgreSQL does with one that it has renamed."""
        with (self.folder / "pg_wal" / name).open("r+b") as file:
            file.write(content)

    def read(self, name: str) -> bytes:
        return (self.folder / "pg_wal" / name).read_bytes()


@pytest.fixture
def copied(table: Watched, sized: Server, tmp_path: Path) -> Iterator[Copied]:
    start = table.reader.position
    table.own.execute(EMIT.format(size=5000, count=3 * sized.segment_size // 5000).encode())
    end = table.flushed()
    first, last = (position // sized.segment_size for position in (start, end))
    (tmp_path / "pg_wal").mkdir()
    names = [f"{1:08X}{0:08X}{number:08X}" for number in range(first, last + 1)]
    for name in names:
        shutil.copy(sized.data.path / "pg_wal" / name, tmp_path / "pg_wal" / name)
    reader = sized.reader(table.control, folder=tmp_path, start=start)
    yield Copied(tmp_path, names, reader, end)
    reader.close()


def test_a_copy_reads_like_the_log(copied: Copied) -> None:
    assert len(copied.names) >= 4
    copied.reader.advance(copied.end)
    assert copied.reader.position >= copied.end


def test_a_file_that_was_reused_is_a_gap_though_it_is_open(copied: Copied) -> None:
    assert not copied.reader.advance_some(copied.end)
    copied.write(copied.names[0], copied.read(copied.names[2]))
    with pytest.raises(LogGap):
        copied.reader.advance(copied.end)


def test_a_file_that_waits_to_be_reused_is_not_written_yet(copied: Copied) -> None:
    copied.write(copied.names[1], copied.read(copied.names[0]))
    with pytest.raises(LogNotWritten):
        copied.reader.advance(copied.end)


def test_log_of_another_timeline_or_version_is_refused(copied: Copied) -> None:
    content = bytearray(copied.read(copied.names[1]))
    for offset in (0, 4):  # the magic number, the timeline
        other = content.copy()
        other[offset] += 1
        copied.write(copied.names[1], bytes(other))
        with pytest.raises(LogNotWritten):
            copied.reader.advance(copied.end)
    copied.write(copied.names[1], bytes(content))
    copied.reader.advance(copied.end)


def test_a_page_of_another_history_is_refused(copied: Copied, sized: Server) -> None:
    """The page is the one of that position, its records do not follow those before."""
    content = bytearray(copied.read(copied.names[1]))
    page = sized.segment_size // 2 // 8192 * 8192
    content[page + 24 : page + 8192] = bytes(8192 - 24)
    copied.write(copied.names[1], bytes(content))
    with pytest.raises((LogNotWritten, ValueError)):
        copied.reader.advance(copied.end)
