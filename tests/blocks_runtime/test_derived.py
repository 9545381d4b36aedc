"""The modules derived for threads are up to date with those for asyncio."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
_spec = importlib.util.spec_from_file_location("async_to_sync", ROOT / "tools" / "async_to_sync.py")
assert _spec is not None
assert _spec.loader is not None
derive = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(derive)


@pytest.mark.parametrize("name", derive.MODULES)
def test_a_derived_module_is_up_to_date(name: str) -> None:
    found = (derive.PACKAGE / f"{name}.py").read_text(encoding="utf-8")
    assert found == derive.derived(name), "run: python tools/async_to_sync.py"


def test_every_asyncio_module_but_the_primitives_is_derived() -> None:
    for block, names in derive.BLOCKS.items():
        written = {path.stem for path in (derive.PACKAGE / block / "aio").glob("*.py")}
        assert written == {*names, "__init__", "primitives"}
