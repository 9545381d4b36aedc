"""Account of the child process that runs PostgreSQL."""

from __future__ import annotations

import subprocess
import sys

import pytest

from local_dsql.postgres.account import UserNamespace, choose_account

FORKS = """
import os, subprocess, threading, time
from local_dsql.postgres.account import UserNamespace, child_setup

os.register_at_fork(after_in_child=lambda: threading.Thread(target=time.sleep, args=(0.05,)).start())
done = subprocess.run(["id", "-u"], preexec_fn=child_setup(UserNamespace()), capture_output=True, text=True)
print(done.returncode, done.stdout.strip(), done.stderr.strip())
"""


@pytest.mark.skipif(
    not isinstance(choose_account(), UserNamespace), reason="needs root, and leave to make user namespaces"
)
def test_threads_of_fork_hooks_are_waited_for() -> None:
    """A process with threads may not leave its user namespace; OpenTelemetry's SDK starts threads in every child."""
    ran = subprocess.run([sys.executable, "-c", FORKS], capture_output=True, text=True, check=True)
    assert ran.stdout == "0 65534 \n"
