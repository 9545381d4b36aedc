"""A file asset of the cloud assembly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Asset:
    """A file asset: a folder (or a zip) to be uploaded, known by the hash of its content."""

    hash: str
    source: Path
    packaging: str
