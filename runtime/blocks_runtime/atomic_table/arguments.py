"""Checks of arguments: a value of another type is named where it is given, not where it is used."""

from __future__ import annotations

TYPE_CHECKING = False  # `typing` costs more to import than the whole runtime
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import TypeVar

    T = TypeVar("T")


def of_type(name: str, value: object, wanted: str) -> TypeError:
    """Return the error that an argument has another type than `wanted`, which is said in words."""
    return TypeError(f"{name} is of type {type(value).__name__}; give {wanted}")


def text(name: str, value: object, wanted: str) -> str:
    """Return an argument that is text and not empty.

    Raises:
        TypeError: it is no text.
        ValueError: it is empty.
    """
    if not isinstance(value, str):
        raise of_type(name, value, wanted)
    if not value:
        raise ValueError(f"{name} is empty; give {wanted}")
    return value


def whole(name: str, value: object, least: int, most: int | None = None) -> int:
    """Return an argument that is a whole number from `least` to `most`.

    Raises:
        TypeError: it is no int.
        ValueError: it is smaller or larger.
    """
    if isinstance(value, bool) or not isinstance(value, int):
        raise of_type(name, value, "a whole number")
    if value < least or (most is not None and value > most):
        allowed = f"{least} or more" if most is None else f"{least:,} to {most:,}"
        raise ValueError(f"{name} is {value}; give {allowed}")
    return value


def switch(name: str, value: object) -> bool:
    """Return an argument that is True or False.

    Raises:
        TypeError: it is another value, such as "no", which would count as True.
    """
    if not isinstance(value, bool):
        raise of_type(name, value, "True or False")
    return value


def several(values: Iterable[T], wanted: str) -> Iterable[T]:
    """Return values that can be iterated over.

    Raises:
        TypeError: it is one value, or text, whose characters would be taken for values.
    """
    if isinstance(values, (str, bytes)) or not hasattr(values, "__iter__"):
        raise TypeError(f"{wanted}, not {type(values).__name__}")
    return values
