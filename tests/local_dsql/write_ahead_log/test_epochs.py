"""Transaction numbers beyond 32 bits: a cluster whose counter passes 2^32 while a transaction is open."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from local_dsql.postgres import choose_account, find_binaries
from local_dsql.postgres.account import child_setup
from local_dsql.postgres.data_directory import ENVIRONMENT
from local_dsql.write_ahead_log import Snapshot
from tests.local_dsql.write_ahead_log.servers import MIB, initialise, rows, start
from tests.local_dsql.write_ahead_log.watched import Watched

if TYPE_CHECKING:
    from pathlib import Path

    from local_dsql.postgres import DataDirectory

EPOCH = 3
NUMBERS_BEFORE = 40
"""Transactions left before the counter passes 2^32."""
STATUS_FILE = 32 * 8192
"""Bytes of a file of pg_xact, which has two bits for each transaction."""


def set_counter(data: DataDirectory, epoch: int, xid: int) -> None:
    """Move the counter of a stopped cluster, and make the file that keeps the status of the next transactions."""
    subprocess.run(
        [
            find_binaries().folder / "pg_resetwal",
            "-D",
            data.path,
            "-e",
            str(epoch),
            "-x",
            str(xid),
            "-u",
            str(xid - 1000),
        ],
        preexec_fn=child_setup(choose_account()),
        env=ENVIRONMENT,
        check=True,
        capture_output=True,
    )
    (data.path / "pg_xact" / f"{xid // (STATUS_FILE * 4):04X}").write_bytes(bytes(STATUS_FILE))


def test_numbers_pass_32_bits(tmp_path: Path) -> None:
    data = initialise(tmp_path, MIB)
    server = start(tmp_path, data, MIB, {})
    with server.connect() as connection:
        connection.execute("CREATE TABLE t (i int); INSERT INTO t VALUES (0)")
        connection.execute("VACUUM (FREEZE)")
    server.stop()
    set_counter(data, EPOCH, 2**32 - NUMBERS_BEFORE)
    server = start(tmp_path, data, MIB, {"autovacuum": "off"})
    try:
        check_across_the_wrap(Watched(server))
    finally:
        server.stop()


def check_across_the_wrap(watched: Watched) -> None:
    wrap = (EPOCH + 1) * 2**32
    watched.begin()
    ((text,),) = rows(watched.own, "SELECT pg_current_snapshot()::text")
    watched.own.execute("INSERT INTO t VALUES (1)")
    tops = []
    for i in range(3 * NUMBERS_BEFORE):
        watched.control.execute(f"INSERT INTO t VALUES ({i})".encode())
        tops += rows(watched.control, "SELECT pg_snapshot_xmax(pg_current_snapshot())::text::int8")
    watched.own.execute("SAVEPOINT a; INSERT INTO t VALUES (2)")
    top, xids = watched.top(), watched.xids()
    assert top is not None
    assert top < wrap < max(xids)
    assert len(watched.reader.operations(xids)) == 2
    assert all(watched.reader.full_xid(xid % 2**32) == xid for xid in xids)
    committed = [one.xid for one in watched.reader.committed(Snapshot.parse(text))]
    assert len(committed) == 3 * NUMBERS_BEFORE
    assert committed == sorted(committed)
    assert committed[0] < wrap < committed[-1]
    watched.end("COMMIT")
    watched.close()
