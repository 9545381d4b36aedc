"""`python -m tests.support.offline MODULE …`: run a module without network, not even loopback."""

from __future__ import annotations

import ctypes
import os
import runpy
import sys
from pathlib import Path

NEW_USER, NEW_NETWORK = 0x10000000, 0x40000000


def leave_the_network() -> bool:
    """Enter an empty network namespace; return whether the kernel permits it."""
    user, group = os.getuid(), os.getgid()
    if sys.platform != "linux" or ctypes.CDLL(None).unshare(NEW_USER | NEW_NETWORK) != 0:
        return False
    for file, text in {
        "setgroups": "deny",
        "uid_map": f"{user} {user} 1",
        "gid_map": f"{group} {group} 1",
    }.items():
        Path("/proc/self", file).write_text(text, encoding="ascii")
    if user != 0:
        # Root's folders have no owner in this user namespace, and jsii refuses a cache below such a folder.
        os.environ["JSII_RUNTIME_PACKAGE_CACHE"] = "disabled"
    return True


if __name__ == "__main__":
    print("offline" if leave_the_network() else "online", flush=True)
    sys.argv = sys.argv[1:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
