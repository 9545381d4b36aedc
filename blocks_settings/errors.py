"""Errors of the settings."""

from __future__ import annotations

from blocks_runtime.shared.explained_error import ExplainedError


class SettingsError(ExplainedError):
    """A setting is invalid, or two places contradict each other; `what` names the place."""
