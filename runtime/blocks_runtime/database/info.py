"""How a transaction went."""

from __future__ import annotations


class TransactionInfo:
    """How a transaction went; `tx.info` is the same object in every attempt, and complete after the commit."""

    __slots__ = ("attempts", "conflicts", "milliseconds")

    def __init__(self) -> None:
        self.attempts = 0
        """How often it has been begun."""
        self.conflicts: list[str] = []
        """SQLSTATE of what each failed attempt ended with, `""` where there was none."""
        self.milliseconds = 0.0
        """From the first BEGIN to the end of the last attempt, the waits in between included."""

    def __repr__(self) -> str:
        return f"TransactionInfo(attempts={self.attempts}, milliseconds={self.milliseconds:.1f})"
