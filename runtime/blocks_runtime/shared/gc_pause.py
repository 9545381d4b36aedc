"""Pause of the garbage collector during imports.

The driver and its dependencies are about a hundred modules, whose objects stay. So many allocations trigger the
collector again and again, and it frees nothing; pausing it saves a tenth of a cold start (`make bench`).
"""

from __future__ import annotations

import gc

TYPE_CHECKING = False  # `typing` costs more to import than the whole runtime
if TYPE_CHECKING:
    from types import TracebackType


_FROZEN = 1000
"""Objects; an app that calls `gc.freeze` has more, and Python 3.12 starts with some hundred of its own."""


class GcPaused:
    """Context manager that pauses the garbage collector; objects made meanwhile join the oldest generation."""

    def __enter__(self) -> None:
        self._was_enabled = gc.isenabled()
        gc.disable()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if not self._was_enabled:
            return
        if gc.get_freeze_count() < _FROZEN:  # an app's own freeze must be kept
            gc.freeze()
            gc.unfreeze()  # moves all into the oldest generation without traversing them
        gc.enable()
