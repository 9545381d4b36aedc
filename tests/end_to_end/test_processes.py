"""An interrupted or killed demo leaves no process."""

from __future__ import annotations

import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.end_to_end.conftest import ROOT
from tests.support.processes import processes_of, wait_until

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    "how",
    [
        pytest.param(signal.SIGINT, id="ctrl-c"),
        pytest.param(signal.SIGKILL, id="kill -9", marks=pytest.mark.slow),
    ],
)
def test_a_killed_demo_leaves_no_process(tmp_path: Path, how: signal.Signals) -> None:
    demo = subprocess.Popen(
        [sys.executable, "-m", "examples.bank.demo", str(tmp_path)],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert demo.stderr is not None
    with demo:
        for line in demo.stderr:
            if "transfers," in line:
                break
        wait_until(lambda: any("postgres" in process.command for process in processes_of(tmp_path)))
        demo.send_signal(how)
        demo.stderr.close()
        assert demo.wait(10) != 0
    wait_until(lambda: not processes_of(tmp_path))
