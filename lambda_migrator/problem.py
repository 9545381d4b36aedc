"""Why a run failed, in three parts: what with its place, why in the server's words, and what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from blocks_runtime import DatabaseError


class MigrationProblem(Exception):
    """Migrating cannot go on until somebody does something."""

    def __init__(self, what: str, why: str, remedy: str) -> None:
        super().__init__(what, why, remedy)
        self.what = what
        self.why = why
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.what}\n{self.why}\n{self.remedy}"


class JournalProblem(MigrationProblem):
    """What is to be settled does not fit the journal; nothing was changed."""


def server_words(error: DatabaseError) -> str:
    """Return SQLSTATE and text of the server's answer, with its detail where it gave one."""
    detail = f" ({error.detail})" if error.detail else ""
    return f"SQLSTATE {error.sqlstate or 'none'}: {error.args[0]}{detail}"
