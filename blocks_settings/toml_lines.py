"""Lines of the keys in a TOML file: the parser of the standard library does not return them."""

from __future__ import annotations

import functools
import tomllib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    Path = tuple[str, ...]

_ENDS = ("]", "}", '"""', "'''")
"""An expression over several lines ends with one of these; only a comment can follow."""


@functools.lru_cache(maxsize=1)
def lines_of_keys(text: str) -> Mapping[Path, int]:
    """Return the line of each key and table of a valid TOML text, from 1, by its path; elements of arrays have none.

    An expression of TOML is a header or a key with its value. It is valid without the others, so each is parsed alone,
    and a file may write its keys in any way.
    """
    found: dict[Path, int] = {}
    table: Path | None = ()
    for number, expression in _expressions(text):
        start = expression.lstrip()
        paths = [*_paths(tomllib.loads(expression))]
        if start.startswith("["):
            table = None if start.startswith("[[") else paths[-1]
            paths = [()]
        if table is not None:
            for path in paths:
                found.setdefault(table + path, number)
    return found


def _expressions(text: str) -> Iterator[tuple[int, str]]:
    """Yield each expression with the number of its first line."""
    first = 1
    lines: list[str] = []
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), 1):
        first = first if lines else number
        lines.append(line)
        if (len(lines) == 1 or _may_end(line)) and _is_complete("\n".join(lines)):
            yield first, "\n".join(lines)
            lines = []


def _may_end(line: str) -> bool:
    """Return whether an expression over several lines can end here; each attempt to parse it takes its time."""
    return line.rstrip().endswith(_ENDS) or ("#" in line and any(end in line for end in _ENDS))


def _is_complete(expression: str) -> bool:
    try:
        tomllib.loads(expression)
    except tomllib.TOMLDecodeError:
        return False
    return True


def _paths(table: Mapping[str, object], before: Path = ()) -> Iterator[Path]:
    """Yield the path of each key, the outer ones first."""
    for name, value in table.items():
        yield (*before, name)
        if isinstance(value, dict):
            yield from _paths(value, (*before, name))
