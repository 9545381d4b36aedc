"""The first code in a sandbox: tie its life to its parent's, then become the runtime client.

Runs under the function's interpreter (3.10 and newer), which knows nothing of this package: standard library
only.

    python -S launch.py PARENT_PID CLIENT HANDLER

CLIENT is `awslambdaric`, or the path of our own `bootstrap.py`.
"""

import ctypes
import os
import runpy
import signal
import site
import sys
import threading

_PR_SET_PDEATHSIG = 1


def exit_with_parent(parent: int) -> None:
    """Arrange that this process is killed when its parent goes, even by SIGKILL and even in a busy loop."""
    if sys.platform == "linux":
        if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL) != 0:
            raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
        if os.getppid() != parent:  # it was gone before we asked
            os._exit(1)
    else:
        threading.Thread(target=_exit_at_end_of_input, daemon=True).start()


def _exit_at_end_of_input() -> None:
    """Wait for the end of standard input, whose other end only the parent holds."""
    while os.read(0, 4096):
        pass
    os._exit(1)


def main(parent: int, client: str, handler: str) -> None:
    """Run `client` as the main program, with the function's folders first on the path."""
    exit_with_parent(parent)
    # Lambda's interpreter does import site; -S only keeps this machine's packages out.
    site.setquit()  # type: ignore[attr-defined,unused-ignore]
    del sys.path[0]  # the folder of this file
    sys.argv = [client, handler]
    if client.endswith(".py"):
        runpy.run_path(client, run_name="__main__")
    else:
        runpy.run_module(client, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], sys.argv[3])
