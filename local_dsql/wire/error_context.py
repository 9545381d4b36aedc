"""Remove internal functions of the local database from the context of errors: DSQL has no such functions."""

from __future__ import annotations

import re

from local_dsql.wire import messages
from local_dsql.wire.frames import BODY

_CONTEXT = messages.CONTEXT_FIELD
"""The stack of calls, innermost first, one in a line."""

_INTERNAL = re.compile(
    rb"^(?:PL/pgSQL function (?:(?:sys|local_dsql|local_dsql_engine)\.|set_config\(text,text,boolean\))"
    rb'|SQL function "(?:current_setting|set_config)").*\n?',
    re.MULTILINE,
)
"""The line of a function of `local_dsql/catalog`."""


def without_internal_context(raw: bytes) -> bytes:
    """Return an ErrorResponse or NoticeResponse without the calls in functions of the local database.

    Calls that such a function makes are left out as well. The calls of a client's functions that led there stay.
    """
    if b"\0" + _CONTEXT not in raw:
        return raw
    parts = raw[BODY:].split(b"\0")
    kept = [each for each in map(_cleaned, parts[:-2]) if each != _CONTEXT]
    return messages.frame(raw[:1], b"\0".join([*kept, *parts[-2:]]))


def _cleaned(field: bytes) -> bytes:
    if field[:1] != _CONTEXT:
        return field
    calls = field[1:]
    return _CONTEXT + calls[max((found.end() for found in _INTERNAL.finditer(calls)), default=0) :]
