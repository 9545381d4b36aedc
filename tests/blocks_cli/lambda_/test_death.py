"""A sandbox never outlives its deployer."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from tests.local_dsql.processes import wait_until

ROOT = Path(__file__).parents[3]

PARENT = """
import sys, threading
from pathlib import Path
from tests.blocks_cli.lambda_.functions import Workbench
bench = Workbench(Path(sys.argv[1]), client=sys.argv[2] or None)
function = bench.function('''
import os, pathlib
def handler(event, context):
    note = pathlib.Path(event["pid"])
    new = note.with_suffix(".new")
    new.write_text(str(os.getpid()))
    new.replace(note)  # whoever reads it meanwhile sees the whole of it
    while event["busy"]: pass
''', timeout=60)
# The invoking thread ends at once: the sandbox must not end with it.
call = threading.Thread(target=function.invoke, args=({"pid": sys.argv[3], "busy": False},))
call.start(); call.join()
assert not function.invoke({"pid": sys.argv[3], "busy": False}).cold
print("warm", flush=True)
function.invoke({"pid": sys.argv[3], "busy": True})
"""


@pytest.mark.skipif(sys.platform != "linux", reason="a busy sandbox dies with its parent on Linux only")
def test_a_killed_deployer_takes_a_busy_sandbox_along(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    command = [sys.executable, "-c", textwrap.dedent(PARENT), str(tmp_path), "", str(note)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as parent:
        assert parent.stdout
        assert parent.stdout.readline() == b"warm\n"
        sandbox = int(note.read_text())
        time.sleep(0.1)
        assert _alive(sandbox)
        parent.send_signal(signal.SIGKILL)
    wait_until(lambda: not _alive(sandbox), 5)


def _alive(pid: int) -> bool:
    """Return whether a process runs; one that was not reaped yet does not."""
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False
