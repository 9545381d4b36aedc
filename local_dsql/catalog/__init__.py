"""SQL scripts that build the template database; they run once, as superuser.

The scripts run in the order of their names. They create the role `admin` and the schema `sys` as DSQL shows it, and
revoke from all roles what DSQL does not have or what only the proxy may use.
"""

from __future__ import annotations

from pathlib import Path

_FOLDER = Path(__file__).parent


def scripts() -> list[Path]:
    """Return the SQL scripts in order of execution."""
    return sorted(_FOLDER.glob("*.sql"))


def sql() -> str:
    """Return all scripts as one text, in order of execution."""
    return "\n".join(script.read_text(encoding="utf-8") for script in scripts())
