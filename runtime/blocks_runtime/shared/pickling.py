"""Pickling of objects that have connections."""

from __future__ import annotations

from _thread import allocate_lock  # `threading` itself is loaded with the first call

TYPE_CHECKING = False  # `typing` costs more to import than the whole runtime
if TYPE_CHECKING:
    from typing import Any


class PickledUnconnected:
    """An object that is pickled and copied with its options alone, and connects with its first call.

    So it can be passed to a process that `multiprocessing` starts. `_engine` has the connections, `_lock` guards it.
    """

    def __getstate__(self) -> dict[str, Any]:
        """Return the attributes without connections."""
        return {name: value for name, value in vars(self).items() if name not in ("_engine", "_lock")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Set the attributes of an object that is not connected."""
        vars(self).update(state, _engine=None, _lock=allocate_lock())
