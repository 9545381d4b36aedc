"""A workbench for functions, with each runtime client."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.lambda_functions import VARIANTS, Workbench, skip_if_missing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(params=[*VARIANTS.values()], ids=[*VARIANTS])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Workbench]:
    """One workbench per variant: a function must not notice any difference."""
    client, on_linux = request.param
    skip_if_missing(client, on_linux)
    made = Workbench(tmp_path, client=client, on_linux=on_linux)
    yield made
    made.close()


@pytest.fixture
def plain_bench(tmp_path: Path) -> Iterator[Workbench]:
    """A workbench with the default runtime client."""
    made = Workbench(tmp_path)
    yield made
    made.close()
