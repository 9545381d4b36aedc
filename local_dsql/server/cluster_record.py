"""The record of a local cluster: the facts that outlive a run of its server."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from local_dsql.access.cluster_name import new_identifier
from local_dsql.errors import FolderError
from local_dsql.storage.files import write_private
from local_dsql.storage.folder import unusable_folder

if TYPE_CHECKING:
    from local_dsql.storage.folder import Folder

_FORMAT = 1


@dataclass(slots=True)
class ClusterRecord:
    """Identifier of a cluster, and the port of each Region."""

    identifier: str
    ports: dict[str, int] = field(default_factory=dict)

    @classmethod
    def load(cls, folder: Folder) -> ClusterRecord:
        """Return the record of the folder, or write and return a new one with a new identifier.

        Raises:
            FolderError: the record cannot be read.
        """
        record = cls._read(folder)
        if record is None:
            record = cls(new_identifier())
            record.save(folder)
        return record

    @classmethod
    def ports_of(cls, folder: Folder) -> dict[str, int]:
        """Return the ports that the cluster has had; none if it was never served.

        Raises:
            FolderError: the record cannot be read.
        """
        record = cls._read(folder)
        return {} if record is None else record.ports

    @classmethod
    def _read(cls, folder: Folder) -> ClusterRecord | None:
        file = folder.record_file
        if not file.exists():
            return None
        try:
            content = json.loads(file.read_text())
            return cls(str(content["identifier"]), {str(k): int(v) for k, v in content["ports"].items()})
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise FolderError(
                f"cannot read the record of the local cluster in {file}",
                f"the file is damaged ({type(error).__name__})",
                "remove the file; the cluster gets a new identifier and keeps its data",
            ) from None

    def save(self, folder: Folder) -> None:
        """Write the record.

        Raises:
            FolderError: the folder cannot be written.
        """
        try:
            write_private(folder.record_file, json.dumps({"format": _FORMAT} | asdict(self), indent=1))
        except OSError as error:
            raise unusable_folder(folder.path, error) from None
