"""Injections and conflicts on their way through the control socket."""

from __future__ import annotations

import datetime as dt
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, cast

from local_dsql.occ.injection import Fault, Injection
from local_dsql.occ.journal import Conflict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from local_dsql.control import Json
    from local_dsql.occ.injection import Attempt


@dataclass(frozen=True, slots=True)
class Origin:
    """Predicate of an injection: COMMITs of one database role, through one Region's endpoint; None: of any."""

    role: str | None = None
    region: str | None = None

    def __call__(self, attempt: Attempt) -> bool:
        """Tell whether the COMMIT comes from there."""
        return self.role in (None, attempt.role) and self.region in (None, attempt.region)


def injection(
    fault: Fault | str, times: int | None, every: int, table: str | None, origin: Origin
) -> Injection:
    """Return the injection that a user describes.

    Raises:
        ValueError: there is no such fault, or a number is not positive.
    """
    names = [each.value for each in Fault]
    if not isinstance(fault, Fault) and fault not in names:
        raise ValueError(f"there is no fault {fault}; there are {', '.join(names)}")
    return Injection(fault=Fault(fault), times=times, every=every, table=table, predicate=origin)


def encode_injection(given: Injection) -> Json:
    """Return the injection as JSON; its predicate must be an `Origin`."""
    assert isinstance(given.predicate, Origin)
    return {
        "fault": given.fault.value,
        "times": given.times,
        "every": given.every,
        "table": given.table,
        **asdict(given.predicate),
    }


def decode_injection(answer: Json) -> Injection:
    """Return the injection that `encode_injection` wrote.

    Raises:
        ValueError: there is no such fault, or a number is not positive.
    """
    given = cast("Mapping[str, str | None]", answer)
    return injection(
        str(given["fault"]),
        cast("int | None", answer["times"]),
        cast("int", answer["every"]),
        given["table"],
        Origin(given["role"], given["region"]),
    )


def encode_conflict(conflict: Conflict) -> Json:
    """Return the conflict as JSON, its moment in ISO 8601."""
    return asdict(conflict) | {"at": conflict.at.isoformat()}


def decode_conflict(answer: Json) -> Conflict:
    """Return the conflict that `encode_conflict` wrote."""
    lists = {name: tuple(cast("list[str]", answer[name])) for name in ("winners", "tables", "rows")}
    return Conflict(
        at=dt.datetime.fromisoformat(str(answer["at"])),
        code=str(answer["code"]),
        loser=str(answer["loser"]),
        injected=bool(answer["injected"]),
        **lists,
    )
