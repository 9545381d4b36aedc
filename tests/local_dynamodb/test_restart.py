"""The state of a local DynamoDB after its process has ended, in order or killed; and that it ends."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import ClientError

from local_dsql.access import Permission
from local_dynamodb import LocalDynamo
from tests.local_dynamodb.calls import EAST, OHIO, client, item, server_of, stored, wait_for_end

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def kill(dynamo: LocalDynamo) -> None:
    os.kill(server_of(dynamo.folder), signal.SIGKILL)


ENDS: dict[str, Callable[[LocalDynamo], None]] = {"close": LocalDynamo.close, "kill": kill}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_what_was_set_up_survives_the_server(tmp_path: Path, end: Callable[[LocalDynamo], None]) -> None:
    dynamo = LocalDynamo(tmp_path / "d").start()
    dynamo.create_table("t", replicas=[OHIO])
    dynamo.set_replication_delay(1000)
    dynamo.identity("READER", "arn:aws:iam::1:role/reader", [Permission("dynamodb:GetItem", "*")])
    east, ohio, reader = client(dynamo), client(dynamo, OHIO), client(dynamo, key="READER")
    east.put_item(TableName="t", Item=item("under way", n=1))
    url, pid = dynamo.url, server_of(dynamo.folder)
    end(dynamo)
    wait_for_end(pid)
    dynamo.start()
    assert dynamo.url == url, "clients of before go on"
    with pytest.raises(ClientError, match="not authorized"):
        reader.put_item(TableName="t", Item=item("a", n=1))
    assert stored(reader, "under way") == 1
    east.put_item(TableName="t", Item=item("new", n=2))
    assert [stored(ohio, pk) for pk in ("under way", "new")] == [None, None], "the delay is that of before"
    dynamo.settle()
    assert [stored(ohio, pk) for pk in ("under way", "new")] == [1, 2]
    dynamo.close()
    wait_for_end(server_of_closed(dynamo))


def server_of_closed(dynamo: LocalDynamo) -> int:
    try:
        return server_of(dynamo.folder)
    except FileNotFoundError:
        return 2**22  # it has ended already: no process has this number


def test_a_port_that_is_in_use_is_taken_again_later(tmp_path: Path) -> None:
    def start() -> str:
        with LocalDynamo(tmp_path / "d") as dynamo:
            url, pid = dynamo.url, server_of(dynamo.folder)
        wait_for_end(pid)
        return url

    usual = start()
    with socket.create_server(("127.0.0.1", int(usual.rpartition(":")[2]))):
        assert start() != usual
    assert start() == usual


def test_a_given_port_that_is_in_use_is_an_error(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        command = [sys.executable, "-m", "local_dynamodb", str(tmp_path / "d"), "--keep", "--port", port]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, f"error: port {port} cannot be used" in done.stderr) == (4, True), done.stderr


HANGS: dict[str, str] = {
    "nothing": "",
    "the lock": "service.Service.close = lambda self: time.sleep(60)",
    "the HTTP server": "server.Server.shutdown = lambda self: time.sleep(60)",
}


@pytest.mark.parametrize("hangs", HANGS)
def test_sigterm_ends_it_in_any_case(tmp_path: Path, hangs: str) -> None:
    program = (
        "import sys, time\n"
        "from local_dynamodb import __main__ as main, server, service\n"
        f"main._END = {20 if hangs == 'nothing' else 0.3}\n{HANGS[hangs]}\nsys.exit(main.main())"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "d"), "--keep"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.readline()
    dynamo = LocalDynamo(tmp_path / "d").start()
    dynamo.create_table("t", replicas=[OHIO])
    dynamo.stop_region(OHIO)
    client(dynamo, EAST).put_item(TableName="t", Item=item("a", n=1))
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=20)
    assert (process.returncode, "did not stop in time" in said) == (
        (0, False) if hangs == "nothing" else (1, True)
    )
    with LocalDynamo(tmp_path / "d") as again:
        again.settle()
        assert stored(client(again, OHIO), "a") == 1
    dynamo.close()
