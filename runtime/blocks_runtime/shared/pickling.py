"""Pickling of objects that have connections."""

from __future__ import annotations

from _thread import allocate_lock

TYPE_CHECKING = False  # `typing` costs more to import than the whole runtime
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import NoReturn, TypeVar

    T = TypeVar("T")

    Reduced = tuple[Callable[[type[T], Mapping[str, object]], T], tuple[type[T], Mapping[str, object]]]


def unconnected(given: T) -> Reduced[T]:
    """Return how to make a copy of a database or table that is not connected, for `__reduce__`.

    So it can be passed to a process that `multiprocessing` starts. `_engine` has the connections, `_lock` guards it.
    """
    options = {name: value for name, value in vars(given).items() if name not in ("_engine", "_lock")}
    return make, (type(given), options)


def refuse(given: object) -> NoReturn:
    """Refuse to pickle a part of a table, for `__reduce__`.

    Raises:
        TypeError: always.
    """
    raise TypeError(
        f"{given!r} has the connections of this process and cannot be pickled; pass the table, and make it from that"
    )


def make(kind: type[T], options: Mapping[str, object]) -> T:
    """Return an object of a class with its options, not connected."""
    made = kind.__new__(kind)
    vars(made).update(options, _engine=None, _lock=allocate_lock())
    return made
