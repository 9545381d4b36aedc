"""Compiled migrations and their manifest, which a deploy reads."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

FORMAT = 1
"""The version of the manifest's format; the migrator refuses one that it does not know."""

MigrationKind: TypeAlias = Literal["ddl", "dml"]
StatementKind: TypeAlias = Literal["ddl", "dml", "index", "validate", "grant"]
Json: TypeAlias = "str | int | bool | list[Json] | Mapping[str, Json] | None"


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledStatement:
    """A statement that the migrator runs unchanged.

    `line` and `column` (from 1, in characters) are its place in the file; `directives` holds every directive's name
    and whether it stands above the statement: with `batch` it is repeated until it changes no row. `probe` describes
    its effect in the catalog (None: it cannot be seen); `repeatable` is true if running it twice has the effect of
    running it once.
    """

    sql: str
    kind: StatementKind
    line: int
    column: int
    directives: Mapping[str, bool]
    probe: Mapping[str, Json] | None
    repeatable: bool

    @property
    def batch(self) -> bool:
        """Return whether it is repeated until it changes no row."""
        return self.directives["batch"]

    def manifest(self) -> dict[str, Json]:
        """Return the statement as JSON."""
        return {
            "sql": self.sql,
            "kind": self.kind,
            "line": self.line,
            "column": self.column,
            **self.directives,
            "probe": self.probe,
            "repeatable": self.repeatable,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledMigration:
    """One file: `name` is the file's without `.sql`, `checksum` the SHA-256 of its text in hex."""

    version: int
    name: str
    checksum: str
    kind: MigrationKind
    statements: tuple[CompiledStatement, ...]

    def manifest(self) -> dict[str, Json]:
        """Return the migration as JSON."""
        return {
            "version": self.version,
            "name": self.name,
            "checksum": self.checksum,
            "kind": self.kind,
            "statements": [statement.manifest() for statement in self.statements],
        }


@dataclass(frozen=True, slots=True)
class CompiledMigrations:
    """The migrations of a folder, in the order of their numbers, checked against a dialect."""

    dialect: str
    migrations: tuple[CompiledMigration, ...]

    def manifest(self) -> dict[str, Json]:
        """Return the manifest for the migration function: JSON, the same for the same files."""
        return {
            "format": FORMAT,
            "dialect": self.dialect,
            "migrations": [migration.manifest() for migration in self.migrations],
        }

    def canonical_json(self) -> bytes:
        """Return the manifest as canonical JSON: UTF-8, sorted keys, no spaces."""
        return json.dumps(self.manifest(), ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical JSON, in hex: it changes with every change of a statement."""
        return hashlib.sha256(self.canonical_json()).hexdigest()
