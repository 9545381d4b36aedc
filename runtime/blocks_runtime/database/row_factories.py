"""Row factories for psycopg: dicts by column name, or instances of a class."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from psycopg.rows import dict_row, tuple_row

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Factory: TypeAlias = Callable[[Any], Callable[[Sequence[Any]], Any]]
    """Row factory protocol of psycopg: from a cursor to a function that makes a row of its values."""


def factory(row_type: type[Any] | None) -> Factory:
    """Return the row factory for a class: dicts for None or `dict`, tuples for `tuple` or `tuple[int, str]`.

    Any other class is called with the columns as keyword arguments: a dataclass, a NamedTuple, a TypedDict.

    Raises:
        TypeError: `row_type` is not a class.
    """
    kind = getattr(row_type, "__origin__", row_type)  # the part in brackets is for the type checker
    if kind is None or kind is dict:
        return dict_row
    if kind is tuple:
        return tuple_row
    if not isinstance(kind, type):
        raise TypeError(f"row_type is {row_type!r}; give a class, such as a dataclass, or `tuple`")
    return _of(kind)


def _of(row_type: type[Any]) -> Factory:
    """Return a factory for rows of a class; its error for columns that do not fit names them."""

    def make_maker(cursor: Any) -> Callable[[Sequence[Any]], Any]:
        names = [column.name for column in cursor.description or ()]

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
