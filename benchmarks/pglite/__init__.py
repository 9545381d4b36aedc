"""PGlite behind its socket server, installed by npm when it is first measured."""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent


def available() -> bool:
    """Return whether Node and npm are there."""
    return shutil.which("node") is not None and shutil.which("npm") is not None


@contextmanager
def running() -> Iterator[str]:
    """Run the server in a process of its own and yield what libpq connects with; it takes one client at a time."""
    if not (HERE / "node_modules").is_dir():
        # Its extensions are peers that npm would install too; the server runs without.
        subprocess.run(
            [
                "npm",
                "install",
                "--no-audit",
                "--no-fund",
                "--legacy-peer-deps",
                "--no-package-lock",
                "--loglevel=error",
            ],
            cwd=HERE,
            check=True,
        )
    with subprocess.Popen(
        ["node", "server.mjs"],
        cwd=HERE,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            port = int(process.stdout.readline())
            yield f"host=127.0.0.1 port={port} user=postgres dbname=postgres sslmode=disable"
        finally:
            process.stdin.close()
            process.wait(30)
