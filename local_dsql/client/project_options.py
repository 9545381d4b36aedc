"""Options of a project's cluster: those that the caller gives, else the project's settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from blocks_settings import DIALECT, PORT, REGIONS, Settings
from blocks_settings.value import KNOWN
from local_dsql.storage.folder import DEFAULT_FOLDER

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class ClusterOptions:
    """Dialect, Regions and first port of a cluster; None and empty: those of the running server, else the defaults."""

    dialect: str | None = None
    regions: tuple[str, ...] = ()
    port: int | None = None


def cluster_options(
    folder: Path, dialect: str | None, regions: Sequence[str], port: int | None = None
) -> ClusterOptions:
    """Return the options of the cluster in `folder`; a folder outside a project's `.blocks/local` has no settings.

    Raises:
        SettingsError: the settings of the project are invalid.
    """
    given = ClusterOptions(dialect, tuple(dict.fromkeys(regions)), port)
    if folder.parts[-3:-1] != DEFAULT_FOLDER.parts[:-1]:
        return given
    settings = Settings.of(folder.parents[2])
    set_dialect = None if dialect else settings.get_from(KNOWN, DIALECT, folder.name)
    set_regions = None if regions else settings.get_from(KNOWN, REGIONS, folder.name)
    return ClusterOptions(
        set_dialect.value if set_dialect else dialect,
        set_regions.value if set_regions else given.regions,
        port or settings.get(PORT, folder.name).value,
    )
