"""What PostgreSQL has answered, taken apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

from local_dsql.wire import messages
from local_dsql.wire.frames import BODY, Frame

if TYPE_CHECKING:
    from collections.abc import Mapping


class BackendError(Exception):
    """PostgreSQL answered with an error; `fields` are its fields by letter."""

    def __init__(self, fields: Mapping[str, str]) -> None:
        super().__init__(f"{fields.get('C')} {fields.get('M')}")
        self.fields = fields

    @property
    def sqlstate(self) -> str:
        """The SQLSTATE of the error."""
        return self.fields.get("C", "XX000")


class Answer:
    """What PostgreSQL said up to one ReadyForQuery.

    Where it is for a client only and has many rows, one frame of the type `D` holds many of them (`Collector`).
    """

    __slots__ = ("frames", "status")

    def __init__(self, frames: list[Frame], status: bytes) -> None:
        self.frames = frames
        self.status = status

    @property
    def error(self) -> Mapping[str, str] | None:
        """The fields of its error, None where it succeeded."""
        return next((messages.read_fields(raw) for kind, raw in self.frames if kind == b"E"), None)

    @property
    def tags(self) -> list[str]:
        """The command tags, in order."""
        return [raw[BODY:-1].decode() for kind, raw in self.frames if kind == b"C"]

    def rows(self) -> list[list[str | None]]:
        """Return all data rows as text.

        Raises:
            BackendError: the answer is an error.
        """
        if (fields := self.error) is not None:
            raise BackendError(fields)
        return [messages.read_row(raw) for kind, raw in self.frames if kind == b"D"]

    def row_sets(self) -> list[list[list[str | None]]]:
        """Return the rows of each statement of a multi-statement query that returns rows, in order.

        Raises:
            BackendError: the answer is an error.
        """
        if (fields := self.error) is not None:
            raise BackendError(fields)
        sets: list[list[list[str | None]]] = []
        for kind, raw in self.frames:
            if kind == b"T":
                sets.append([])
            elif kind == b"D":
                sets[-1].append(messages.read_row(raw))
        return sets
