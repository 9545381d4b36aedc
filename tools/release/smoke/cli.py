"""The extra `cli`: `blocks init`, `lint`, `up` and `status`, in a new project on a local database."""

import subprocess
import sys
import tempfile
from pathlib import Path


def blocks(*arguments: str, exits: int = 0) -> str:
    """Run the command in the current folder and return its output."""
    program = Path(sys.executable).with_name("blocks")
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False, cwd=folder)
    assert done.returncode == exits, (arguments, done.returncode, done.stdout, done.stderr)
    return done.stdout + done.stderr


with tempfile.TemporaryDirectory() as folder:
    blocks("init", ".")
    assert "no problems found" in blocks("lint")
    assert "001_create_orders" in blocks("up")
    assert "001_create_orders" in blocks("status")
    (Path(folder) / "migrations" / "002_clear.sql").write_text("TRUNCATE orders;\n")
    assert "TRUNCATE is not supported" in blocks("lint", exits=2)
