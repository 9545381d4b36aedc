"""New processes: cost of the import, and time until the first row."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

from benchmarks.harness import Measured, compare, costs, measured

if TYPE_CHECKING:
    from collections.abc import Callable

_LOGIN = (
    'host=os.environ["PEER_HOST"], hostaddr="127.0.0.1", port=int(os.environ["PEER_PORT"]), user="app",'
    ' dbname="postgres", sslmode="verify-full", sslrootcert=os.environ["PEER_CA"], sslnegotiation="direct",'
    " autocommit=True"
)
_QUERY = 'assert connection.execute("SELECT v FROM lookup WHERE id = %s", (17,)).fetchone() == ("v17",)'

_DONE = "os._exit(0)"  # The first row has arrived; the interpreter's shutdown is not part of a cold start.

PROGRAMS = {
    "bare interpreter": "pass",
    "import blocks_runtime": "import blocks_runtime",
    "ours": (
        "import os\nfrom blocks_runtime import DistributedDatabase, sql\n"
        'db = DistributedDatabase("main")\n'
        'assert db.query_one(sql("SELECT v FROM lookup WHERE id = {id}", id=17)) == {"v": "v17"}\n'
        f"{_DONE}"
    ),
    "connector + psycopg": (
        "import os, aurora_dsql_psycopg\n"
        f'with aurora_dsql_psycopg.connect(region="us-east-1", {_LOGIN}) as connection:\n    {_QUERY}\n    {_DONE}'
    ),
    "boto3 + psycopg by hand": (
        "import os, boto3, psycopg\n"
        'client = boto3.client("dsql", region_name="us-east-1")\n'
        'token = client.generate_db_connect_auth_token(os.environ["PEER_HOST"], "us-east-1")\n'
        f"with psycopg.connect(password=token, {_LOGIN}) as connection:\n    {_QUERY}\n    {_DONE}"
    ),
}


def imports(turns: int = 31) -> list[Measured]:
    """Return the CPU time that importing the runtime adds to a bare interpreter; other programs do not affect it."""
    _cpu("import blocks_runtime")
    pairs = [(_cpu("bare interpreter"), _cpu("import blocks_runtime")) for _ in range(turns)]
    return [
        measured(
            "import blocks_runtime, processor time over a bare interpreter",
            "ours",
            "",
            [(ours - bare) * 1000 for bare, ours in pairs],
            unit="ms",
            bar=15,
            more_is_better=False,
        )
    ]


def _cpu(name: str) -> float:
    """Return the CPU seconds of a program in a new process."""
    process = subprocess.Popen([sys.executable, "-c", PROGRAMS[name]], env=_environment())
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return used.ru_utime + used.ru_stime


def cold_starts(turns: int = 15) -> list[Measured]:
    """Return the time of a new process to import, sign, connect and read a row, for us and the peers."""
    peers = ("connector + psycopg", "boto3 + psycopg by hand")
    results = compare({name: _runs(name) for name in ("ours", *peers)}, turns=turns, window=0)
    return costs("cold start: new process to first row", results, ours="ours", bars=dict.fromkeys(peers, 0.5))


def _runs(name: str) -> Callable[[], object]:
    return lambda: subprocess.run([sys.executable, "-c", PROGRAMS[name]], check=True, env=_environment())


def _environment() -> dict[str, str]:
    """Return an environment with a bytecode cache, so that no process compiles psycopg."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
