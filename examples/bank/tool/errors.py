"""The error that ends a command of the course."""

from __future__ import annotations


class ToolError(Exception):
    """A command cannot go on; the message has the fault and the remedy."""
