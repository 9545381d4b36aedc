"""The functions of a deployment and what is under way in them."""

from __future__ import annotations

import dataclasses
import threading
from typing import TYPE_CHECKING

from blocks_cli.errors import CommandError
from blocks_cli.lambda_.function import LocalFunction
from blocks_cli.lambda_.runtime import prepare
from blocks_cli.lambda_.sandbox import Spawner
from blocks_cli.lambda_.temporary_folders import TemporaryFolders

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from blocks_cli.json_value import Json
    from blocks_cli.lambda_.code_store import CodeStore
    from blocks_cli.lambda_.configuration import FunctionConfiguration
    from blocks_cli.lambda_.result import InvocationResult
    from blocks_runtime.signing import Credentials


class LambdaService:
    """Functions by ARN, each a pool of sandboxes; thread-safe.

    `credentials` returns the credentials of a role, `on_line` gets every line a function writes along with its
    configuration. `defaults` are variables that every function gets unless it has its own.
    """

    def __init__(
        self,
        store: CodeStore,
        links: Path,
        temporary: Path,
        credentials: Callable[[str], Credentials],
        on_line: Callable[[FunctionConfiguration, str], None],
    ) -> None:
        self.defaults: Mapping[str, str] = {}
        self._store = store
        self._links = links
        self._credentials = credentials
        self._on_line = on_line
        self._spawner = Spawner(TemporaryFolders(temporary))
        self._lock = threading.Lock()
        self._functions: dict[str, LocalFunction] = {}
        self._under_way: dict[str, int] = {}

    def put(self, configuration: FunctionConfiguration) -> tuple[str, ...]:
        """Deploy a function, or a new version of it; return the notes on how it differs from Lambda.

        Raises:
            CommandError: the function cannot run locally.
        """
        current = self._functions.get(configuration.arn)
        if current and current.deployed == configuration:
            return current.notes
        environment = {**self.defaults, **configuration.environment}
        prepared = prepare(
            dataclasses.replace(configuration, environment=environment), self._store, self._links
        )
        fresh = LocalFunction(
            configuration,
            prepared,
            self._spawner,
            credentials=lambda: self._credentials(configuration.role_arn),
            on_line=lambda line: self._on_line(configuration, line),
        )
        self.remove(configuration.arn)
        self._functions[configuration.arn] = fresh
        return fresh.notes

    def remove(self, arn: str) -> None:
        """End a function's sandboxes and forget it."""
        if function := self._functions.pop(arn, None):
            function.close()

    def recycle(self) -> None:
        """End all idle sandboxes: the next invocations start with fresh credentials."""
        for function in self._functions.values():
            function.recycle()

    def get(self, arn: str) -> FunctionConfiguration | None:
        """Return the configuration of a deployed function, or None."""
        function = self._functions.get(arn)
        return function.deployed if function else None

    def invoke(self, arn: str, event: Json) -> InvocationResult:
        """Run a function and wait for what comes of it.

        Raises:
            CommandError: there is no such function.
        """
        return self._function(arn).invoke(event)

    def start(self, arn: str, event: Json, done: Callable[[InvocationResult], None] | None = None) -> None:
        """Run a function without waiting; `done` gets the result, from another thread.

        Lambda would retry a failed asynchronous event twice; a failure here is final, for it is worth a look.
        """
        function = self._function(arn)
        with self._lock:
            self._under_way[arn] = self._under_way.get(arn, 0) + 1

        def run() -> None:
            result = function.invoke(event)
            with self._lock:
                self._under_way[arn] -= 1
            if done:
                done(result)

        threading.Thread(target=run, daemon=True).start()

    def under_way(self, arn: str) -> int:
        """Return how many asynchronous invocations of a function have not ended."""
        with self._lock:
            return self._under_way.get(arn, 0)

    def close(self) -> None:
        """End every sandbox."""
        for arn in [*self._functions]:
            self.remove(arn)
        self._spawner.close()

    def _function(self, arn: str) -> LocalFunction:
        if arn not in self._functions:
            raise CommandError(
                f"no function {arn}", "it is not deployed, or cannot run locally", "deploy it first"
            )
        return self._functions[arn]
