"""The garbage collector is paused during the import of the driver, and restored afterwards."""

from __future__ import annotations

import gc
import importlib
import sys
from typing import TYPE_CHECKING

import pytest

from blocks_runtime.shared.gc_pause import GcPaused

if TYPE_CHECKING:
    from collections.abc import Iterator


SMALL = "tabnanny"
"""A module of the standard library that nothing else imports."""


@pytest.fixture(autouse=True)
def collector() -> Iterator[None]:
    sys.modules.pop(SMALL, None)
    gc.unfreeze()
    yield
    gc.enable()
    gc.freeze()  # as tests/conftest.py does


def test_objects_made_during_imports_are_old_and_still_collected() -> None:
    with GcPaused():
        importlib.import_module(SMALL)
        assert not gc.isenabled()
        cycle: list[object] = []
        cycle.append(cycle)
        made = id(cycle)
        del cycle
    assert gc.isenabled()
    assert gc.get_freeze_count() < 1000
    assert made in map(id, gc.get_objects(generation=2))
    gc.collect()
    assert made not in map(id, gc.get_objects())


def test_the_heap_is_left_alone_without_an_import() -> None:
    with GcPaused():
        assert not gc.isenabled()
        made: list[object] = [[]]
    assert gc.isenabled()
    assert id(made) in map(id, gc.get_objects(generation=0))


def test_the_collector_is_enabled_after_an_error() -> None:
    with pytest.raises(ImportError), GcPaused():
        raise ImportError
    assert gc.isenabled()


def test_a_collector_that_was_disabled_stays_disabled() -> None:
    gc.disable()
    with GcPaused():
        pass
    assert not gc.isenabled()


def test_objects_frozen_by_the_app_stay_frozen() -> None:
    gc.freeze()
    frozen = gc.get_freeze_count()
    with GcPaused():
        importlib.import_module(SMALL)
    assert gc.get_freeze_count() > frozen / 2, "all but what has ended by itself"
