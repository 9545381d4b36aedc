"""What is written once for asyncio and derived for threads is up to date."""

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
def test_a_derived_module_is_what_is_derived(name: str) -> None:
    found = (derive.PACKAGE / f"{name}.py").read_text(encoding="utf-8")
    assert found == derive.derived(name), "run: python tools/async_to_sync.py"


def test_every_module_for_asyncio_is_derived_but_what_waits() -> None:
    written = {path.stem for path in (derive.PACKAGE / "aio").glob("*.py")}
    assert written == {*derive.MODULES, "__init__", "primitives"}
