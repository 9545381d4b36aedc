"""Lookup of settings: argument, environment, file, app, default."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

from blocks_runtime.shared.local_service import local_name
from blocks_runtime.shared.project import project_folder
from blocks_settings.app_record import AppRecord
from blocks_settings.errors import SettingsError
from blocks_settings.keys import DATABASE, KEYS, STACK
from blocks_settings.project_file import ProjectFile
from blocks_settings.value import Setting, Source

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from blocks_settings.keys import Key
    from blocks_settings.value import T


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of the project around a folder, as they were when it was read."""

    project: Path
    directory: Path
    environ: Mapping[str, str]
    file: ProjectFile
    app: AppRecord

    @classmethod
    def of(cls, directory: Path | None = None, environ: Mapping[str, str] | None = None) -> Settings:
        """Read the settings of the project around `directory`, by default the working directory.

        Raises:
            SettingsError: pyproject.toml or the record of the deployed app is invalid.
        """
        here = (directory or Path.cwd()).absolute()
        project = project_folder(here)
        variables = os.environ if environ is None else environ
        return cls(project, here, variables, ProjectFile.of(here), AppRecord.of(project))

    def get(
        self, key: Key[T], database: str | None = None, argument: T | None = None, option: str = ""
    ) -> Setting[T]:
        """Return a setting of a database, by default of the project's own.

        Args:
            key: the setting.
            database: id of the database; None: the database of the settings.
            argument: value that the caller was given, which precedes all others; None: it was given none.
            option: place of the argument, such as `--dialect`.

        Raises:
            SettingsError: a value is invalid; the message names its place.
        """
        if argument is not None:
            return Setting(argument, Source.ARGUMENT, option or f"--{key.name}")
        if key.name not in (DATABASE.name, STACK.name) and database is None:
            database = self.database
        return next(self._found(key, database))

    def databases(self) -> tuple[str, ...]:
        """Return the ids of the databases that the file or the app names."""
        return tuple(dict.fromkeys((*self.file.databases, *(each.id for each in self.app.databases))))

    def of_stack(self, stack: str) -> Settings:
        """Return the settings for the databases of one stack: of the app, only that stack counts."""
        databases = tuple(each for each in self.app.databases if each.stack == stack)
        return replace(self, app=AppRecord(self.project, databases))

    @property
    def database(self) -> str:
        """Id of the project's database."""
        return self.get(DATABASE).value

    @property
    def database_folder(self) -> Path:
        """Folder of the project's local database."""
        return self.folder_of(self.database)

    def folder_of(self, database: str) -> Path:
        """Return the local folder of a database: that of the stack that the settings name, if they do."""
        stack = self.get(STACK)
        named = None if stack.source in (Source.APP, Source.DEFAULT) else stack.value
        found = self.app.find(database, named) if named else None
        return self.project / ".blocks" / "local" / (found.folder if found else local_name(database))

    def get_from(
        self, sources: Collection[Source], key: Key[T], database: str | None = None
    ) -> Setting[T] | None:
        """Return a setting of a database, by default the project's own; None if it has another source than these."""
        found = next(self._found(key, database or self.database))
        return found if found.source in sources else None

    def all(self, database: str | None = None) -> dict[str, Setting[object]]:
        """Return every setting by name, for a database, by default the project's own."""
        name = database or self.database
        found = {key.name: self.get(key, name) for key in KEYS}
        return {**found, DATABASE.name: cast("Setting[object]", self.get(DATABASE, None, database))}

    def contradictions(self, database: str | None = None) -> list[str]:
        """Return a sentence for each setting that the deployed app has otherwise than file or environment."""
        database = database or self.database
        said = []
        for key in KEYS:
            first = next(self._found(key, database))
            app = self.app.get(key, database, None)
            if key.name in _APPS and app and first.source is not Source.APP and first.value != app.value:
                said.append(f"{key.name} is {first}, but the app has {app}")
        return said

    def _found(self, key: Key[T], database: str | None) -> Iterator[Setting[T]]:
        """Yield the values of a setting in the order of precedence."""
        if text := self.environ.get(key.variable):
            try:
                yield Setting(key.read(key.parse(text), self.directory), Source.ENVIRONMENT, key.variable)
            except ValueError as error:
                why, _, remedy = str(error).partition("; ")
                raise SettingsError(
                    f"{key.variable}: invalid {key.name}", why, remedy or "correct the variable"
                ) from None
        if found := self.file.get(key, database):
            yield found
        if known := self.app.get(key, database, None):
            yield known
        yield Setting(key.default(self.project), Source.DEFAULT, "default")


_APPS = ("dialect", "migrations")
"""Settings that the app states itself, so that two places can differ."""
