"""Compile migrations: a folder of `NNN_name.sql` files into one manifest, or all their faults at once."""

from typing import TYPE_CHECKING

from blocks_runtime.shared.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from dsql_dialect.migrations.compiler import check_files, compile_folder
    from dsql_dialect.migrations.errors import MigrationErrors, MigrationFinding
    from dsql_dialect.migrations.manifest import CompiledMigration, CompiledMigrations, CompiledStatement

__all__ = [
    "CompiledMigration",
    "CompiledMigrations",
    "CompiledStatement",
    "MigrationErrors",
    "MigrationFinding",
    "check_files",
    "compile_folder",
]

# The parser takes a tenth of a second to load, and reading files does without.
_MODULES = {
    "CompiledMigration": "manifest",
    "CompiledMigrations": "manifest",
    "CompiledStatement": "manifest",
    "MigrationErrors": "errors",
    "MigrationFinding": "errors",
    "check_files": "compiler",
    "compile_folder": "compiler",
}

_, __getattr__, __dir__ = lazy_exports(__name__, _MODULES)
