"""The rules of the ledger against random histories, and rules with a known fault, which the histories must find."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from lambda_migrator import ledger
from lambda_migrator.ledger import State
from tests.lambda_migrator.ledger_model import History, LockedOut, Rules

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from lambda_migrator.ledger import Change, GrantRequest, Ledger

FEW, MANY = 1_000, 20_000


def play(seeds: Iterable[int], rules: Callable[[], Rules] = Rules, *, dated: bool = True) -> dict[str, int]:
    """Run histories; return the number of those with something left at the end, by the reasons that allow it."""
    left: dict[str, int] = {}
    for seed in seeds:
        history = History(seed, rules(), dated=dated)
        try:
            rest = history.run()
        except LockedOut as error:
            raise AssertionError(f"seed {seed}: {error}") from None
        if rest:
            why = ", ".join(sorted(history.leftovers)) or "no reason"
            left[why] = left.get(why, 0) + 1
    return left


def same_id(rows: Ledger, request: GrantRequest) -> Change:
    """Answer with an id made of the grant, which comes back with it."""
    digest = ledger.digest(repr(request.grants))
    reused = f"{request.database}/{request.owner}/{digest}"
    there = rows.get(reused)
    if there is not None and there.is_live:
        return ledger.Change(reused, is_done=True)
    row = replace(request.row(reused, State.GRANTING))
    return ledger.Change(reused, (row,), finishes=reused)


def no_owner(rows: Ledger, request: GrantRequest) -> Change:
    """Revoke the mapping of an id, although others have asked for it."""
    change = ledger.revoke(rows, request)
    gone = [grant for row in change.rows if row.id in rows for grant in rows[row.id].grants]
    others = [
        replace(row, state=State.GONE)
        for row in rows.values()
        if row.is_live and row.id != change.id and any(grant in gone for grant in row.grants)
    ]
    return replace(change, rows=(*change.rows, *others), revokes=True)


def no_union(rows: Ledger, request: GrantRequest) -> Change:
    """Revoke all that the new generation does not ask for, at once."""
    change = ledger.grant(rows, request)
    ended = [
        replace(row, state=State.GONE)
        for row in rows.values()
        if row.is_live and row.owner == request.owner and change.finishes
    ]
    return replace(change, rows=(*ended, *change.rows))


def every_generation(rows: Ledger, request: GrantRequest) -> Change:
    """Let a Delete end every generation of the resource."""
    change = ledger.revoke(rows, request)
    others = [
        replace(row, state=State.GONE) for row in rows.values() if row.is_live and row.owner == request.owner
    ]
    return replace(change, rows=(*change.rows, *others), revokes=True)


MUTATIONS: dict[str, Callable[[], Rules]] = {
    "ids come back": lambda: Rules(grant=same_id),
    "Delete revokes the mapping of others": lambda: Rules(revoke=no_owner),
    "Update revokes": lambda: Rules(grant=no_union),
    "Delete ends every generation of the resource": lambda: Rules(revoke=every_generation),
}


@pytest.mark.parametrize("dated", [True, False], ids=["dated", "without dates"])
def test_no_function_in_service_is_locked_out(dated: bool) -> None:
    play(range(FEW if dated else FEW // 4), dated=dated)


def reasons(seeds: Iterable[int], *, gives_up: bool) -> set[str]:
    """Return the sets of reasons of histories with something left."""
    left = set()
    for seed in seeds:
        history = History(seed, Rules(), gives_up=gives_up)
        if history.run():
            left.add(", ".join(sorted(history.leftovers)) or "no reason")
    return left


FORGOTTEN = "removed before its next change"
"""CloudFormation forgot an id in a rollback, and the resource was removed without another change.

The requests are then those of a rollback to the forgotten id, after which the functions need it.
"""


def test_what_is_left_has_a_reason() -> None:
    for why in reasons(range(FEW // 2), gives_up=True):
        assert {"a Delete was given up", FORGOTTEN, "late Delete"} & {*why.split(", ")}, why


def test_nothing_is_left_if_each_delete_arrives() -> None:
    for why in reasons(range(FEW // 2), gives_up=False):
        assert FORGOTTEN in why.split(", "), why


def test_an_id_that_is_not_ended_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger, "_forgotten_before", lambda *_: ())
    found = reasons(range(FEW // 2), gives_up=False)
    assert any(FORGOTTEN not in why.split(", ") for why in found)


@pytest.mark.slow
@pytest.mark.parametrize("dated", [True, False], ids=["dated", "without dates"])
def test_no_function_in_service_is_locked_out_in_many_histories(dated: bool) -> None:
    play(range(FEW, MANY if dated else MANY // 4), dated=dated)


@pytest.mark.slow
@pytest.mark.parametrize("rules", MUTATIONS.values(), ids=MUTATIONS)
def test_a_fault_in_the_rules_is_found(rules: Callable[[], Rules]) -> None:
    locked_out = 0
    for seed in range(FEW):
        try:
            History(seed, rules()).run()
        except LockedOut:
            locked_out += 1
    assert locked_out > 0
