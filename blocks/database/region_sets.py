"""Region sets: Regions that can share a database.

Two clusters and their witness are in three Regions of one set. Source: DSQL user guide, "What is Amazon
Aurora DSQL", Region availability, and its document history up to 2026-07-31.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

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


def set_of(region: str) -> str | None:
    """Return the name of the set of a Region; None if it is in no known set."""
    return next((name for name, regions in REGION_SETS.items() if region in regions), None)


def is_known(region: str) -> bool:
    """Return whether this release knows the Region; AWS may have added others since."""
    return region in SINGLE or set_of(region) is not None
