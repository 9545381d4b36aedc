"""The control requests about conflicts: arm and disarm injections, read the conflict log."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from local_dsql.control.codec import decode_injection, encode_conflict, encode_injection
from local_dsql.control.predicate_server import Questions

if TYPE_CHECKING:
    from local_dsql.control.protocol import Json
    from local_dsql.control.server import Handler, Host, Line
    from local_dsql.faults.injection import Injection
    from local_dsql.faults.injector import Injector
    from local_dsql.server.endpoints import Endpoints


class ConflictRequests:
    """Answers them for the proxy that serves now; a reset makes a new one, with nothing armed and nothing logged."""

    def __init__(self, endpoints: Endpoints) -> None:
        self._endpoints = endpoints

    @property
    def handlers(self) -> dict[str, Handler]:
        """The requests by name."""
        return {
            "inject": self._inject,
            "injections": self._list,
            "clear_injections": self._clear,
            "conflicts": self._conflicts,
        }

    @property
    def hosts(self) -> dict[str, Host]:
        """The requests that take the connection over, by name."""
        return {"inject_by_predicate": self._ask}

    async def _inject(self, parameters: Json) -> Json:
        injection = decode_injection(parameters)
        return {"number": self._injector_for(injection).add(injection)}

    async def _ask(self, parameters: Json, line: Line) -> None:
        """Arm an injection for as long as its process keeps the connection."""
        injection = decode_injection(parameters)
        assert injection.predicate is not None
        questions = Questions(line, injection.predicate, float(str(parameters["timeout"])))
        injector = self._injector_for(injection)
        number = injector.add(injection, questions)
        line.send({"result": {"number": number}})
        try:
            await questions.listen()
        finally:
            injector.remove(number)

    def _injector_for(self, injection: Injection) -> Injector:
        region = injection.region
        proxy = self._endpoints.proxy if region is None else self._endpoints.proxy_of(region)
        return proxy.engine.injector

    async def _list(self, _: Json) -> Json:
        armed = self._endpoints.proxy.engine.injector.armed()
        return {str(number): encode_injection(injection) for number, injection in armed.items()}

    async def _clear(self, parameters: Json) -> Json:
        injector = self._endpoints.proxy.engine.injector
        number = cast("int | None", parameters["number"])
        if number is None:
            injector.clear()
        else:
            injector.remove(number)
        return {}

    async def _conflicts(self, _: Json) -> Json:
        journal = self._endpoints.proxy.engine.journal
        return {"conflicts": [encode_conflict(conflict) for conflict in journal.conflicts]}
