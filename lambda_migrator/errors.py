"""Why a run failed, in three parts: what with its place, why in the server's words, and what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from blocks_runtime import DatabaseError


class MigrationProblem(Exception):
    """Migrating cannot go on until somebody does something.

    `rows` is what the server said of single rows, with their values. It is part of `why` and of the text, and not
    of `shareable`: a reason in a stack's events is read by people, and printed by pipelines, that may not read the
    database.
    """

    def __init__(self, what: str, why: str, remedy: str, rows: str = "") -> None:
        super().__init__(what, why, remedy, rows)
        self.what = what
        self.why = f"{why} ({rows})" if rows else why
        self.remedy = remedy
        self.shareable = f"{what}\n{why}\n{remedy}"

    def __str__(self) -> str:
        return f"{self.what}\n{self.why}\n{self.remedy}"


class JournalProblem(MigrationProblem):
    """What is to be settled does not fit the journal; nothing was changed."""


_OF_ROWS = ("22", "23")
"""The classes of SQLSTATE for data and for constraints, whose details quote what is stored."""


def server_words(error: DatabaseError) -> str:
    """Return SQLSTATE and text of the server's answer, with its detail where that quotes no row."""
    detail = f" ({error.detail})" if error.detail and not row_words(error) else ""
    return f"SQLSTATE {error.sqlstate or 'none'}: {error.args[0]}{detail}"


def row_words(error: DatabaseError) -> str:
    """Return the detail of the server's answer where it quotes a row, or nothing."""
    return (error.detail or "") if (error.sqlstate or "").startswith(_OF_ROWS) else ""
