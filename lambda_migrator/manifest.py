"""The compiled migrations as the synth wrote them: JSON in, frozen dataclasses out."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from .errors import MigrationFailedError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

FORMAT = 1
"""The version of the format that this reader understands."""

Probe: TypeAlias = "Mapping[str, object]"
"""How the catalog shows that a statement took effect; `object` says what kind of thing to look for."""


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement and its place in the file (`line` and `column` from 1).

    `kind` is ddl, dml, index, validate or grant; `batch` asks to repeat it until it changes no row; without a
    `probe` its effect cannot be seen; a `repeatable` one may be run twice.
    """

    sql: str
    kind: str
    line: int
    column: int
    batch: bool
    probe: Probe | None
    repeatable: bool


@dataclass(frozen=True, slots=True)
class Migration:
    """One file: `name` is the file's without `.sql`, `checksum` the SHA-256 of its text."""

    version: int
    name: str
    checksum: str
    statements: tuple[Statement, ...]

    def place(self, index: int, position: int | None = None) -> str:
        """Return where a statement stands, or its character `position` (from 1), as `file:line:column`."""
        at = self.statements[index]
        *lines, last = at.sql[: (position or 1) - 1].split("\n")
        column = len(last) + (1 if lines else at.column)
        return f"{self.name}.sql:{at.line + len(lines)}:{column}"


@dataclass(frozen=True, slots=True)
class Manifest:
    """All migrations in the order of their numbers."""

    dialect: str
    migrations: tuple[Migration, ...]


def load(path: Path) -> Manifest:
    """Read the manifest from a file.

    Raises:
        MigrationFailedError: it is not there, not JSON, of another format, or lacks something.
    """
    try:
        return read(json.loads(path.read_text("utf-8")))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise MigrationFailedError(
            f"the manifest {path.name} of the migrations cannot be read",
            f"{type(error).__name__}: {error}",
            "deploy again; the synth writes the manifest into the migration function's code",
        ) from error


def read(document: Mapping[str, object]) -> Manifest:
    """Return the manifest that a JSON document describes.

    Raises:
        MigrationFailedError: the document is of another format.
        KeyError, TypeError, ValueError: something in it is missing or of the wrong type.
    """
    if document["format"] != FORMAT:
        raise MigrationFailedError(
            f"the manifest has format {document['format']}, this migration function reads format {FORMAT}",
            "the construct that wrote it and the migration function are of different releases",
            "install one release of blocks-dsql and deploy again",
        )
    migrations = document["migrations"]
    if not isinstance(migrations, list):
        raise TypeError("migrations is not a list")
    return Manifest(str(document["dialect"]), tuple(_migration(each) for each in migrations))


def _migration(entry: Mapping[str, object]) -> Migration:
    statements = entry["statements"]
    if not isinstance(statements, list) or not statements:
        raise ValueError(f"{entry['name']} has no statements")
    return Migration(
        _number(entry["version"]),
        str(entry["name"]),
        str(entry["checksum"]),
        tuple(_statement(each) for each in statements),
    )


def _statement(entry: Mapping[str, object]) -> Statement:
    probe = entry["probe"]
    if probe is not None and not isinstance(probe, dict):
        raise TypeError("probe is not an object")
    return Statement(
        sql=str(entry["sql"]),
        kind=str(entry["kind"]),
        line=_number(entry["line"]),
        column=_number(entry["column"]),
        batch=entry["batch"] is True,
        probe=probe,
        repeatable=entry.get("repeatable") is True,
    )


def _number(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise TypeError(f"{value!r} is not a number")
