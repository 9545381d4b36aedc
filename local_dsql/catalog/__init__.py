"""What a fresh database holds: run once, as superuser, in the database that becomes the pristine template.

The scripts run in the order of their names. They make the role `admin`, the schema `sys` as DSQL shows it, and take
away from everybody what DSQL does not have or what the proxy relies on alone.
"""

from __future__ import annotations

from pathlib import Path

_FOLDER = Path(__file__).parent


def scripts() -> list[Path]:
    """Return the SQL scripts, in order of execution."""
    return sorted(_FOLDER.glob("*.sql"))


def sql() -> str:
    """Return the text of all scripts, in order of execution; it is one text of many statements."""
    return "\n".join(script.read_text(encoding="utf-8") for script in scripts())
