"""Regions with Aurora DSQL, and the sets of Regions that can share a database.

Two clusters and their witness are in three Regions of one set. Source: DSQL user guide, "What is Amazon
Aurora DSQL", Region availability, and its document history up to 2026-07-31.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

REGION_SETS: Mapping[str, tuple[str, ...]] = {
    "US": ("us-east-1", "us-east-2", "us-west-2"),
    "Europe": (
        *("eu-west-1", "eu-west-2", "eu-west-3", "eu-central-1"),
        *("eu-north-1", "eu-south-2"),
    ),
    "Asia Pacific": (
        *("ap-northeast-1", "ap-northeast-2", "ap-northeast-3"),
        *("ap-south-1", "ap-southeast-1"),
    ),
}
"""Regions of each set."""

SINGLE = ("ap-east-1", "ap-southeast-2", "ap-southeast-4", "ca-central-1", "ca-west-1", "sa-east-1")
"""Regions with DSQL that belong to no set."""

DEFAULT_REGION = "us-east-1"
"""Region of a local database, and of stacks without a Region, unless a setting names another."""

_FORM = re.compile(r"[a-z]{2,4}(-[a-z]+)+-[0-9]{1,2}", re.ASCII)


def check_region(region: str) -> str:
    """Return `region` if it has the form of a Region name.

    Raises:
        ValueError: it has another form; the message names the nearest Region.
    """
    if not _FORM.fullmatch(region):
        near = nearest(region)
        hint = f"did you mean {near}?" if near else f"write it like {DEFAULT_REGION}"
        raise ValueError(f"{region!r} is not a Region name; {hint}")
    return region


def check_distinct(regions: Sequence[str]) -> tuple[str, ...]:
    """Return the Regions if each is named once.

    Raises:
        ValueError: one is named twice.
    """
    twice = next((region for region in regions if regions.count(region) > 1), None)
    if twice:
        raise ValueError(f"{twice} is named twice; name each Region once")
    return tuple(regions)


def nearest(region: str) -> str | None:
    """Return the known Region with the most similar name, if one is similar."""
    import difflib  # for an error only

    return next(iter(difflib.get_close_matches(region.lower(), known(), 1, 0.75)), None)


def set_of(region: str) -> str | None:
    """Return the name of the set of a Region; None if it is in no known set."""
    return next((name for name, regions in REGION_SETS.items() if region in regions), None)


def is_known(region: str) -> bool:
    """Return whether this release knows the Region; AWS may have added others since."""
    return region in SINGLE or set_of(region) is not None


def known() -> tuple[str, ...]:
    """Return all Regions that this release knows; AWS may have added others since."""
    return (*(region for regions in REGION_SETS.values() for region in regions), *SINGLE)
