"""What a deploy tells, kept for a test."""

from __future__ import annotations

from blocks_cli.local import Report


class Listener(Report):
    """Remembers the notes."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)
