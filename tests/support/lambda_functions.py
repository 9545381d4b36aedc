"""Functions from source text, and the variants of sandboxes to run them in."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import pytest

from blocks_cli.lambda_.code_store import CodeStore
from blocks_cli.lambda_.configuration import FunctionConfiguration
from blocks_cli.lambda_.function import LocalFunction
from blocks_cli.lambda_.packages import RUNTIME_CLIENT, installed
from blocks_cli.lambda_.runtime import prepare
from blocks_cli.lambda_.sandbox import BOOTSTRAP, ON_LINUX, Spawner
from blocks_cli.lambda_.temporary_folders import TemporaryFolders
from blocks_runtime.signing import Credentials

if TYPE_CHECKING:
    from pathlib import Path

VARIANTS: dict[str, tuple[str, bool]] = {
    "awslambdaric": (RUNTIME_CLIENT, True),
    "bootstrap": (str(BOOTSTRAP), True),
    "as on macOS": (str(BOOTSTRAP), False),
}
"""Runtime client, and whether sandboxes use the parts that only Linux has."""

CREDENTIALS = Credentials("ASIAEXAMPLE", "secret", "token")
THIS_PYTHON = f"python{sys.version_info.major}.{sys.version_info.minor}"


def skip_if_missing(client: str, on_linux: bool) -> None:
    """Skip the test on systems without this runtime client or without the parts of Linux."""
    if client == RUNTIME_CLIENT and not installed(RUNTIME_CLIENT):
        pytest.skip("awslambdaric exists for Linux only")
    if on_linux and not ON_LINUX:
        pytest.skip("Linux only")


@dataclass
class Workbench:
    """Creates functions and ends them."""

    folder: Path
    client: str | None = None
    on_linux: bool = ON_LINUX
    lines: list[str] = field(default_factory=list)
    made: list[LocalFunction] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.store = CodeStore(self.folder / "code")
        self.spawner = Spawner(TemporaryFolders(self.folder / "tmp"), on_linux=self.on_linux)

    def configuration(self, source: str, /, **settings: object) -> FunctionConfiguration:
        """Return the configuration of a function whose `index.py` is `source`."""
        base = FunctionConfiguration(
            name="Bank-Pay-1",
            arn="arn:aws:lambda:eu-west-1:000000000000:function:Bank-Pay-1",
            path="Bank/Pay",
            logical_id="Pay1",
            handler="index.handler",
            runtime=THIS_PYTHON,
            code=self.store.path(self.store.inline(source)),
            layers=(),
            environment={},
            role_arn="arn:aws:iam::000000000000:role/r",
            region="eu-west-1",
            log_group="/aws/lambda/Bank-Pay-1",
            timeout=10.0,
            memory=256,
        )
        return replace(base, **settings)  # type: ignore[arg-type]

    def function(self, source: str, /, **settings: object) -> LocalFunction:
        """Return a function ready to be invoked."""
        configuration = self.configuration(source, **settings)
        prepared = prepare(configuration, self.store, self.folder / "links")
        if self.client:
            prepared = replace(prepared, runtime=replace(prepared.runtime, client=self.client))
        made = LocalFunction(configuration, prepared, self.spawner, lambda: CREDENTIALS, self.lines.append)
        self.made.append(made)
        return made

    def close(self) -> None:
        """End every sandbox."""
        for function in self.made:
            function.close()
        self.spawner.close()
