"""A sandbox ends with the deploying process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from tests.support.lambda_functions import VARIANTS, skip_if_missing
from tests.support.processes import wait_until

ROOT = Path(__file__).parents[3]

PARENT = """
import sys, threading
from pathlib import Path
from tests.support.lambda_functions import Workbench
bench = Workbench(Path(sys.argv[1]), client=sys.argv[2], death_signal=sys.argv[4] == "True")
function = bench.function('''
import os, pathlib
def handler(event, context):
    note = pathlib.Path(event["pid"])
    new = note.with_suffix(".new")
    new.write_text(str(os.getpid()))
    new.replace(note)  # atomic for readers
    while event["busy"]: pass
''', timeout=60)
# The invoking thread ends at once: the sandbox must not end with it.
call = threading.Thread(target=function.invoke, args=({"pid": sys.argv[3], "busy": False},))
call.start(); call.join()
assert not function.invoke({"pid": sys.argv[3], "busy": False}).cold
print("warm", flush=True)
function.invoke({"pid": sys.argv[3], "busy": True})
"""


@pytest.mark.skipif(not Path("/proc").exists(), reason="the test reads /proc")
@pytest.mark.parametrize(("client", "death_signal"), VARIANTS.values(), ids=VARIANTS)
def test_a_busy_sandbox_ends_with_a_killed_parent(tmp_path: Path, client: str, death_signal: bool) -> None:
    skip_if_missing(client, death_signal)
    note = tmp_path / "pid"
    program = textwrap.dedent(PARENT)
    command = [sys.executable, "-c", program, str(tmp_path), client, str(note), str(death_signal)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as parent:
        assert parent.stdout
        assert parent.stdout.readline() == b"warm\n"
        sandbox = int(note.read_text())
        time.sleep(0.1)
        assert _alive(sandbox)
        parent.send_signal(signal.SIGKILL)
    wait_until(lambda: not _alive(sandbox), 5)


def _alive(pid: int) -> bool:
    """Return whether a process is running; a zombie is not."""
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False
