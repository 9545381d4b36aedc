"""Compile migrations: a folder of `NNN_name.sql` files into one manifest, or all their faults at once."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
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

# The parser takes a tenth of a second to load, and reading files does without.
_MODULES = {
    "CompiledMigration": "manifest",
    "CompiledMigrations": "manifest",
    "CompiledStatement": "manifest",
    "MigrationErrors": "errors",
    "MigrationFinding": "errors",
    "compile_folder": "compiler",
}


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = value
    return value
