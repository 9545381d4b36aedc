"""The rules of the ledger, one by one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from blocks_runtime.contract import Access, database_role
from lambda_migrator.grants import Grant
from lambda_migrator.ledger import (
    Change,
    GrantRequest,
    Row,
    State,
    desired,
    grant,
    is_late,
    revoke,
    settle,
    unfinished,
    unrevoked,
)

RW = Grant(database_role("main", Access.READ_WRITE), Access.READ_WRITE, "arn:aws:iam::1:role/a")
RO = Grant(database_role("main", Access.READ_ONLY), Access.READ_ONLY, "arn:aws:iam::1:role/a")
FOREIGN = Grant(database_role("other", Access.READ_ONLY), Access.READ_ONLY, "arn:aws:iam::1:role/a")


def asked(
    kind: str, id: str | None = None, at: int = 100, *grants: Grant, resource: str = "Orders"
) -> GrantRequest:
    """Return a request; `kind` is its name, so the same name is the same request again."""
    return GrantRequest("main", "Shop", resource, kind, id, at, grants or (RW,))


OWNER = asked("r").owner
FIRST = asked("first").new_id
NEW = asked("new").new_id


def row(id: str = FIRST, state: State = State.LIVE, *grants: Grant, **more: object) -> Row:
    return replace(
        Row(id, "main", grants or (RW,), state, "Shop", OWNER, "first", None, 50),
        **more,  # type: ignore[arg-type]
    )


def states(change: Change) -> dict[str, State]:
    return {each.id: each.state for each in change.rows}


GRANTS: dict[str, tuple[list[Row], GrantRequest, Change | None, dict[str, State]]] = {
    "the first": ([], asked("new"), Change(NEW, finishes=NEW), {NEW: State.GRANTING}),
    "a change": ([row()], asked("new", FIRST, 100, RO), Change(NEW, finishes=NEW), {NEW: State.GRANTING}),
    "is there": ([row()], asked("new", FIRST), Change(FIRST), {FIRST: State.LIVE}),
    "a twin": ([row(NEW)], asked("new"), Change(NEW, is_done=True), {}),
    "unfinished, sent again": (
        [row(NEW, State.GRANTING)], asked("new"), Change(NEW, finishes=NEW), {NEW: State.GRANTING},
    ),
    "its generation has ended": ([row(NEW, State.GONE)], asked("new"), None, {}),
    "older than the last request": ([row(seen=200)], asked("new", FIRST, 100, RO), None, {}),
    "as old as the last request": (
        [row(seen=100)], asked("new", FIRST, 100, RO), Change(NEW, finishes=NEW), {NEW: State.GRANTING},
    ),
    "older, without a date": (
        [row(seen=200)], asked("new", FIRST, 0, RO), Change(NEW, finishes=NEW), {NEW: State.GRANTING},
    ),
    "from an id from which another Update had started": (
        [row(), row("main/x/y", State.LIVE, RO, made_from=FIRST)],
        asked("new", FIRST, 100, RO),
        Change(NEW, finishes=NEW),
        {"main/x/y": State.GONE, NEW: State.GRANTING},
    ),
    "the same without a date": (
        [row(), row("main/x/y", State.LIVE, RO, made_from=FIRST)],
        asked("new", FIRST, 0, RO),
        Change(NEW, finishes=NEW),
        {NEW: State.GRANTING},
    ),
    "the same of another resource": (
        [row(), row("main/x/y", State.LIVE, RO, made_from=FIRST, owner="another")],
        asked("new", FIRST, 100, RO),
        Change(NEW, finishes=NEW),
        {NEW: State.GRANTING},
    ),
    "the id has ended": (
        [row(FIRST, State.GONE)], asked("new", FIRST), Change(NEW, finishes=NEW), {NEW: State.GRANTING},
    ),
}  # fmt: skip


@pytest.mark.parametrize(("rows", "request_", "expected", "written"), GRANTS.values(), ids=GRANTS)
def test_grant(
    rows: list[Row], request_: GrantRequest, expected: Change | None, written: dict[str, State]
) -> None:
    change = grant({each.id: each for each in rows}, request_)
    if expected is None:
        assert change.cancelled
    else:
        assert replace(change, rows=()) == expected
    assert states(change) == written
    assert not change.revokes, "a Create or Update ends nothing that is in use"


MADE_UP = "Shop-Orders-1A2B3C"
REVOKES: dict[str, tuple[list[Row], GrantRequest, dict[str, State], bool]] = {
    "a live one": ([row()], asked("d", FIRST), {FIRST: State.GONE}, True),
    "again": ([row(FIRST, State.GONE)], asked("d", FIRST), {FIRST: State.GONE}, False),
    "an unfinished one": ([row(FIRST, State.GRANTING)], asked("d", FIRST), {FIRST: State.GONE}, False),
    "one that never was": ([row()], asked("d", NEW), {NEW: State.GONE}, False),
    "an id of CloudFormation": ([row()], asked("d", MADE_UP), {MADE_UP: State.GONE, FIRST: State.GONE}, True),
    "an id of CloudFormation, without a date": ([row()], asked("d", MADE_UP, 0), {MADE_UP: State.GONE}, False),
    "an id of CloudFormation, older than the creation": (
        [row(seen=200)], asked("d", MADE_UP), {MADE_UP: State.GONE}, False,
    ),
    "an id of CloudFormation, of another resource": (
        [row()], asked("d", MADE_UP, resource="Bills"), {MADE_UP: State.GONE}, False,
    ),
}  # fmt: skip


@pytest.mark.parametrize(("rows", "request_", "written", "revokes"), REVOKES.values(), ids=REVOKES)
def test_revoke(rows: list[Row], request_: GrantRequest, written: dict[str, State], revokes: bool) -> None:
    change = revoke({each.id: each for each in rows}, request_)
    assert (change.id, states(change), change.revokes) == (request_.physical_id, written, revokes)
    assert not change.cancelled


def test_a_generation_that_was_deleted_before_its_request_arrived_is_never_granted() -> None:
    """CloudFormation deletes the id of a failed answer; a twin of the request may still be on its way."""
    deleted = revoke({}, asked("d", NEW, 0))
    assert grant({each.id: each for each in deleted.rows}, asked("new", None, 0)).cancelled


def test_what_counts() -> None:
    rows = [
        row("live"),
        row("mine", State.GRANTING, RO),
        row("half", State.GRANTING, RO, seen=60),
        row("gone", State.GONE),
        row("revoked", State.GONE, revoked=True),
        row("foreign", State.LIVE, FOREIGN, database="other"),
    ]
    ledger = {each.id: each for each in rows}
    assert desired(ledger, "main") == (RW,)
    assert desired(ledger, "main", "mine") == (RW, RO)
    assert unrevoked(ledger, "main", "mine") == (RO, RW)
    settled = {
        each.id: (each.state, each.revoked)
        for each in settle(ledger, "main", Change("mine", finishes="mine"))
    }
    assert settled == {
        "mine": (State.LIVE, False),
        "half": (State.GRANTING, True),
        "gone": (State.GONE, True),
    }
    assert states(Change("", unfinished(ledger, Change("mine", finishes="mine")))) == {"mine": State.GONE}
    assert unfinished(ledger, Change("live")) == ()


def test_ids_tell_database_resource_and_request() -> None:
    ids = {
        asked("a").new_id,
        asked("b").new_id,
        asked("a", resource="Bills").new_id,
        replace(asked("a"), stack="Other").new_id,
        replace(asked("a"), database="other").new_id,
    }
    assert len(ids) == 5
    assert asked("a").new_id == asked("a", FIRST, 7, RO).new_id, "the same for each delivery"
    assert all(len(id.split("/")) == 3 for id in ids)


def test_only_later_requests_of_the_same_resource_make_one_late() -> None:
    rows = {FIRST: row(seen=200)}
    assert is_late(rows, asked("r", FIRST, 199))
    assert not is_late(rows, asked("r", FIRST, 200))
    assert not is_late(rows, asked("r", FIRST, 0))
    assert not is_late(rows, asked("r", FIRST, 199, resource="Bills"))
