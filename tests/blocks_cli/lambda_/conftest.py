"""A workbench for functions, under each runtime client that exists here."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from blocks_cli.lambda_.packages import RUNTIME_CLIENT, installed
from blocks_cli.lambda_.sandbox import BOOTSTRAP
from tests.blocks_cli.lambda_.functions import Workbench

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CLIENTS = {"awslambdaric": RUNTIME_CLIENT, "ours": str(BOOTSTRAP)}


@pytest.fixture(params=[*CLIENTS.values()], ids=[*CLIENTS])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Workbench]:
    """One workbench per runtime client: they must not differ in anything a function can tell."""
    if request.param == RUNTIME_CLIENT and not installed(RUNTIME_CLIENT):
        pytest.skip("Lambda's runtime client exists for Linux only")
    made = Workbench(tmp_path, client=request.param)
    yield made
    made.close()


@pytest.fixture
def plain_bench(tmp_path: Path) -> Iterator[Workbench]:
    """A workbench with the runtime client that would be chosen."""
    made = Workbench(tmp_path)
    yield made
    made.close()
