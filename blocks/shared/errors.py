"""Error of the constructs."""

from __future__ import annotations

from blocks_runtime.shared.explained_error import ExplainedError


class ConstructError(ExplainedError, ValueError):
    """The arguments of a construct cannot be deployed."""
