"""The type of a row."""

from __future__ import annotations

from typing import Any, TypeAlias

Row: TypeAlias = dict[str, Any]
"""Column name to value. What a column holds is known to the database, not to Python, hence the one `Any`."""
