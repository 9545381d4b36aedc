"""How rows are made: dicts by column name, or whatever class the caller asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from psycopg.rows import dict_row, tuple_row

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Factory: TypeAlias = Callable[[Any], Callable[[Sequence[Any]], Any]]
    """What psycopg asks, for a cursor, how to make its rows."""


def factory(row_type: type[Any] | None) -> Factory:
    """Return what makes rows for psycopg: dicts for None or `dict`, tuples for `tuple` or `tuple[int, str]`.

    Any other class is called with the columns as keyword arguments: a dataclass, a NamedTuple, a TypedDict.

    Raises:
        TypeError: `row_type` is no class.
    """
    kind = getattr(row_type, "__origin__", row_type)  # what stands in brackets is for the type checker
    if kind is None or kind is dict:
        return dict_row
    if kind is tuple:
        return tuple_row
    if not isinstance(kind, type):
        raise TypeError(f"row_type is {row_type!r}; give a class, such as a dataclass, or `tuple`")
    return _of(kind)


def _of(row_type: type[Any]) -> Factory:
    """Return a factory for rows of a class, whose error for columns that do not fit says which they are."""

    def make_maker(cursor: Any) -> Callable[[Sequence[Any]], Any]:
        names = [column.name for column in cursor.description or ()]

        def make(values: Sequence[Any]) -> Any:
            try:
                return row_type(**dict(zip(names, values, strict=True)))
            except TypeError as error:
                raise TypeError(
                    f"a row with the columns {', '.join(names)} makes no {row_type.__name__}: {error}; "
                    "select exactly the columns that the class has, with AS where the names differ, "
                    "or take plain values as `tuple`"
                ) from error

        return make

    return make_maker
