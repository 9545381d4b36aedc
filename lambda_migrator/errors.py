"""Errors of a migration run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blocks_runtime.shared.explained_error import ExplainedError

if TYPE_CHECKING:
    from blocks_runtime import DatabaseError


class MigrationFailedError(ExplainedError):
    """Migration failed; user action needed.

    `rows` is the part of the server's answer that quotes rows. It is part of `why` and of the text, and not of
    `shareable`: stack events are read by people, and printed by pipelines, without access to the database.
    """

    form = "{what}\n{why}\n{remedy}"

    def __init__(self, what: str, why: str, remedy: str, rows: str = "") -> None:
        super().__init__(what, f"{why} ({rows})" if rows else why, remedy)
        self.args = (what, why, remedy, rows)
        self.shareable = self.form.format(what=what, why=why, remedy=remedy)


class RepairError(MigrationFailedError):
    """A repair does not fit the journal; nothing was changed."""


_OF_ROWS = ("22", "23")
"""Classes of SQLSTATE for data and constraints, whose details quote stored values."""


def server_words(error: DatabaseError) -> str:
    """Return SQLSTATE and text of the server's answer, and its detail unless that quotes a row."""
    detail = f" ({error.detail})" if error.detail and not row_words(error) else ""
    return f"SQLSTATE {error.sqlstate or 'none'}: {error.args[0]}{detail}"


def row_words(error: DatabaseError) -> str:
    """Return the detail of the server's answer if it quotes a row, else an empty string."""
    return (error.detail or "") if (error.sqlstate or "").startswith(_OF_ROWS) else ""
