"""Reader of the manifest file."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from migration_manifest import FORMAT, Manifest

from .errors import MigrationFailedError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def load(path: Path) -> Manifest:
    """Read the manifest from a file.

    Raises:
        MigrationFailedError: the file is missing, not JSON, of another format, or incomplete.
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
    """Return the manifest of a JSON document.

    Raises:
        MigrationFailedError: the document has another format.
        KeyError, TypeError, ValueError: a value is missing or has the wrong type.
    """
    if document["format"] != FORMAT:
        raise MigrationFailedError(
            f"the manifest has format {document['format']}, this migration function reads format {FORMAT}",
            "the construct that wrote it and the migration function are of different releases",
            "install one release of blocks-dsql and deploy again",
        )
    return Manifest.of(document)
