"""Cross-origin resource sharing, answered by the endpoint and not by the function.

Sources: AWS Lambda guide, "Cross-origin resource sharing (CORS)"; API Gateway guide, "Configure CORS for HTTP APIs".
"""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from blocks_cli.json_value import Json, mapping, sequence, text

if TYPE_CHECKING:
    from blocks_cli.http.message import HttpRequest

PREFIX = "access-control-"


@dataclass(frozen=True, slots=True)
class Cors:
    """The configuration of an endpoint."""

    origins: tuple[str, ...]
    methods: tuple[str, ...] = ()
    headers: tuple[str, ...] = ()
    exposed: tuple[str, ...] = ()
    max_age: str = ""
    credentials: bool = False

    @classmethod
    def of(cls, properties: Json) -> Cors | None:
        """Return the configuration in `Cors` or `CorsConfiguration` of a template, or None."""
        if not (given := mapping(properties)):
            return None

        def texts(name: str) -> tuple[str, ...]:
            return tuple(map(text, sequence(given.get(name))))

        return cls(
            origins=texts("AllowOrigins"),
            methods=texts("AllowMethods"),
            headers=texts("AllowHeaders"),
            exposed=texts("ExposeHeaders"),
            max_age=text(given.get("MaxAge")),
            credentials=text(given.get("AllowCredentials")) == "true",
        )

    def of_response(self, request: HttpRequest) -> dict[str, str]:
        """Return the headers of a response to an allowed origin, else none."""
        origin = request.headers.get("origin", "")
        if not origin or not any(fnmatchcase(origin, pattern) for pattern in self.origins):
            return {}
        exact = self.credentials or "*" not in self.origins
        found = {f"{PREFIX}allow-origin": origin if exact else "*"}
        if exact:
            found["vary"] = "Origin"
        if self.credentials:
            found[f"{PREFIX}allow-credentials"] = "true"
        if self.exposed:
            found[f"{PREFIX}expose-headers"] = ",".join(self.exposed)
        return found

    def of_preflight(self, request: HttpRequest) -> dict[str, str]:
        """Return the headers of a response to a preflight request."""
        found = self.of_response(request)
        found.pop(f"{PREFIX}expose-headers", None)
        if found:
            asked = {
                name: request.headers.get(f"{PREFIX}request-{name}", "") for name in ("method", "headers")
            }
            found[f"{PREFIX}allow-methods"] = _listed(self.methods, asked["method"])
            found[f"{PREFIX}allow-headers"] = _listed(self.headers, asked["headers"])
            found |= {f"{PREFIX}max-age": self.max_age} if self.max_age else {}
        return {name: value for name, value in found.items() if value}


def is_preflight(request: HttpRequest) -> bool:
    """Return whether a request asks for permission to send another one."""
    return request.method == "OPTIONS" and f"{PREFIX}request-method" in request.headers


def _listed(allowed: tuple[str, ...], asked: str) -> str:
    return asked if "*" in allowed else ",".join(allowed)
