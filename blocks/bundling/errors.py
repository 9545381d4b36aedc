"""Error of the bundles."""

from __future__ import annotations

from blocks_runtime.shared.explained_error import ExplainedError


class BundlingError(ExplainedError):
    """A bundle for Lambda cannot be built; the error names the missing part and the command that helps."""
