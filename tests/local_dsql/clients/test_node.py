"""node-postgres, the usual client in Node, configured only with the CA file."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from local_dsql import LocalCluster

PROJECT = Path(__file__).parents[3]
SESSION = Path(__file__).with_name("node_session.cjs")

needs_node = pytest.mark.skipif(
    shutil.which("node") is None or not (PROJECT / "node_modules" / "pg").is_dir(),
    reason="needs Node and node-postgres: install Node, then run `npm ci` in the project",
)


@needs_node
def test_session(dsql: LocalCluster) -> None:
    libpq = dsql.libpq_environment()
    given = {name: libpq[name] for name in ("PGHOST", "PGPORT", "PGUSER", "PGPASSWORD", "PGDATABASE")}
    answer = subprocess.run(
        ["node", SESSION],
        cwd=PROJECT,
        env={"PATH": os.environ["PATH"], "CA": str(dsql.ca_file), **given},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert answer.returncode == 0, answer.stderr
    seen = json.loads(answer.stdout)
    assert seen["inserted"][0] == {
        "id": 1,
        "holder": "ann",
        "taken": "2026-09-17T00:00:00.000Z",
        "note": {"row": [1, None]},
    }
    assert seen["named"] == ["ann", None, "ann"]
    assert seen["several"] == [1, 2]
    assert seen["duplicate"]["code"] == "23505"
    assert seen["refused"]["code"] == "0A000"
    assert seen["conflict"]["code"] == "40001"
    assert "OC000" in seen["conflict"]["message"]
    assert seen["winner"] == "eve"
    assert seen["counter"] == 12
    assert seen["unverified"]["code"] in {"SELF_SIGNED_CERT_IN_CHAIN", "UNABLE_TO_VERIFY_LEAF_SIGNATURE"}
    assert seen["plain"]["message"] == "unable to accept connection, SSL is mandatory"
