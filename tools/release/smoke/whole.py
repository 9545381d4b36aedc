"""The extras `cdk` and `cli` together, as docs/start.md installs them: deploy locally, invoke, destroy."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

BIN = Path(sys.executable).parent


def blocks(*arguments: str) -> str:
    """Run the command in the current folder and return its standard output."""
    done = subprocess.run(
        [BIN / "blocks", *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env=os.environ | {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"},
    )
    assert done.returncode == 0, (arguments, done.stdout, done.stderr)
    return done.stdout


with tempfile.TemporaryDirectory() as folder:
    blocks("init", ".")
    blocks("deploy", "--local")
    request = {"requestContext": {"http": {"method": "POST"}}, "body": json.dumps({"item": "tea"})}
    assert json.loads(blocks("invoke", "Orders", "--event", json.dumps(request)))["statusCode"] == 201
    blocks("destroy", "--local", "--purge")
