"""pyright agrees with mypy on the types of the public calls, and checks t-strings, which mypy's version here cannot."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PYRIGHT = ROOT / "node_modules" / ".bin" / "pyright"
SNIPPETS = [Path(__file__).parent / name for name in ("inferred_types.py", "refused_types.py")]

TSTRINGS = """
from typing import assert_type
from blocks_runtime import DistributedDatabase, Sql, sql

def find(db: DistributedDatabase, table: str, owner: str) -> None:
    where = t"owner = {owner}"
    statement = sql(t"SELECT * FROM {table:i} WHERE {where}")
    assert_type(statement, Sql)
    sql(f"SELECT {owner}")  # pyright: ignore[reportArgumentType]
"""


def test_pyright_infers_what_is_written_down(tmp_path: Path) -> None:
    (tmp_path / "tstrings.py").write_text(TSTRINGS, encoding="utf-8")
    for snippet in SNIPPETS:
        shutil.copy(snippet, tmp_path)
    settings = {
        "extraPaths": [str(ROOT / "runtime"), str(ROOT)],
        "pythonVersion": "3.14",
        "typeCheckingMode": "strict",
        "reportUnnecessaryTypeIgnoreComment": True,
        "enableTypeIgnoreComments": False,
        "reportUnusedFunction": False,
        "reportUnusedCoroutine": False,
    }
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(settings), encoding="utf-8")
    ran = subprocess.run(
        [PYRIGHT, "--project", tmp_path, "--pythonpath", sys.executable, "--outputjson"],
        capture_output=True,
        text=True,
        check=False,
    )
    found = json.loads(ran.stdout)
    told = [
        f"{each['file']}:{each['range']['start']['line'] + 1}: {each['message']}"
        for each in found["generalDiagnostics"]
    ]
    assert "\n".join(told) == ""
    assert found["summary"]["filesAnalyzed"] == len([*tmp_path.glob("*.py")])
