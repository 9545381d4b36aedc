"""Data of an item as an instance of a class that the caller names, the classes inside it included."""

from __future__ import annotations

import dataclasses
import types
import typing
from decimal import Decimal

from .arguments import of_type


def check_type(data_type: object) -> None:
    """Check that a caller gave a class, perhaps with parameters as in `list[Line]`, or None.

    Raises:
        TypeError: it is another value, such as an instance of the class.
    """
    kind = typing.get_origin(data_type) or data_type
    if kind is not None and (kind is types.UnionType or not isinstance(kind, type)):
        raise of_type("data_type", data_type, "the class of the data, such as a dataclass")


def typed(data: object, data_type: type[typing.Any] | None) -> typing.Any:
    """Return data as an instance of a class: a dataclass, NamedTuple or TypedDict is called with its entries.

    Its fields are made as they are annotated: Decimal (also from a number without a fraction), such classes, and
    lists, tuples, sets and dicts of them, each perhaps optional. A field whose value does not fit keeps the value.

    Raises:
        TypeError: the data does not fit.
    """
    kind = typing.get_origin(data_type) or data_type
    if kind is None:
        return data
    made = _converted(data, data_type)
    if isinstance(kind, type) and (
        type(made) is kind or (isinstance(data, dict) and typing.is_typeddict(kind))
    ):
        return made
    if not isinstance(data, dict):
        raise TypeError(f"the data is of type {type(data).__name__}, which does not fit {kind.__name__}")
    return _instance(data, kind)


def _instance(data: dict[str, typing.Any], kind: type[typing.Any]) -> typing.Any:
    hints = _annotations(kind)
    fields = {name: _converted(each, hints.get(name)) for name, each in data.items()}
    try:
        return kind(**fields)
    except TypeError as error:
        said = _difference(data, kind) or str(error)
        raise TypeError(
            f"the data does not fit {kind.__name__}: {said}; give new fields default values, keep removed ones, "
            "or read the data without a type"
        ) from error


def _difference(data: dict[str, typing.Any], kind: type[typing.Any]) -> str:
    """Return which fields the data lacks and which of its entries are no fields; "" if that is not known."""
    import inspect  # costs more to import than the whole runtime

    try:
        parameters = inspect.signature(kind).parameters.values()
    except (TypeError, ValueError):
        return ""
    if any(each.kind is not inspect.Parameter.POSITIONAL_OR_KEYWORD for each in parameters):
        return ""
    names = {each.name for each in parameters}
    lacks = [each.name for each in parameters if each.default is each.empty and each.name not in data]
    more = [name for name in data if name not in names]
    parts = [f"it has no entry {', '.join(map(repr, lacks))}"] if lacks else []
    if more:
        parts.append(f"{kind.__name__} has no field {', '.join(map(repr, more))}")
    return ", and ".join(parts)


def _converted(value: typing.Any, hint: typing.Any) -> typing.Any:
    """Return a value as its annotation says; a value that does not fit is returned as it is."""
    origin, inner = typing.get_origin(hint) or hint, typing.get_args(hint)
    match value:
        case None:
            return None
        case _ if origin in (typing.Union, types.UnionType):
            some = [each for each in inner if each is not type(None)]
            return _converted(value, some[0]) if len(some) == 1 else value
        case _ if origin in (typing.Annotated, typing.Required, typing.NotRequired):
            return _converted(value, inner[0])
        case bool():
            return value
        case int() if origin is Decimal:
            return Decimal(value)
        case dict() if origin is dict and len(inner) == 2:
            return {name: _converted(each, inner[1]) for name, each in value.items()}
        case dict() if _is_record(origin):
            return _instance(value, origin)
        case list() if origin in (list, tuple):
            return origin(map(_converted, value, _elements(inner, len(value), fixed=origin is tuple)))
        case set() if origin in (set, frozenset):
            return origin(map(_converted, value, _elements(inner, len(value), fixed=False)))
    return value


def _elements(inner: tuple[typing.Any, ...], count: int, *, fixed: bool) -> list[typing.Any]:
    """Return the annotation of each element; `fixed`: of a tuple, whose elements may have one each."""
    if not fixed or (len(inner) == 2 and inner[1] is Ellipsis):
        return [inner[0] if inner else None] * count
    return list(inner) if len(inner) == count else [None] * count


def _is_record(kind: object) -> bool:
    return isinstance(kind, type) and (
        dataclasses.is_dataclass(kind) or typing.is_typeddict(kind) or hasattr(kind, "_fields")
    )


def _annotations(kind: type) -> dict[str, typing.Any]:
    if not hasattr(kind, "__annotations__"):
        return {}
    try:
        return typing.get_type_hints(kind, include_extras=True)
    except NameError as error:
        raise TypeError(
            f"the annotations of {kind.__name__} cannot be resolved: {error}; define or import its types at the top of "
            "the module, not under TYPE_CHECKING"
        ) from error
