"""The first code of a sandbox: arrange its end with the parent process, then run the runtime client.

Runs under the function's interpreter (3.10 and newer), which cannot import this package: standard library only.

    python -S launch.py PARENT CLIENT HANDLER

PARENT is the pid of the parent, or `-` on systems without a parent-death signal, where the parent holds the other end
of standard input. CLIENT is `awslambdaric`, or the path of `bootstrap.py`.
"""

import ctypes
import os
import runpy
import signal
import site
import sys
import threading

_PR_SET_PDEATHSIG = 1


def exit_with_parent(parent: str) -> None:
    """End this process when its parent ends: also after SIGKILL of the parent, and also in a busy loop."""
    if parent == "-":
        threading.Thread(target=_exit_at_end_of_input, daemon=True).start()
        return
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != int(parent):  # the parent ended before the request
        os._exit(1)


def _exit_at_end_of_input() -> None:
    """Exit at the end of standard input: only the parent holds the other end of the pipe."""
    while os.read(0, 4096):
        pass
    os._exit(1)


def main(parent: str, client: str, handler: str) -> None:
    """Run `client` as the main program, with the function's folders first on `sys.path`."""
    exit_with_parent(parent)
    # Lambda imports site; -S only excludes the packages of this machine.
    site.setquit()  # type: ignore[attr-defined,unused-ignore]
    del sys.path[0]  # the folder of this file
    sys.argv = [client, handler]
    if client.endswith(".py"):
        runpy.run_path(client, run_name="__main__")
    else:
        runpy.run_module(client, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3])
