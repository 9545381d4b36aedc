"""Remove from errors where in the functions of the local database they were raised: DSQL has no such functions."""

from __future__ import annotations

import re

from local_dsql.wire import messages
from local_dsql.wire.frames import BODY
from local_dsql.wire.message_types import CONTEXT_FIELD

_INTERNAL = re.compile(
    rb"^(?:PL/pgSQL function (?:(?:sys|local_dsql|local_dsql_engine)\.|set_config\(text,text,boolean\))"
    rb'|SQL function "(?:current_setting|set_config)").*\n?',
    re.MULTILINE,
)
"""The line of a function of `local_dsql/catalog`."""


def without_internal_context(raw: bytes) -> bytes:
    """Return an ErrorResponse or NoticeResponse without the calls in functions of the local database.

    What such a function calls is left out as well. The calls of a client's functions that led there stay.
    """
    if b"\0" + CONTEXT_FIELD not in raw:
        return raw
    parts = raw[BODY:].split(b"\0")
    kept = [each for each in map(_cleaned, parts[:-2]) if each != CONTEXT_FIELD]
    return messages.frame(raw[:1], b"\0".join([*kept, *parts[-2:]]))


def _cleaned(field: bytes) -> bytes:
    if field[:1] != CONTEXT_FIELD:
        return field
    calls = field[1:]
    return CONTEXT_FIELD + calls[max((found.end() for found in _INTERNAL.finditer(calls)), default=0) :]
