"""Errors of the settings."""

from __future__ import annotations

from blocks_runtime.shared.project import SettingsError

__all__ = ["SettingsError"]
