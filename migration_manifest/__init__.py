"""The manifest of compiled migrations: written by the compiler at synth, read by the migrator.

Both use these classes, so that a field is added in one place. Standard library only: the module is part of the
migration function.
"""

from __future__ import annotations

import enum
import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias, cast, get_args

if TYPE_CHECKING:
    from collections.abc import Mapping

FORMAT = 1
"""The version of the format; the migrator refuses any other."""

JOURNAL = "_migrations"
LEASE = "_migrations_lock"
LEDGER = "_grants"
MIGRATOR_TABLES = (JOURNAL, LEASE, LEDGER)
"""Tables of the migrator in the schema `public`: the journal, the lease, and the ledger of grants."""
LOADS = "_loads"
"""Marks of loaded chunks, which `blocks load` creates."""
TABLES_WITHOUT_GRANTS = (*MIGRATOR_TABLES, LOADS)
"""Tables in the schema `public` without privileges for grantees."""

MigrationKind: TypeAlias = Literal["ddl", "dml"]
StatementKind: TypeAlias = Literal["ddl", "dml", "index", "validate", "grant"]
Json: TypeAlias = "str | int | bool | list[Json] | Mapping[str, Json] | None"
Probe: TypeAlias = "Mapping[str, Json]"
"""Description of a statement's effect in the catalog; `object` is the kind of object to look up."""


class StatementDirective(enum.Enum):
    """A directive, written as `-- blocks: <value>` above a statement."""

    BATCH = "batch"
    """Repeat the statement, each time in a transaction of its own, until it changes no row."""


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement, and its place in the file (`line` and `column` from 1, in characters).

    Without a `probe` its effect is not visible in the catalog; a `repeatable` one may be run twice safely.
    """

    sql: str
    kind: StatementKind
    line: int
    column: int
    directive: StatementDirective | None
    probe: Probe | None
    repeatable: bool

    def document(self) -> dict[str, Json]:
        """Return the statement as JSON."""
        return {
            "sql": self.sql,
            "kind": self.kind,
            "line": self.line,
            "column": self.column,
            **{each.value: self.directive is each for each in StatementDirective},
            "probe": self.probe,
            "repeatable": self.repeatable,
        }

    @classmethod
    def of(cls, entry: Mapping[str, object]) -> Statement:
        """Return the statement of a JSON object.

        Raises:
            KeyError, TypeError, ValueError: a value is missing or has the wrong type.
        """
        kind, probe = entry["kind"], entry["probe"]
        if kind not in get_args(StatementKind):
            raise ValueError(f"{kind!r} is not a kind of statement")
        if probe is not None and not isinstance(probe, dict):
            raise TypeError("probe is not an object")
        return cls(
            sql=str(entry["sql"]),
            kind=cast("StatementKind", kind),
            line=_number(entry["line"]),
            column=_number(entry["column"]),
            directive=next((each for each in StatementDirective if entry[each.value] is True), None),
            probe=probe,
            repeatable=entry.get("repeatable") is True,
        )


@dataclass(frozen=True, slots=True)
class Migration:
    """One file: `name` is the file's without `.sql`, `checksum` the SHA-256 of its text in hex."""

    version: int
    name: str
    checksum: str
    statements: tuple[Statement, ...]

    @property
    def kind(self) -> MigrationKind:
        """Kind of all its statements: a file changes rows or definitions, never both."""
        return "dml" if self.statements[0].kind == "dml" else "ddl"

    def place(self, index: int, position: int | None = None) -> str:
        """Return the place of a statement, or of its character `position` (from 1), as `file:line:column`."""
        at = self.statements[index]
        *lines, last = at.sql[: (position or 1) - 1].split("\n")
        column = len(last) + (1 if lines else at.column)
        return f"{self.name}.sql:{at.line + len(lines)}:{column}"

    def document(self) -> dict[str, Json]:
        """Return the migration as JSON."""
        return {
            "version": self.version,
            "name": self.name,
            "checksum": self.checksum,
            "kind": self.kind,
            "statements": [statement.document() for statement in self.statements],
        }

    @classmethod
    def of(cls, entry: Mapping[str, object]) -> Migration:
        """Return the migration of a JSON object; errors as of `Statement.of`."""
        statements = entry["statements"]
        if not isinstance(statements, list) or not statements:
            raise ValueError(f"{entry['name']} has no statements")
        return cls(
            _number(entry["version"]),
            str(entry["name"]),
            str(entry["checksum"]),
            tuple(Statement.of(each) for each in statements),
        )


@dataclass(frozen=True, slots=True)
class Manifest:
    """All migrations of a folder in the order of their numbers, checked against a dialect."""

    dialect: str
    migrations: tuple[Migration, ...]

    def document(self) -> dict[str, Json]:
        """Return the manifest as JSON, the same for the same files."""
        return {
            "format": FORMAT,
            "dialect": self.dialect,
            "migrations": [migration.document() for migration in self.migrations],
        }

    @classmethod
    def of(cls, document: Mapping[str, object]) -> Manifest:
        """Return the manifest of a JSON document of this format; errors as of `Statement.of`."""
        migrations = document["migrations"]
        if not isinstance(migrations, list):
            raise TypeError("migrations is not a list")
        return cls(str(document["dialect"]), tuple(Migration.of(each) for each in migrations))

    def canonical_json(self) -> bytes:
        """Return the manifest as canonical JSON: UTF-8, sorted keys, no spaces."""
        return json.dumps(self.document(), ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical JSON, in hex; it changes with anything that is to be run."""
        return hashlib.sha256(self.canonical_json()).hexdigest()


def _number(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise TypeError(f"{value!r} is not a number")
