"""The control requests about conflicts: arm and disarm injections, read the conflict log."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from local_dsql.injections import Origin, decode_injection, encode_conflict, encode_injection

if TYPE_CHECKING:
    from local_dsql.control import Json
    from local_dsql.control_server import Handler
    from local_dsql.endpoints import Endpoints


class ConflictRequests:
    """Answers them for the front that serves now; a reset makes a new one, with nothing armed and nothing logged."""

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

    async def _inject(self, parameters: Json) -> Json:
        injection = decode_injection(parameters)
        front = self._endpoints.front
        assert isinstance(injection.predicate, Origin)
        if (region := injection.predicate.region) is not None:
            front = self._endpoints.front_of(region)
        return {"number": front.engine.injector.add(injection)}

    async def _list(self, _: Json) -> Json:
        armed = self._endpoints.front.engine.injector.armed()
        return {str(number): encode_injection(injection) for number, injection in armed.items()}

    async def _clear(self, parameters: Json) -> Json:
        injector = self._endpoints.front.engine.injector
        number = cast("int | None", parameters["number"])
        if number is None:
            injector.clear()
        else:
            injector.remove(number)
        return {}

    async def _conflicts(self, _: Json) -> Json:
        journal = self._endpoints.front.engine.journal
        return {"conflicts": [encode_conflict(conflict) for conflict in journal.conflicts]}
