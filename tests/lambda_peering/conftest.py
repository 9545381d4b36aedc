"""Pauses between two reads are removed; the control plane here needs none."""

from __future__ import annotations

import pytest

from lambda_peering import handler


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handler, "PAUSES", (0.0,))
