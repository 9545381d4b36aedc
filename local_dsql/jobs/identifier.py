"""Job identifiers."""

from __future__ import annotations

import base64
import secrets


def new_job_id() -> str:
    """Return a new id: 128 random bits as 26 characters of lower-case base 32 without padding.

    Form recorded 2026-09-16, eu-central-1.
    """
    return base64.b32encode(secrets.token_bytes(16)).decode().rstrip("=").lower()
