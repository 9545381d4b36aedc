"""Cases with a known divergence of the local cluster."""

from __future__ import annotations

KNOWN_DIVERGENCES: dict[str, str] = {
    "lateral_left_outer_ref": "lateral-left-join",
    "lateral_left_no_outer_where": "lateral-left-join",
    "lateral_left_outer_ref_cast": "lateral-left-join",
}
"""Case id to id of the `local_dsql.divergences` entry."""
