"""Check of the functions that the runtime runs in a transaction."""

from __future__ import annotations

from _functools import partial  # type: ignore[import-not-found]  # which `functools` exports; that one imports ten modules

_GENERATOR = 0x20 | 0x200
"""Flags of the code of generator functions and asynchronous ones: `inspect.CO_GENERATOR`, `CO_ASYNC_GENERATOR`."""

_Code = type((lambda: None).__code__)


def refuse_generator_function(fn: object) -> None:
    """Check that a call of `fn` runs its body.

    Raises:
        TypeError: it is a generator function, whose body would run after the transaction, if at all.
    """
    while isinstance(fn, partial):
        fn = fn.func
    call = getattr(type(fn), "__call__", None)  # noqa: B004 (the method itself is asked for)
    # An object such as a mock may have any attribute, with any value.
    codes = [found for each in (fn, call) if isinstance(found := getattr(each, "__code__", None), _Code)]
    if codes and codes[0].co_flags & _GENERATOR:
        raise TypeError(
            f"{getattr(fn, '__qualname__', fn)} is a generator function: its body would run after the transaction; "
            "collect the rows and return them as a list"
        )
