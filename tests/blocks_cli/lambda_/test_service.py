"""The local Lambda service: versions of a function."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from blocks_cli.lambda_.code_store import CodeStore
from blocks_cli.lambda_.service import LambdaService
from tests.support.lambda_functions import CREDENTIALS, Workbench
from tests.support.processes import wait_until

if TYPE_CHECKING:
    from pathlib import Path

VERSION = """
import os, pathlib, time
def handler(event, context):
    if event:
        print("started")
        while not pathlib.Path(event, "go").exists():
            time.sleep(0.01)
    return os.environ["VERSION"]
"""


def test_a_new_version_refuses_no_invocation(tmp_path: Path) -> None:
    """A running invocation ends with its version; the next one has the new version."""
    made, lines = Workbench(tmp_path), list[str]()
    service = LambdaService(
        CodeStore(tmp_path / "code"),
        tmp_path / "links",
        tmp_path / "temporary",
        lambda role: CREDENTIALS,
        lambda function, line: lines.append(line),
    )
    old, new = (made.configuration(VERSION, environment={"VERSION": name}) for name in ("old", "new"))
    service.put(old)
    with ThreadPoolExecutor() as pool:
        running = pool.submit(service.invoke, old.arn, str(tmp_path))
        wait_until(lambda: "started" in lines)
        service.put(new)
        assert service.invoke(new.arn, None).payload == "new"
        (tmp_path / "go").touch()
        assert running.result().payload == "old"
    assert [service.invoke(new.arn, None).payload for _ in range(2)] == ["new", "new"]
    service.close()
    made.close()
