"""Requests to endpoints on loopback."""

from __future__ import annotations

import urllib.error
import urllib.request


def fetch(url: str, **options: object) -> tuple[int, dict[str, str], bytes]:
    """Return status, headers and body of a response."""
    request = urllib.request.Request(url, **options)  # type: ignore[arg-type]
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return response.status, dict(response.headers), response.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, dict(error.headers), error.read()
