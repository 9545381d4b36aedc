"""Counter of commits: a transaction compares it to find whether others can have committed since its snapshot."""

from __future__ import annotations


class CommitCounter:
    """Counts the commits that have ended, and those in progress."""

    def __init__(self) -> None:
        self.ended = 0
        self.pending = 0

    def begin(self) -> None:
        """Count a COMMIT, or a statement in autocommit, that begins."""
        self.pending += 1

    def finish(self, *, wrote: bool = True) -> None:
        """Count it as ended; `wrote` is False only if it has changed and locked nothing."""
        self.pending -= 1
        self.ended += wrote

    @property
    def mark(self) -> int:
        """Return the number of commits that every later snapshot covers: a count for `has_moved`."""
        return -1 if self.pending else self.ended

    def has_moved(self, mark: int) -> bool:
        """Return whether something may have been committed since a mark was taken."""
        return mark != self.ended or self.pending > 0
