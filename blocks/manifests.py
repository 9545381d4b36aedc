"""The migrations of a folder, compiled while synthesizing into what the migrator executes."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Manifest:
    """The migrations as JSON text, and a digest that changes when they do."""

    text: str
    digest: str


def compile_manifest(folder: str | Path | None, dialect: str) -> Manifest:
    """Return the manifest of `folder`; an empty one without a folder.

    Raises:
        MigrationErrors: DSQL would refuse a statement; carries every finding with its place and way out.
    """
    if folder is None:
        return _manifest({"format": 1, "dialect": dialect, "migrations": []})
    from dsql_dialect import profile
    from dsql_dialect.migrations import compile_folder

    return _manifest(compile_folder(Path(folder), profile(dialect)).manifest())


def _manifest(document: dict[str, object]) -> Manifest:
    text = json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    return Manifest(text, hashlib.sha256(text.encode()).hexdigest())
