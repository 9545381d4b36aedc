"""JSON form of injections, commit attempts and conflicts on the control socket."""

from __future__ import annotations

import datetime as dt
from dataclasses import asdict
from typing import TYPE_CHECKING, cast

from local_dsql.engine.conflict_log import Conflict
from local_dsql.faults.injection import Attempt, Fault, Injection

if TYPE_CHECKING:
    from local_dsql.control.protocol import Json


def fault_named(name: Fault | str) -> Fault:
    """Return the fault with a name.

    Raises:
        ValueError: the fault is unknown.
    """
    names = [each.value for each in Fault]
    if not isinstance(name, Fault) and name not in names:
        raise ValueError(f"unknown fault {name}; choose one of {', '.join(names)}")
    return Fault(name)


def encode_injection(given: Injection) -> dict[str, object]:
    """Return the injection as JSON."""
    return asdict(given) | {"fault": given.fault.value}


def decode_injection(answer: Json) -> Injection:
    """Inverse of `encode_injection`.

    Raises:
        ValueError: the fault is unknown, a number is not positive, or a key has no table.
    """
    texts = {
        name: cast("str | None", answer[name]) for name in ("table", "key", "role", "region", "predicate")
    }
    return Injection(
        fault=fault_named(str(answer["fault"])),
        times=cast("int | None", answer["times"]),
        every=cast("int", answer["every"]),
        **texts,
    )


def encode_attempt(attempt: Attempt) -> Json:
    """Return the commit attempt as JSON."""
    return {
        "role": attempt.role,
        "region": attempt.region,
        "tables": sorted(attempt.tables),
        "rows": {table: sorted(rows) for table, rows in attempt.rows.items()},
        "statements": attempt.statements,
        "number": attempt.number,
    }


def decode_attempt(question: Json) -> Attempt:
    """Inverse of `encode_attempt`."""
    rows = cast("dict[str, list[str]]", question["rows"])
    return Attempt(
        role=str(question["role"]),
        region=str(question["region"]),
        tables=frozenset(cast("list[str]", question["tables"])),
        rows={table: frozenset(changed) for table, changed in rows.items()},
        statements=tuple(cast("list[str]", question["statements"])),
        number=cast("int", question["number"]),
    )


def encode_conflict(conflict: Conflict) -> Json:
    """Return the conflict as JSON, its time in ISO 8601."""
    return asdict(conflict) | {"at": conflict.at.isoformat()}


def decode_conflict(answer: Json) -> Conflict:
    """Inverse of `encode_conflict`."""
    lists = {name: tuple(cast("list[str]", answer[name])) for name in ("winners", "tables", "rows")}
    return Conflict(
        at=dt.datetime.fromisoformat(str(answer["at"])),
        code=str(answer["code"]),
        loser=str(answer["loser"]),
        injected=bool(answer["injected"]),
        **lists,
    )
