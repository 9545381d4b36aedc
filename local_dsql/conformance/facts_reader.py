"""Reader of the recordings in `facts/*.toml`."""

from __future__ import annotations

import tomllib
from importlib.resources import files
from typing import TYPE_CHECKING, cast

from local_dsql.conformance.cases import Case, Interleaving, RaceCase, Refusal, Result, Step, Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from local_dsql.conformance.cases import Answer, Protocol

TABLES_FILE = "tables.toml"
CONFLICTS_FILE = "conflicts.toml"
ROOT = files("local_dsql.conformance") / "facts"

_Entry = dict[str, object]


def _read(name: str) -> _Entry:
    return tomllib.loads((ROOT / name).read_text(encoding="utf-8"))


def _entries(value: object) -> list[_Entry]:
    return cast("list[_Entry]", value)


def _strings(value: object) -> tuple[str, ...]:
    return tuple(cast("Sequence[str]", value or ()))


def _row(text: str) -> tuple[str | None, ...]:
    """Parse a row in COPY text format: tab-separated columns, NULL as `\\N`."""
    return tuple(None if value == "\\N" else value for value in text.split("\t"))


def _answer(entry: _Entry) -> Answer:
    if "sqlstate" in entry:
        return Refusal(str(entry["sqlstate"]), str(entry["message"]))
    columns = _strings(entry.get("columns"))
    rows = tuple(map(_row, _strings(entry["rows"]))) if "rows" in entry else None
    return Result(str(entry["tag"]), columns, rows if columns else ())


def _step(entry: _Entry) -> Step:
    results = _entries(entry["results"]) if "results" in entry else [entry]
    return Step(str(entry["sql"]), tuple(_answer(result) for result in results))


def _case(topic: str, entry: _Entry) -> Case:
    return Case(
        id=str(entry["id"]),
        topic=topic,
        steps=tuple(_step(step) for step in _entries(entry["steps"])),
        protocol=cast("Protocol", entry.get("protocol", "extended")),
        uses=_strings(entry.get("uses")),
        given=_strings(entry.get("given")),
        cleanup=_strings(entry.get("cleanup")),
    )


def _topics() -> list[str]:
    names = sorted(entry.name for entry in ROOT.iterdir() if entry.name.endswith(".toml"))
    return [name for name in names if name not in (TABLES_FILE, CONFLICTS_FILE)]


def cases() -> tuple[Case, ...]:
    """Return the cases of one session, by topic."""
    return tuple(
        _case(name.removesuffix(".toml"), entry)
        for name in _topics()
        for entry in _entries(_read(name)["case"])
    )


def conflicts() -> tuple[RaceCase, ...]:
    """Return the cases of two sessions."""
    return tuple(
        RaceCase(
            id=str(entry["id"]),
            uses=_strings(entry["uses"]),
            steps={session: _step(cast("_Entry", entry[session])) for session in ("a", "b")},
            losers=tuple(cast("Sequence[int]", entry["losers"])),
        )
        for entry in _entries(_read(CONFLICTS_FILE)["case"])
    )


def interleaving() -> Interleaving:
    """Return the order of statements in a race of two sessions."""
    content = _read(CONFLICTS_FILE)
    moves = (move.partition(": ") for move in _strings(content["interleaving"]))
    orders = cast("Sequence[Sequence[str]]", content["commit_orders"])
    return Interleaving(
        tuple((session, what) for session, _, what in moves), tuple(tuple(order) for order in orders)
    )


def tables() -> dict[str, Table]:
    """Return the tables of all cases, referenced tables first."""
    return {
        str(entry["name"]): Table(
            str(entry["name"]),
            str(entry["create"]),
            _strings(entry.get("rows")),
            _strings(entry.get("references")),
        )
        for entry in _entries(_read(TABLES_FILE)["table"])
    }
