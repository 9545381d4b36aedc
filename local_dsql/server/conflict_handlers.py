"""Handlers of control requests about conflicts: arm and disarm injections, read the conflict log."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from local_dsql.control.codec import decode_injection, encode_conflict, encode_injection
from local_dsql.control.predicate_server import PredicateServer

if TYPE_CHECKING:
    from local_dsql.control.protocol import Json
    from local_dsql.control.server import Handler, JsonLineStream, StreamHandler
    from local_dsql.faults.injection import Injection
    from local_dsql.faults.injector import Injector
    from local_dsql.server.endpoints import Endpoints


class ConflictHandlers:
    """Handlers for the current proxy; a reset starts a new one without injections and with an empty log."""

    def __init__(self, endpoints: Endpoints) -> None:
        self._endpoints = endpoints

    @property
    def handlers(self) -> dict[str, Handler]:
        """Request handlers by method."""
        return {
            "inject": self._inject,
            "injections": self._list,
            "clear_injections": self._clear,
            "conflicts": self._conflicts,
        }

    @property
    def stream_handlers(self) -> dict[str, StreamHandler]:
        """Handlers that take over the connection, by method."""
        return {"inject_by_predicate": self._inject_by_predicate}

    async def _inject(self, parameters: Json) -> Json:
        injection = decode_injection(parameters)
        return {"number": self._injector_for(injection).add(injection)}

    async def _inject_by_predicate(self, parameters: Json, stream: JsonLineStream) -> None:
        """Arm an injection for as long as its process keeps the connection open."""
        injection = decode_injection(parameters)
        assert injection.predicate is not None
        evaluator = PredicateServer(stream, injection.predicate, float(str(parameters["timeout"])))
        injector = self._injector_for(injection)
        number = injector.add(injection, evaluator)
        stream.send({"result": {"number": number}})
        try:
            await evaluator.listen()
        finally:
            injector.remove(number)

    def _injector_for(self, injection: Injection) -> Injector:
        region = injection.region
        proxy = self._endpoints.proxy if region is None else self._endpoints.proxy_for(region)
        return proxy.engine.services.injector

    async def _list(self, _: Json) -> Json:
        armed = self._endpoints.proxy.engine.services.injector.armed()
        return {str(number): encode_injection(injection) for number, injection in armed.items()}

    async def _clear(self, parameters: Json) -> Json:
        injector = self._endpoints.proxy.engine.services.injector
        number = cast("int | None", parameters["number"])
        if number is None:
            injector.clear()
        else:
            injector.remove(number)
        return {}

    async def _conflicts(self, _: Json) -> Json:
        log = self._endpoints.proxy.engine.services.conflict_log
        return {"conflicts": [encode_conflict(conflict) for conflict in log.conflicts]}
