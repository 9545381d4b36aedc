"""Errors of peering."""

from __future__ import annotations

from blocks_runtime.shared.explained_error import ExplainedError


class PeeringError(ExplainedError):
    """Peering failed; user action needed."""

    form = "{what}\n{why}\n{remedy}"


class TransientError(Exception):
    """Transient condition: throttling, a cluster in transition, or a permission that is not effective yet; retry."""
