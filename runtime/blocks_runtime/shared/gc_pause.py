"""Pause of the garbage collector during imports.

The driver and its dependencies are about a hundred modules, whose objects stay. So many allocations trigger the
collector again and again, and it frees nothing; pausing it saves a tenth of a cold start (`make bench`).
"""

from __future__ import annotations

import gc
import sys

TYPE_CHECKING = False  # `typing` costs more to import than the whole runtime
if TYPE_CHECKING:
    from types import TracebackType


_FROZEN = 1000
"""Objects; an app that calls `gc.freeze` has more, and Python 3.12 starts with some hundred of its own."""


class GcPaused:
    """Context manager that pauses the garbage collector; after imports the objects made join the oldest generation.

    Without an import there are few of them, and the heap is left alone: `gc.get_freeze_count` looks at each object that
    an app has frozen, which takes tens of milliseconds for a million.
    """

    def __enter__(self) -> None:
        self._was_enabled = gc.isenabled()
        self._modules = len(sys.modules)
        gc.disable()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if not self._was_enabled:
            return
        imported = len(sys.modules) > self._modules
        if imported and gc.get_freeze_count() < _FROZEN:  # an app's own freeze must be kept
            gc.freeze()
            gc.unfreeze()  # moves all into the oldest generation without traversing them
        gc.enable()
