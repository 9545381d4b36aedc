"""Handler of the function URL: the page, and the endpoints below `/api/`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .http import BadRequest, Request, failure
from .page import page

if TYPE_CHECKING:
    from .http import Response


def handler(event: dict[str, Any], context: object) -> Response:
    """Return the response to a request."""
    del context
    try:
        request = Request.of(event)
    except BadRequest as error:
        return failure(None, 400, str(error))
    if request.path.startswith("/api/"):
        from .api import call  # so that files of the page are served without the back ends

        return call(request)
    found = page(request) if request.method in ("GET", "HEAD") else None
    return found or failure(request, 404, f"there is no {request.path}; the page is /")
