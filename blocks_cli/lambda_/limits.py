"""Quotas of Lambda on the size of payloads (AWS Lambda guide, "Lambda quotas")."""

from __future__ import annotations

MAX_EVENT = {"RequestResponse": 6 * 1024 * 1024, "Event": 1024 * 1024}
"""Bytes of an event by invocation type."""

MAX_RESPONSE = 6 * 1024 * 1024 + 100
"""Bytes of a response; Lambda's message states this number."""

EVENT_TOO_LARGE = "RequestTooLargeException"
"""Error type of Lambda's API for a longer event."""

RESPONSE_TOO_LARGE = "Function.ResponseSizeTooLarge"
"""Error type of an invocation with a longer response."""


def event_too_large(kind: str = "RequestResponse") -> str:
    """Return the message of Lambda's API for a longer event; `kind` is the invocation type."""
    return f"Request must be smaller than {MAX_EVENT[kind]} bytes for the InvokeFunction operation"


def response_too_large() -> str:
    """Return the message of an invocation with a longer response."""
    return f"Response payload size exceeded maximum allowed payload size ({MAX_RESPONSE} bytes)."
