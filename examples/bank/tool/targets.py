"""Functions that make a transfer: the handler of the current folder in this process, or a function on AWS."""

from __future__ import annotations

import importlib.util
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from blocks_runtime import DistributedDatabase, sql
from blocks_runtime.errors import SerializationFailure
from examples.bank.tool.errors import ToolError
from examples.bank.tool.outcomes import Kind, Outcome

if TYPE_CHECKING:
    import threading
    from types import ModuleType

REFUSED = "TransferRefused"
"""Name of the exception of the handlers for a transfer that the bank's rules forbid."""

TRANSFER = Path("functions/transfer.py")


class Target(Protocol):
    """Makes transfers; safe to use from several threads."""

    def connect(self, all_connected: threading.Barrier) -> None:
        """Open a connection for the calling thread, and keep it until all threads have one."""

    def transfer(self, event: dict[str, Any]) -> Outcome:
        """Make a transfer."""


class Handler:
    """The handler of the step in the current folder, called in this process with the project's local database.

    Args:
        connections: connections to use. On Lambda each sandbox has one.
    """

    def __init__(self, connections: int) -> None:
        self.module = step_module(TRANSFER)
        self.module.db = DistributedDatabase("main", max_connections=connections)  # type: ignore[attr-defined]

    @property
    def database(self) -> DistributedDatabase:
        """The database of the handler."""
        found = self.module.db
        assert isinstance(found, DistributedDatabase)
        return found

    def connect(self, all_connected: threading.Barrier) -> None:
        with self.database.transaction() as tx:
            tx.query(sql("SELECT 1"))
            all_connected.wait()

    def transfer(self, event: dict[str, Any]) -> Outcome:
        started = time.perf_counter()
        kind, attempts, error = Kind.MADE, 1, ""
        try:
            attempts = self.module.handler(event, None)["attempts"]
        except SerializationFailure as conflict:
            kind, attempts = Kind.CONFLICT, conflict.attempts
        except Exception as failure:
            kind = Kind.REFUSED if type(failure).__name__ == REFUSED else Kind.ERROR
            error = f"{type(failure).__name__}: {failure}"
        return Outcome(kind, attempts, time.perf_counter() - started, error)


class DeployedFunction:
    """A function on AWS, invoked by boto3 with the credentials of the environment.

    Args:
        name: name of the function.
        connections: concurrent invocations.
    """

    def __init__(self, name: str, connections: int) -> None:
        import boto3
        from botocore.config import Config

        self._name = name
        self._client = boto3.client("lambda", config=Config(max_pool_connections=connections))

    def connect(self, all_connected: threading.Barrier) -> None:
        all_connected.wait()

    def transfer(self, event: dict[str, Any]) -> Outcome:
        started = time.perf_counter()
        answer = self._client.invoke(FunctionName=self._name, Payload=json.dumps(event).encode())
        payload = json.loads(answer["Payload"].read())
        seconds = time.perf_counter() - started
        if "FunctionError" not in answer:
            return Outcome(Kind.MADE, payload["attempts"], seconds)
        kinds = {REFUSED: Kind.REFUSED, SerializationFailure.__name__: Kind.CONFLICT}
        error = f"{payload.get('errorType')}: {payload.get('errorMessage')}"
        return Outcome(kinds.get(payload.get("errorType"), Kind.ERROR), 1, seconds, error)


def step_module(path: Path) -> ModuleType:
    """Import a file of the step in the current folder.

    Raises:
        ToolError: the current folder has no such file.
    """
    spec = importlib.util.spec_from_file_location(f"bank_{path.stem}", path)
    if spec is None or spec.loader is None or not path.exists():
        raise ToolError(
            f"{path} is not here; change into the folder of a step that has it, such as step5_conflicts"
        )
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module
