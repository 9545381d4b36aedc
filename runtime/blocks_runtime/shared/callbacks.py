"""Check of the functions that the runtime runs in a transaction."""

from __future__ import annotations

_GENERATOR = 0x20 | 0x200
"""Flags of the code of generator functions and asynchronous ones: `inspect.CO_GENERATOR`, `CO_ASYNC_GENERATOR`."""


def refuse_generator_function(fn: object) -> None:
    """Check that a call of `fn` runs its body.

    Raises:
        TypeError: it is a generator function, whose body would run after the transaction, if at all.
    """
    while hasattr(fn, "func"):  # functools.partial
        fn = fn.func
    code = getattr(fn, "__code__", None) or getattr(getattr(type(fn), "__call__", None), "__code__", None)  # noqa: B004 (the method itself is asked for)
    if getattr(code, "co_flags", 0) & _GENERATOR:
        raise TypeError(
            f"{getattr(fn, '__qualname__', fn)} is a generator function: its body would run after the transaction; "
            "collect the rows and return them as a list"
        )
