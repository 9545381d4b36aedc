"""Imports without the garbage collector.

The driver and what it needs are some hundred modules, whose objects stay. The collector, woken by so many new ones
again and again, finds nothing in them; leaving it asleep takes a tenth off a cold start (`make bench`).
"""

from __future__ import annotations

import gc

TYPE_CHECKING = False  # `typing` costs more to import than the whole runtime
if TYPE_CHECKING:
    from types import TracebackType


_FROZEN = 1000
"""Objects: an app that freezes has more than these, and Python 3.12 starts with some hundred of its own."""


class GcPaused:
    """A block in which no garbage is collected, and after which what is there counts as old."""

    def __enter__(self) -> None:
        self._was_enabled = gc.isenabled()
        gc.disable()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if not self._was_enabled:
            return
        if gc.get_freeze_count() < _FROZEN:  # what an app has frozen must stay so
            gc.freeze()
            gc.unfreeze()  # into the oldest generation, without a look at each object
        gc.enable()
