"""Cross-origin resource sharing of endpoints."""

from __future__ import annotations

from blocks_cli.http.cors import Cors, is_preflight
from blocks_cli.http.message import HttpRequest

CORS = Cors.of(
    {
        "AllowOrigins": ["https://*.example.com", "http://localhost:3000"],
        "AllowMethods": ["GET", "POST"],
        "AllowHeaders": ["content-type"],
        "ExposeHeaders": ["x-total"],
        "MaxAge": 60,
        "AllowCredentials": True,
    }
)


def _preflight(origin: str) -> HttpRequest:
    headers = {
        "origin": origin,
        "access-control-request-method": "POST",
        "access-control-request-headers": "x-a",
    }
    return HttpRequest("OPTIONS", "/", headers)


def test_no_configuration() -> None:
    assert Cors.of(None) is None


def test_preflight() -> None:
    assert CORS
    request = _preflight("https://shop.example.com")
    assert is_preflight(request)
    assert CORS.of_preflight(request) == {
        "access-control-allow-origin": "https://shop.example.com",
        "vary": "Origin",
        "access-control-allow-credentials": "true",
        "access-control-allow-methods": "GET,POST",
        "access-control-allow-headers": "content-type",
        "access-control-max-age": "60",
    }
    assert not is_preflight(HttpRequest("OPTIONS", "/"))


def test_another_origin() -> None:
    assert CORS
    assert CORS.of_preflight(_preflight("https://example.org")) == {}
    assert CORS.of_response(HttpRequest("GET", "/")) == {}


def test_any_origin() -> None:
    cors = Cors.of({"AllowOrigins": ["*"], "AllowMethods": ["*"], "AllowHeaders": ["*"]})
    assert cors
    got = cors.of_preflight(_preflight("https://example.org"))
    assert got["access-control-allow-origin"] == "*"
    assert (got["access-control-allow-methods"], got["access-control-allow-headers"]) == ("POST", "x-a")
