"""`[tool.blocks]` in pyproject.toml."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from blocks_runtime.contract import variable_prefix
from blocks_runtime.shared.project import SETTINGS_FILE, SETTINGS_TABLE, written_settings
from blocks_settings.errors import SettingsError
from blocks_settings.keys import DATABASE, KEYS, OF_ONE_DATABASE, PER_DATABASE, near
from blocks_settings.toml_lines import lines_of_keys
from blocks_settings.value import Setting, Source

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from blocks_settings.keys import Key
    from blocks_settings.value import T

_TABLE = ".".join(SETTINGS_TABLE)
_DATABASES = "databases"
"""Table with a table for each database that differs from the others."""


@dataclass(frozen=True, slots=True)
class ProjectFile:
    """The settings of one file; `path` is None if the project has none."""

    path: Path | None = None
    text: str = ""
    table: Mapping[str, object] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        """Folder of the file, which paths are relative to."""
        assert self.path is not None
        return self.path.parent

    @classmethod
    def of(cls, directory: Path) -> ProjectFile:
        """Read the nearest pyproject.toml upwards that has the table `tool.blocks`.

        Raises:
            SettingsError: the file is not TOML, or has unknown or invalid settings.
        """
        for folder in (directory, *directory.parents):
            if (written := written_settings(folder)) is not None:
                return cls._of_table(folder / SETTINGS_FILE, *written)
        return cls()

    @classmethod
    def _of_table(cls, path: Path, text: str, table: object) -> ProjectFile:
        if not isinstance(table, dict):
            raise SettingsError(
                f"{path}: tool.blocks is not a table",
                f"it is {table!r}",
                f"write [{_TABLE}], then a line each",
            )
        file = cls(path, text, cast("dict[str, object]", table))
        file._check()
        return file

    @property
    def databases(self) -> tuple[str, ...]:
        """Ids of the databases with a table of their own."""
        tables = self.table.get(_DATABASES)
        return tuple(tables) if isinstance(tables, dict) else ()

    def get(self, key: Key[T], database: str | None) -> Setting[T] | None:
        """Return a setting: that of `database` if it has a table with it, else that of the project."""
        if self.path is None:
            return None
        name, own = self._own(database)
        table, section = (own, (_DATABASES, name)) if key.name in own else (self.table, ())
        if key.name not in table or (table is self.table and not self._applies(key, database)):
            return None
        place = self._place(*section, key.name)
        try:
            return Setting(key.read(table[key.name], self.folder), Source.FILE, place)
        except ValueError as error:
            raise _invalid(place, key.name, error) from None

    def _applies(self, key: Key[T], database: str | None) -> bool:
        """Return whether a setting of the project applies to a database: not the folder and port of another one."""
        own = self.table.get(DATABASE.name, DATABASE.default(self.folder))
        shared = database is None or key.name not in OF_ONE_DATABASE
        return shared or variable_prefix(str(own)) == variable_prefix(str(database))

    def _own(self, database: str | None) -> tuple[str, Mapping[str, object]]:
        """Return the name and the table of a database, whose name counts as variables spell it."""
        tables = cast("Mapping[str, Mapping[str, object]]", self.table.get(_DATABASES, {}))
        for name, table in tables.items() if database else ():
            if variable_prefix(name) == variable_prefix(database or name):
                return name, table
        return "", {}

    def _check(self) -> None:
        names = [key.name for key in KEYS]
        self._check_table(self.table, (), (*names, _DATABASES))
        tables = self.table.get(_DATABASES, {})
        if not isinstance(tables, dict) or not all(isinstance(each, dict) for each in tables.values()):
            raise SettingsError(
                f"{self._place(_DATABASES)}: {_DATABASES} is not a table of tables",
                f"it is {tables!r}",
                f"write [{_TABLE}.{_DATABASES}.NAME], then a line each",
            )
        for name, table in cast("dict[str, dict[str, object]]", tables).items():
            self._check_table(table, (_DATABASES, name), PER_DATABASE)

    def _check_table(
        self, table: Mapping[str, object], section: tuple[str, ...], known: tuple[str, ...]
    ) -> None:
        for name, value in table.items():
            if name not in known:
                place = self._place(*section, name)
                choices = f"the settings are {', '.join(known)}"
                raise SettingsError(
                    f"{place}: unknown setting {name}",
                    choices,
                    near(name, known, otherwise="remove the line"),
                )
            for key in KEYS:
                if key.name == name:
                    try:
                        key.read(value, self.folder)
                    except ValueError as error:
                        raise _invalid(self._place(*section, name), name, error) from None

    def _place(self, *name: str) -> str:
        """Return file and line of a setting, whose path in the table is `name`."""
        return f"{self.path}:{lines_of_keys(self.text)[*SETTINGS_TABLE, *name]}"


def _invalid(place: str, name: str, error: ValueError) -> SettingsError:
    why, _, remedy = str(error).partition("; ")
    return SettingsError(f"{place}: invalid {name}", why, remedy or "correct the line")
