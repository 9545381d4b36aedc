"""Conflicts on demand, for tests: a local database is told to refuse commits."""

from __future__ import annotations

from pathlib import Path

from ..errors import ConfigurationError
from .target import AMAZON_ROOTS

TYPE_CHECKING = False  # `typing` costs more to import than the whole runtime
if TYPE_CHECKING:
    from .location import Location


def inject(location: Location, code: str, times: int, table: str | None) -> None:
    """Let the local database at `location` refuse the next commits.

    Raises:
        ConfigurationError: it is not a local one, or what runs one is not installed.
        ValueError: there is no such code, or `times` is not positive.
    """
    if code not in ("OC000", "OC001"):
        raise ValueError(f"code is {code!r}; give OC000 (rows) or OC001 (schema)")
    folder = Path(location.target.ca).parent
    if location.target.ca == str(AMAZON_ROOTS) or not (folder / "cluster.json").exists():
        raise ConfigurationError(
            f"{location.target.host} is not a local database, so no conflict can be simulated; "
            "run the test against a local one"
        )
    try:
        from local_dsql import LocalCluster
    except ImportError as missing:
        raise ConfigurationError(
            "the local database is not installed here, so it cannot be told to conflict; "
            "run `pip install 'blocks-dsql[local]'`"
        ) from missing
    with LocalCluster(folder) as cluster:
        cluster.inject(code, times=times, table=table)
