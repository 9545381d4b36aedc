"""The migrations of a database, compiled at synth."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from aws_cdk import Annotations

from blocks.shared.errors import ConstructError
from blocks_settings import DIALECT, MIGRATIONS, Settings
from blocks_settings.app_record import METADATA
from blocks_settings.value import WRITTEN
from dsql_dialect import profile
from dsql_dialect.migrations import CompiledMigrations, compile_folder
from dsql_dialect.profiles import DEFAULT

if TYPE_CHECKING:
    from constructs import Construct

    from blocks_settings import Setting
    from blocks_settings.value import T


def compile_migrations(
    database: Construct,
    folder: str | os.PathLike[str] | None,
    dialect: str | None,
    *,
    use_settings: bool = False,
) -> CompiledMigrations:
    """Return the compiled migrations of a folder, none without a folder; warn about an empty folder.

    The dialect is by default that of the settings, and with `use_settings` also the folder.

    Raises:
        ConstructError: an argument contradicts the settings.
        SettingsError: the settings are invalid.
        MigrationErrors: DSQL would refuse a migration; lists every place, rule and remedy.
        ValueError: there is no such dialect.
    """
    settings = Settings.of()
    name = database.node.id
    if dialect is not None:
        profile(dialect)  # an unknown name is not a contradiction
    written = settings.get_from(WRITTEN, DIALECT, name)
    chosen = profile(_agreed(database, dialect, written, "dialect") or DEFAULT.name)
    given = None if folder is None else Path(os.path.normpath(Path(folder).absolute()))
    stated = settings.file.get(MIGRATIONS, name) if use_settings else None
    found = _agreed(database, given, stated, "migrations")
    shown = None if found is None else os.path.relpath(found)
    database.node.add_metadata(METADATA, {"dialect": chosen.name, "migrations": shown or ""})
    if found is None:
        return CompiledMigrations(chosen.name, ())
    compiled = compile_folder(folder or found, chosen)
    if not compiled.migrations:
        Annotations.of(database).add_warning_v2(
            "@blocks/dsql:noMigrations",
            f"{database.node.path} has no migrations: the folder {folder or shown} has no NNN_name.sql; "
            "leave the option out if that is meant",
        )
    return compiled


def _agreed(database: Construct, given: T | None, stated: Setting[T] | None, name: str) -> T | None:
    """Return the argument of the construct, else the setting.

    Raises:
        ConstructError: they differ, so commands and app would use two values.
    """
    if given is None or stated is None or given == stated.value:
        return given if stated is None else stated.value
    raise ConstructError(
        f"{database.node.path}: {name} is {given} in the construct, but {stated.value} in {stated.place}",
        "the commands, the tests and the local database use the settings",
        f"leave {name}= out of the construct, or write the same value in both places",
    )
