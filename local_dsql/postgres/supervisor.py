"""Run a program and stop it when the other end of standard input closes.

For systems without a parent-death signal: the parent holds the write end of a pipe, which the kernel closes when the
parent ends. Runs as a script (`python -I supervisor.py program …`) and imports nothing of this package.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

_FORWARDED = (signal.SIGINT, signal.SIGTERM)


def main(command: list[str]) -> int:
    """Run `command` until it ends, send it SIGQUIT at the end of standard input, and return its exit status."""
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    for number in _FORWARDED:
        signal.signal(number, lambda received, _frame: child.send_signal(received))
    threading.Thread(target=_stop_at_end_of_input, args=(child,), daemon=True).start()
    status = child.wait()
    if status < 0:  # end by the same signal, so that the parent sees it
        signal.signal(-status, signal.SIG_DFL) if -status != signal.SIGKILL else None
        os.kill(os.getpid(), -status)
    return status


def _stop_at_end_of_input(child: subprocess.Popen[bytes]) -> None:
    while os.read(0, 1):
        pass
    child.send_signal(signal.SIGQUIT)  # immediate shutdown: no client is left


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
