"""Routes of an HTTP API: matches, precedence and path parameters."""

from __future__ import annotations

import pytest

from blocks_cli.http.routes import Route, find_route

KEYS = (
    *("$default", "GET /orders", "ANY /orders", "GET /orders/{id}", "GET /orders/newest"),
    *("GET /orders/{id}/items/{item}", "ANY /files/{path+}", "GET /"),
)
ROUTES = tuple(Route(key, "arn") for key in KEYS)

REQUESTS: dict[str, tuple[str, dict[str, str]]] = {
    "GET /orders": ("GET /orders", {}),
    "DELETE /orders": ("ANY /orders", {}),
    "GET /orders/": ("GET /orders", {}),
    "GET /orders/7": ("GET /orders/{id}", {"id": "7"}),
    "GET /orders/newest": ("GET /orders/newest", {}),
    "GET /orders/a%2Fb": ("GET /orders/{id}", {"id": "a/b"}),
    "GET /orders/7/items/x%20y": ("GET /orders/{id}/items/{item}", {"id": "7", "item": "x y"}),
    "PUT /files/a/b/c": ("ANY /files/{path+}", {"path": "a/b/c"}),
    "GET /files": ("$default", {}),
    "POST /orders/7": ("$default", {}),
    "GET /": ("GET /", {}),
    "POST /": ("$default", {}),
}


@pytest.mark.parametrize(("request_line", "expected"), REQUESTS.items(), ids=REQUESTS)
def test_route(request_line: str, expected: tuple[str, dict[str, str]]) -> None:
    method, _, path = request_line.partition(" ")
    for routes in (ROUTES, ROUTES[::-1]):
        found = find_route(routes, method, path)
        assert found is not None
        assert (found[0].key, found[1]) == expected


def test_no_route() -> None:
    assert find_route(ROUTES[1:], "PATCH", "/nothing") is None
