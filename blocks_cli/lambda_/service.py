"""The functions of a deployment and their asynchronous invocations."""

from __future__ import annotations

import contextlib
import dataclasses
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from blocks_cli.errors import CommandError
from blocks_cli.lambda_.function import LocalFunction
from blocks_cli.lambda_.runtime import prepare
from blocks_cli.lambda_.sandbox import Spawner
from blocks_cli.lambda_.temporary_folders import TemporaryFolders

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from blocks_cli.json_value import Json
    from blocks_cli.lambda_.code_store import CodeStore
    from blocks_cli.lambda_.configuration import FunctionConfiguration
    from blocks_cli.lambda_.result import InvocationResult, RuntimeResponse
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
        self._retired: list[LocalFunction] = []
        self._staged: dict[str, LocalFunction] | None = None
        self._under_way: dict[str, int] = {}

    def put(self, configuration: FunctionConfiguration, *, at_once: bool = True) -> tuple[str, ...]:
        """Deploy a function, or a new version of it; return notes on differences from Lambda.

        Invocations that run go on with the version they began with. Within `staging`, a new version is only staged
        unless it is needed `at_once`.

        Raises:
            CommandError: the function cannot run locally.
        """
        current = self._functions.get(configuration.arn)
        if current and current.deployed == configuration:
            if self._staged:
                self._staged.pop(configuration.arn, None)
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
        if current and self._staged is not None and not at_once:
            self._staged[configuration.arn] = fresh
        else:
            self._switch(fresh)
        return fresh.notes

    @contextlib.contextmanager
    def staging(self) -> Iterator[dict[str, RuntimeResponse]]:
        """Stage new versions of functions; at the end, start each and switch to it if its init phase succeeds.

        The yielded dictionary has the errors of the others by ARN at the end; their last version goes on.
        """
        failures: dict[str, RuntimeResponse] = {}
        self._staged = {}
        try:
            yield failures
        finally:
            staged, self._staged = self._staged, None
            if staged:
                with ThreadPoolExecutor(len(staged)) as executor:
                    found = executor.map(self._activate, staged.values())
                    failures |= {arn: error for arn, error in zip(staged, found, strict=True) if error}

    def _activate(self, fresh: LocalFunction) -> RuntimeResponse | None:
        if failure := fresh.warm_up():
            return failure
        self._switch(fresh)
        return None

    def _switch(self, fresh: LocalFunction) -> None:
        with self._lock:
            current = self._functions.get(fresh.deployed.arn)
            self._functions[fresh.deployed.arn] = fresh
        if current:
            current.retire()
            with self._lock:
                self._retired = [each for each in (*self._retired, current) if not each.is_unused]

    def warm_up(self) -> None:
        """Start a sandbox of each function that has none, so that the first invocation does not wait."""
        cold = [each for each in [*self._functions.values()] if each.is_unused]
        with ThreadPoolExecutor() as executor:
            list(executor.map(LocalFunction.warm_up, cold))

    def restart(self) -> None:
        """End the sandboxes of all functions, so that the next ones get new credentials."""
        for function in [*self._functions.values()]:
            function.recycle()

    def trim(self, seconds: float) -> None:
        """End the sandboxes that were idle for `seconds`, except one for each function."""
        for function in [*self._functions.values()]:
            function.trim(seconds)

    def remove(self, arn: str) -> None:
        """Remove a function and end its sandboxes."""
        if function := self._functions.pop(arn, None):
            function.close()

    def get(self, arn: str) -> FunctionConfiguration | None:
        """Return the configuration of a deployed function, or None."""
        function = self._functions.get(arn)
        return function.deployed if function else None

    def invoke(self, arn: str, event: Json) -> InvocationResult:
        """Run a function and wait for the result.

        Raises:
            CommandError: the function does not exist.
        """
        return self._function(arn).invoke(event)

    def start(self, arn: str, event: Json, done: Callable[[InvocationResult], None] | None = None) -> None:
        """Run a function without waiting; `done` gets the result in another thread.

        Lambda retries a failed asynchronous event twice; here there are no retries, so that errors are noticed.
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
        """Return the number of running asynchronous invocations of a function."""
        with self._lock:
            return self._under_way.get(arn, 0)

    def close(self) -> None:
        """End all sandboxes."""
        for arn in [*self._functions]:
            self.remove(arn)
        for function in self._retired:
            function.close()
        self._spawner.close()

    def _function(self, arn: str) -> LocalFunction:
        if arn not in self._functions:
            raise CommandError(
                f"unknown function {arn}", "it is not deployed, or cannot run locally", "deploy it first"
            )
        return self._functions[arn]
