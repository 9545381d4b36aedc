"""The manifest's classes under the names that `dsql_dialect.migrations` exports."""

from __future__ import annotations

from migration_manifest import Json as Json
from migration_manifest import Manifest as CompiledMigrations
from migration_manifest import Migration as CompiledMigration
from migration_manifest import Statement as CompiledStatement
from migration_manifest import StatementKind as StatementKind

__all__ = ["CompiledMigration", "CompiledMigrations", "CompiledStatement", "Json", "StatementKind"]
