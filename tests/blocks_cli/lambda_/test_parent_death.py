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
bench = Workbench(Path(sys.argv[1]), client=sys.argv[2], on_linux=sys.argv[3] == "True")
function = bench.function('''
import os, subprocess
def handler(event, context):
    while event == "busy": pass
    return os.getpid(), event == "start" and subprocess.Popen(["sleep", "60"], start_new_session=True).pid
''', timeout=60)
# The invoking thread ends at once: the sandbox must not end with it.
call = threading.Thread(target=function.invoke, args=(None,))
call.start(); call.join()
warm = function.invoke("start")
assert not warm.cold
print(*warm.payload, flush=True)
function.invoke("busy")
"""


@pytest.mark.skipif(not Path("/proc").exists(), reason="the test reads /proc")
@pytest.mark.parametrize(("client", "on_linux"), VARIANTS.values(), ids=VARIANTS)
def test_a_busy_sandbox_ends_with_a_killed_parent(tmp_path: Path, client: str, on_linux: bool) -> None:
    skip_if_missing(client, on_linux)
    program = textwrap.dedent(PARENT)
    command = [sys.executable, "-c", program, str(tmp_path), client, str(on_linux)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as parent:
        assert parent.stdout
        sandbox, started = map(int, parent.stdout.readline().split())
        time.sleep(0.1)
        assert _alive(sandbox)
        parent.send_signal(signal.SIGKILL)
    wait_until(lambda: not _alive(sandbox), 5)
    if on_linux:
        wait_until(lambda: not _alive(started), 5)
    else:
        os.kill(started, signal.SIGKILL)


def _alive(pid: int) -> bool:
    """Return whether a process is running; a zombie is not."""
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False
