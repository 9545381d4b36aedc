"""Row factories: dicts by column name, or instances of a class."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Factory: TypeAlias = Callable[[list[str]], Callable[[Sequence[Any]], Any]]
    """From the names of the columns to a function that makes a row of its values."""


def dict_rows(names: list[str]) -> Callable[[Sequence[Any]], dict[str, Any]]:
    """Return a function that makes dicts by column name."""

    def make(values: Sequence[Any]) -> dict[str, Any]:
        return dict(zip(names, values))  # noqa: B905 (psycopg gives as many values as there are names)

    return make


def tuple_rows(_: list[str]) -> type[tuple[Any, ...]]:
    """Return `tuple` itself, which psycopg makes in C."""
    return tuple


def factory(row_type: type[Any] | None) -> Factory:
    """Return the row factory for a class: dicts for None or `dict`, tuples for `tuple` or `tuple[int, str]`.

    Any other class is called with the columns as keyword arguments: a dataclass, a NamedTuple, a TypedDict.

    Raises:
        TypeError: `row_type` is not a class.
    """
    kind = getattr(row_type, "__origin__", row_type)  # the part in brackets is for the type checker
    if kind is None or kind is dict:
        return dict_rows
    if kind is tuple:
        return tuple_rows
    if not isinstance(kind, type):
        raise TypeError(f"row_type is {row_type!r}; give a class, such as a dataclass, or `tuple`")
    return _of(kind)


def _of(row_type: type[Any]) -> Factory:
    """Return a factory for rows of a class; its error for columns that do not fit names them."""

    def make_maker(names: list[str]) -> Callable[[Sequence[Any]], Any]:
        def make(values: Sequence[Any]) -> Any:
            try:
                return row_type(**dict(zip(names, values, strict=True)))
            except TypeError as error:
                raise TypeError(
                    f"a row with the columns {', '.join(names)} does not fit {row_type.__name__}: {error}; "
                    "select exactly the columns that the class has, with AS where the names differ, "
                    "or take plain values as `tuple`"
                ) from error

        return make

    return make_maker
