"""The page and its files, which the function serves itself."""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from .http import respond
from .seats import ROWS, SEATS_IN_A_ROW

if TYPE_CHECKING:
    from .http import Request, Response

FOLDER = Path(__file__).parent / "page"

KINDS = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}

_SEATS = b"<!-- seats -->"

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self' {others}; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_OTHERS = {"https": "https://*.on.aws", "http": "http://127.0.0.1:* http://localhost:*"}
"""Origins of the function in the other Region, on AWS and on loopback."""


def page(request: Request) -> Response | None:
    """Return a file of the page, None if there is none of that name."""
    found = _files().get("index.html" if request.path == "/" else request.path.removeprefix("/"))
    if found is None:
        return None
    kind, content, tag = found
    scheme = request.url.partition(":")[0]
    headers = {"cache-control": "public, max-age=60", "etag": tag, "referrer-policy": "no-referrer"}
    if kind == KINDS[".html"]:
        headers |= {
            "content-security-policy": _POLICY.format(others=_OTHERS[scheme]),
            "cache-control": "no-cache",
        }
    if request.headers.get("if-none-match") == tag:
        return respond(request, b"", kind, 304, headers)
    return respond(request, content, kind, headers=headers)


@functools.cache
def _files() -> dict[str, tuple[str, bytes, str]]:
    """Return content type, content and tag by name."""
    found = {}
    for path in FOLDER.iterdir():
        if path.suffix in KINDS:
            content = path.read_bytes().replace(_SEATS, _seats().encode())
            found[path.name] = KINDS[path.suffix], content, f'"{hashlib.sha256(content).hexdigest()[:16]}"'
    return found


def _seats() -> str:
    """Return the plan: a row of buttons for each row of seats, so that nothing moves when the states arrive."""
    lines = []
    for row in ROWS:
        buttons = "".join(
            f'<td><button type="button" id="{row}{n}" tabindex="-1" aria-label="{row}{n}"><i></i></button></td>'
            for n in range(1, SEATS_IN_A_ROW + 1)
        )
        lines.append(f'<tr><th scope="row">{row}</th>{buttons}</tr>')
    return "\n".join(lines)
