"""The settings by name: type, environment variable, check and default of each."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Generic, cast

from blocks_runtime.contract import variable_prefix
from blocks_settings.regions import DEFAULT_REGION, check_distinct, check_region
from blocks_settings.value import T
from dsql_dialect.profiles import DEFAULT, NAMES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

HIGHEST_PORT = 65_535


@dataclass(frozen=True, slots=True)
class Key(Generic[T]):
    """One setting.

    `variable` is its environment variable. `read` checks a value of pyproject.toml and converts it; `parse` converts
    the text of the variable to such a value. Paths are relative to the folder that `read` gets: that of the file, or
    the working directory. `default` gets the root of the project.
    """

    name: str
    variable: str
    help: str
    read: Callable[[object, Path], T]
    default: Callable[[Path], T]
    parse: Callable[[str], object] = str


def near(name: str, names: Iterable[str], *, otherwise: str = "") -> str:
    """Return a question with the most similar name, else `otherwise`."""
    import difflib  # for an error only

    found = difflib.get_close_matches(name.lower(), [*names], 1, 0.6)
    return f"did you mean {found[0]}?" if found else otherwise


def _text(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{value!r} is not a text; write it in quotes")
    return value


def _dialect(value: object, _: Path) -> str:
    name = _text(value)
    if name not in NAMES:
        choices = f"choose one of: {', '.join(NAMES)}"
        raise ValueError(f"unknown dialect {name!r}; {near(name, NAMES, otherwise=choices)}")
    return name


def _regions(value: object, _: Path) -> tuple[str, ...]:
    if isinstance(value, str):
        value = [value]
    if not isinstance(value, list | tuple) or not value:
        raise ValueError(f'{value!r} is not a list of Regions; write it like ["{DEFAULT_REGION}"]')
    return check_distinct([check_region(_text(each)) for each in cast("list[object]", [*value])])


def _database(value: object, _: Path) -> str:
    variable_prefix(name := _text(value))
    if "/" in name or "\\" in name or name.startswith("."):
        raise ValueError(f"{name!r} is not the id of a database, but a path")
    return name


def _folder(value: object, base: Path) -> Path:
    return Path(os.path.normpath(base / Path(_text(value)).expanduser()))


def _stack(value: object, _: Path) -> str | None:
    return _text(value)


def _port(value: object, _: Path) -> int | None:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= HIGHEST_PORT:
        raise ValueError(f"{value!r} is not a port; write a number from 1 to {HIGHEST_PORT}")
    return value


def _number(text: str) -> object:
    return int(text) if text.isdecimal() else text


def _nothing(_: Path) -> None:
    return None


DATABASE: Key[str] = Key(
    "database",
    "BLOCKS_DATABASE",
    "Id of the DistributedDatabase.",
    _database,
    lambda _: "main",
)
DIALECT: Key[str] = Key(
    "dialect",
    "BLOCKS_DIALECT",
    f"SQL dialect: {', '.join(NAMES)}.",
    _dialect,
    lambda _: DEFAULT.name,
)
MIGRATIONS: Key[Path] = Key(
    "migrations",
    "BLOCKS_MIGRATIONS",
    "Folder of the migrations.",
    _folder,
    lambda root: root / "migrations",
)
REGIONS: Key[tuple[str, ...]] = Key(
    "regions",
    "BLOCKS_REGIONS",
    "Regions of the local database, the default one first.",
    _regions,
    lambda _: (DEFAULT_REGION,),
    lambda text: text.replace(",", " ").split(),
)
STACK: Key[str | None] = Key(
    "stack",
    "BLOCKS_STACK",
    "Deployed stack that is meant if several have a database or function of one name.",
    _stack,
    _nothing,
)
PORT: Key[int | None] = Key(
    "port",
    "BLOCKS_PORT",
    "Port of the local database in its first Region; the other Regions have the next ones.",
    _port,
    _nothing,
    _number,
)
KEYS = cast("tuple[Key[object], ...]", (DATABASE, DIALECT, MIGRATIONS, REGIONS, STACK, PORT))
"""All settings, in the order of `blocks config`."""

OF_ONE_DATABASE = (MIGRATIONS.name, PORT.name)
"""Settings that apply to the project's own database, and to another one only in its table."""

PER_DATABASE = (DIALECT.name, MIGRATIONS.name, REGIONS.name, STACK.name, PORT.name)
"""Settings that a table `[tool.blocks.databases.NAME]` may have."""
