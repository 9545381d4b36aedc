"""Why peering cannot go on, in three parts: what, why, and what to do."""

from __future__ import annotations


class PeeringProblem(Exception):
    """Peering cannot go on until somebody does something."""

    def __init__(self, what: str, why: str, remedy: str) -> None:
        super().__init__(what, why, remedy)

    def __str__(self) -> str:
        return "\n".join(self.args)


class Unsettled(Exception):
    """The answer may be another one in a moment: throttled, in transition, or a permission still on its way."""
