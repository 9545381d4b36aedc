"""Routes of an HTTP API (API Gateway guide, "Create routes for HTTP APIs")."""

from __future__ import annotations

import urllib.parse
from dataclasses import dataclass
from typing import TYPE_CHECKING

from blocks_cli.http.payload import DEFAULT_ROUTE

if TYPE_CHECKING:
    from collections.abc import Iterable

_ANY = "ANY"
_LAST = ((9,), 1)


@dataclass(frozen=True, slots=True)
class Route:
    """A route key, such as `GET /orders/{id}`, and the ARN of the function that it invokes."""

    key: str
    function: str

    def match(self, method: str, path: str) -> dict[str, str] | None:
        """Return the path parameters if the route matches a request, else None; `path` is percent-encoded."""
        if self.key == DEFAULT_ROUTE:
            return {}
        own, _, pattern = self.key.partition(" ")
        return _parameters(_split(pattern), _split(path)) if own in (_ANY, method) else None

    @property
    def rank(self) -> tuple[tuple[int, ...], int]:
        """Order of precedence: fixed segments, variables, greedy variables, `$default`; then methods before ANY."""
        if self.key == DEFAULT_ROUTE:
            return _LAST
        method, _, pattern = self.key.partition(" ")
        return tuple(map(_rank, _split(pattern))), int(method == _ANY)


def find_route(routes: Iterable[Route], method: str, path: str) -> tuple[Route, dict[str, str]] | None:
    """Return the route of a request with its path parameters, or None."""
    for route in sorted(routes, key=lambda each: each.rank):
        parameters = route.match(method, path)
        if parameters is not None:
            return route, parameters
    return None


def _split(path: str) -> list[str]:
    return path.strip("/").split("/")


def _rank(segment: str) -> int:
    if not segment.startswith("{"):
        return 0
    return 2 if segment.endswith("+}") else 1


def _parameters(pattern: list[str], path: list[str]) -> dict[str, str] | None:
    found: dict[str, str] = {}
    for number, segment in enumerate(pattern):
        rest = path[number:]
        kind = _rank(segment)
        if not rest or (kind and rest == [""]):
            return None
        if kind == 2:
            return found | {segment[1:-2]: urllib.parse.unquote("/".join(rest))}
        if kind == 1:
            found[segment[1:-1]] = urllib.parse.unquote(rest[0])
        elif segment != urllib.parse.unquote(rest[0]):
            return None
    return found if len(path) == len(pattern) else None
