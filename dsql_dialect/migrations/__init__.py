"""Migrations compiled: a folder of `NNN_name.sql` files into one manifest, or all their faults at once."""

from dsql_dialect.migrations.compiler import compile_folder
from dsql_dialect.migrations.errors import MigrationErrors, MigrationFinding
from dsql_dialect.migrations.manifest import CompiledMigration, CompiledMigrations, CompiledStatement

__all__ = [
    "CompiledMigration",
    "CompiledMigrations",
    "CompiledStatement",
    "MigrationErrors",
    "MigrationFinding",
    "compile_folder",
]
