"""Counts the connections that invocations open: with one that is kept, and with one for each invocation."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from examples.bank.tool.outcomes import Kind, percentile

if TYPE_CHECKING:
    from examples.bank.tool.targets import Handler

ACCOUNTS = 1_000


@dataclass(frozen=True)
class Usage:
    """Connections and latencies of invocations, one after the other."""

    invocations: int
    connects: int
    latencies: list[float]

    @property
    def per_thousand(self) -> float:
        """Connections for 1,000 invocations."""
        return self.connects * 1000 / self.invocations

    def milliseconds(self, percent: float) -> float:
        """Return a percentile of the latencies."""
        return percentile(self.latencies, percent) * 1000


def count(handler: Handler, invocations: int, *, kept: bool) -> Usage:
    """Invoke the handler, and count its connections; without `kept` close the connection after each invocation."""
    draw = random.Random()  # noqa: S311 (accounts, not secrets)
    connects, latencies = 0, []
    for _ in range(invocations):
        payer, payee = draw.sample(range(1, ACCOUNTS + 1), 2)
        started = time.perf_counter()
        outcome = handler.transfer({"payer_id": payer, "payee_id": payee, "amount": 1})
        if not kept:
            connects += handler.database.stats.connects
            handler.database.close()
        latencies.append(time.perf_counter() - started)
        assert outcome.kind is Kind.MADE, outcome.error
    return Usage(invocations, connects or handler.database.stats.connects, latencies)
