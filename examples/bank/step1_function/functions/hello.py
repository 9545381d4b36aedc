"""Greet a customer: a function without a database."""

from __future__ import annotations

from typing import TypedDict


class HelloEvent(TypedDict):
    name: str


class HelloResult(TypedDict):
    greeting: str


def handler(event: HelloEvent, context: object) -> HelloResult:
    return {"greeting": f"Hello, {event['name']}."}
