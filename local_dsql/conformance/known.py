"""Which cases the local cluster is known to answer differently, and the divergence that says why."""

from __future__ import annotations

KNOWN_DIVERGENCES: dict[str, str] = {
    "lateral_left_outer_ref": "lateral-left-join",
    "lateral_left_no_outer_where": "lateral-left-join",
    "lateral_left_outer_ref_cast": "lateral-left-join",
}
"""Identifier of a case to that of a `local_dsql.divergences` entry."""
