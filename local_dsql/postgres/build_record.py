"""The record of what a data directory was built from."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from local_dsql.errors import FolderError
from local_dsql.storage.files import write_private

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class BuildRecord:
    """Digest of the catalog scripts, and the OIDs of the roles that existed after they ran."""

    catalog: str
    roles: tuple[int, ...]

    @classmethod
    def load(cls, file: Path) -> BuildRecord | None:
        """Return the record, or None if the directory was never finished.

        Raises:
            FolderError: the record is damaged; without it, the data cannot be told from that of another version.
        """
        try:
            content = json.loads(file.read_text())
            return cls(str(content["catalog"]), tuple(map(int, content["roles"])))
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError) as error:
            raise damaged_build_record(file, f"the file is damaged ({type(error).__name__})") from None

    def save(self, file: Path) -> None:
        """Write the record: the last step of building."""
        write_private(file, json.dumps(asdict(self), indent=1))

    def check(self, scripts: Iterable[Path], folder: Path) -> None:
        """Check that the folder was built from `scripts`.

        Raises:
            FolderError: it was built from other scripts.
        """
        if self.catalog != catalog_digest(scripts):
            raise FolderError(
                f"the database in {folder} was built by another version of local_dsql",
                "its catalog differs from the one that this version needs",
                "remove the folder and start with an empty database, or install the version that built it",
            )


def damaged_build_record(file: Path, why: str) -> FolderError:
    """Return the error for a record that is damaged or missing beside data."""
    return FolderError(
        f"cannot read the record of the local database in {file}",
        f"{why}, so it is unknown which version built the data in {file.parent}",
        "restore the file from a copy; or remove the folder and start with an empty database",
    )


def catalog_digest(scripts: Iterable[Path]) -> str:
    """Return the digest of the catalog scripts."""
    return hashlib.sha256(b"\0".join(script.read_bytes() for script in scripts)).hexdigest()
