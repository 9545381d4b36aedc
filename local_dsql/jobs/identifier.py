"""Job identifiers."""

from __future__ import annotations

import base64
import secrets


def new_job_id() -> str:
    """Return a new id: 128 random bits as 26 characters, base 32 in lower case without padding.

    Shape recorded 2026-09-16, eu-central-1.
    """
    return base64.b32encode(secrets.token_bytes(16)).decode().rstrip("=").lower()
