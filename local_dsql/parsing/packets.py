"""Packets between the proxy and the processes that parse for it."""

from __future__ import annotations

import io
import pickle
import struct
from typing import Any

from dsql_dialect.rule import Rule
from dsql_dialect.rules import RULES

LENGTH = struct.Struct("!Q")


class _Pickler(pickle.Pickler):
    def reducer_override(self, obj: object) -> Any:
        """Name a rule by its id: it has functions, and is the same object in all of a process."""
        return (rule_named, (obj.id,)) if isinstance(obj, Rule) else NotImplemented


def rule_named(name: str) -> Rule:
    """Return the rule of an id."""
    return RULES[name]


def packet(content: object) -> bytes:
    """Return an object pickled, behind its length."""
    buffer = io.BytesIO()
    _Pickler(buffer, pickle.HIGHEST_PROTOCOL).dump(content)
    data = buffer.getvalue()
    return LENGTH.pack(len(data)) + data
