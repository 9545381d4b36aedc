"""`blocks dev` as a process."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
from pathlib import Path

ROOT = Path(__file__).parents[2]


class DevProcess:
    """A running `blocks dev`, with the lines that it has printed."""

    def __init__(self, folder: Path, *options: str) -> None:
        packages = os.pathsep.join([str(ROOT), str(ROOT / "runtime")])
        environment = {**os.environ, "PYTHONPATH": packages, "AWS_REGION": "eu-west-1"}
        command = [sys.executable, "-m", "blocks_cli.main", "dev", *options]
        self.process = subprocess.Popen(
            command, cwd=folder, env=environment, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
        )
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        self.printed: list[str] = []

    def wait_for(self, text: str) -> str:
        """Return the next line with this text."""
        while True:
            line = self._lines.get(timeout=60)
            self.printed.append(line)
            if text in line:
                return line

    def url(self) -> str:
        """Wait for the URL of the endpoint and return it."""
        (found,) = [word for word in self.wait_for("http://").split() if word.startswith("http://")]
        return found

    def end(self, number: int = signal.SIGINT) -> int:
        """Send a signal and return the exit code."""
        self.process.send_signal(number)
        code = self.process.wait(30)
        self._reader.join()
        assert self.process.stderr
        self.process.stderr.close()
        return code

    def _read(self) -> None:
        assert self.process.stderr
        for line in self.process.stderr:
            self._lines.put(line.rstrip("\n"))
