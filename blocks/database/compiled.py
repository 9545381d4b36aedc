"""The migrations of a database, compiled at synth."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import Annotations

from dsql_dialect import profile
from dsql_dialect.migrations import CompiledMigrations, compile_folder

if TYPE_CHECKING:
    import os

    from constructs import Construct


def compile_migrations(
    database: Construct, folder: str | os.PathLike[str] | None, dialect: str
) -> CompiledMigrations:
    """Return the compiled migrations of a folder, none without a folder; warn about an empty folder.

    Raises:
        MigrationErrors: DSQL would refuse a migration; lists every place, rule and remedy.
        ValueError: there is no such dialect.
    """
    chosen = profile(dialect)
    if folder is None:
        return CompiledMigrations(chosen.name, ())
    compiled = compile_folder(folder, chosen)
    if not compiled.migrations:
        Annotations.of(database).add_warning_v2(
            "@blocks/dsql:noMigrations",
            f"{database.node.path} has no migrations: the folder {folder} has no NNN_name.sql; "
            "leave the option out if that is meant",
        )
    return compiled
