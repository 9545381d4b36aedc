"""A value with its source."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")
"""Type of a setting's value."""


class Source(enum.Enum):
    """Source of a value, in the order of precedence; the value is its text in messages."""

    ARGUMENT = "argument"
    ENVIRONMENT = "environment"
    FILE = "file"
    APP = "app"
    DEFAULT = "default"


WRITTEN = frozenset({Source.ENVIRONMENT, Source.FILE})
"""Sources that a person writes; the construct and a synth decide what is not written."""

KNOWN = WRITTEN | {Source.APP}
"""Sources of a value that is more than its default."""


@dataclass(frozen=True, slots=True)
class Setting(Generic[T]):
    """A value, its source, and the place that sets it: an option, a variable, a file with its line."""

    value: T
    source: Source
    place: str

    def __str__(self) -> str:
        return f"{shown(self.value)} ({self.place})"


def shown(value: object) -> str:
    """Return a value as text for messages."""
    if value is None:
        return "none"
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
