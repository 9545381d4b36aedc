"""Handlers of control requests about cost: begin and end of a measured block."""

from __future__ import annotations

import itertools
from dataclasses import asdict
from typing import TYPE_CHECKING

from local_dsql.errors import ServerError
from local_dsql.write_ahead_log.errors import LogGap

if TYPE_CHECKING:
    from local_dsql.control.protocol import Json
    from local_dsql.control.server import Handler
    from local_dsql.cost.meter import CostMeter
    from local_dsql.server.endpoints import Endpoints


class CostHandlers:
    """Handlers for the current database; a reset ends the blocks of the one before."""

    def __init__(self, endpoints: Endpoints) -> None:
        self._endpoints = endpoints
        self._meters: dict[int, CostMeter] = {}
        self._numbers = itertools.count(1)

    @property
    def handlers(self) -> dict[str, Handler]:
        """Request handlers by method."""
        return {"begin_cost": self._begin, "end_cost": self._end}

    def close(self) -> None:
        """Forget all blocks."""
        for meter in self._meters.values():
            meter.close()

    async def _begin(self, parameters: Json) -> Json:
        del parameters
        meter = await self._endpoints.proxy.engine.make_cost_meter(len(self._endpoints.ports))
        await meter.start()
        number = next(self._numbers)
        self._meters[number] = meter
        return {"number": number}

    async def _end(self, parameters: Json) -> Json:
        meter = self._meters.pop(int(str(parameters["number"])))
        try:
            return asdict(await meter.finish())
        except LogGap as gap:
            meter.close()
            raise ServerError(
                "the cost is not known",
                f"the log of the block is gone: {gap}",
                "measure a shorter block, without a reset within it",
            ) from gap
