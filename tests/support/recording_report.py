"""A report that records the notes of a deploy."""

from __future__ import annotations

from blocks_cli.local import Report


class RecordingReport(Report):
    """Records notes."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)
