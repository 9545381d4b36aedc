"""Responses of PostgreSQL, cut into frames."""

from __future__ import annotations

from typing import TYPE_CHECKING

from local_dsql.wire import messages
from local_dsql.wire.frames import BODY, Frame
from local_dsql.wire.message_types import BackendMessage

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


class Response:
    """The frames of PostgreSQL up to one ReadyForQuery, which itself is left out.

    In a bulk response with many rows, one frame of the type DataRow holds many of them (`Collector`).
    """

    __slots__ = ("frames", "status")

    def __init__(self, frames: list[Frame], status: bytes) -> None:
        self.frames = frames
        self.status = status

    @property
    def error(self) -> Mapping[str, str] | None:
        """The fields of its error, None if it has none."""
        for kind, raw in self.frames:
            if kind == BackendMessage.ERROR_RESPONSE:
                return messages.read_fields(raw)
        return None

    @property
    def tags(self) -> list[str]:
        """The command tags, in order."""
        return [raw[BODY:-1].decode() for kind, raw in self.frames if kind == BackendMessage.COMMAND_COMPLETE]

    def rows(self) -> list[list[str | None]]:
        """Return all data rows as text.

        Raises:
            BackendError: the response is an error.
        """
        if (fields := self.error) is not None:
            raise BackendError(fields)
        return [messages.read_row(raw) for kind, raw in self.frames if kind == BackendMessage.DATA_ROW]
