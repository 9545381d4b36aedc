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
    on_cluster,
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
    "the clean-up has kept the id, and deleted the one that it replaced": (
        [row(), row("b", State.GONE, made_from=FIRST, seen=90, number=1), row("c", made_from="b", number=2)],
        asked("new", "c", 100, RO),
        Change(NEW, finishes=NEW),
        {FIRST: State.GONE, NEW: State.GRANTING},
    ),
    "no date tells that it came after the clean-up": (
        [row(), row("b", State.GONE, made_from=FIRST, seen=90, number=1), row("c", made_from="b", number=2)],
        asked("new", "c", 0, RO),
        Change(NEW, finishes=NEW),
        {NEW: State.GRANTING},
    ),
    "the same of an Update that is older than the clean-up": (
        [row(), row("b", State.GONE, made_from=FIRST, seen=90, number=1), row("c", made_from="b", number=2, seen=80)],
        asked("new", "c", 85, RO),
        None,
        {},
    ),
    "no clean-up has deleted the id that it replaced": (
        [row(), row("b", made_from=FIRST, number=1), row("c", made_from="b", number=2)],
        asked("new", "c", 100, RO),
        Change(NEW, finishes=NEW),
        {NEW: State.GRANTING},
    ),
    "a clean-up has deleted an earlier id only": (
        [
            row("z", State.GONE, seen=90), row("a", made_from="z", number=1),
            row("b", made_from="a", number=2), row("c", made_from="b", number=3),
        ],
        asked("new", "c", 100, RO),
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
    "one of another cluster, which was replaced here": (
        [row(), row("c", made_from=NEW, number=1)], asked("d", NEW), {NEW: State.GONE, FIRST: State.GONE}, True,
    ),
    "one of another cluster, late, after a second move": (
        [row("c", made_from=NEW, number=1), row("e", made_from="main/x/y", number=2)],
        asked("d", NEW), {NEW: State.GONE}, False,
    ),
    "one of another cluster, late, after more changes here": (
        [row("c", made_from=NEW, number=1), row("e", made_from="c"), row("f", made_from="e", number=2)],
        asked("d", NEW), {NEW: State.GONE}, False,
    ),
    "one of another cluster, of another resource": (
        [row(), row("c", made_from=NEW, number=1)], asked("d", NEW, resource="Bills"), {NEW: State.GONE}, False,
    ),
    "one that a live row has replaced": (
        [row(), row("b", made_from=FIRST, number=1), row("c", made_from="b", number=2)],
        asked("d", "b"), {"b": State.GONE}, True,
    ),
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


def test_generations_are_numbered() -> None:
    first = grant({}, asked("first"))
    rows = {each.id: each for each in first.rows}
    second = grant(rows, asked("new", FIRST, 100, RO))
    assert [each.number for each in (*first.rows, *second.rows)] == [1, 2]
    again = grant({**rows, **{each.id: each for each in second.rows}}, asked("new", FIRST, 100, RO))
    assert [each.number for each in again.rows] == [2], "the same when its request is delivered again"


HERE, THERE = "a" * 26, "b" * 26
CLUSTERS: dict[str, tuple[str, str, State, str]] = {
    "of this cluster": (HERE, HERE, State.LIVE, HERE),
    "of an earlier release": ("", HERE, State.LIVE, HERE),
    "from a backup of another cluster": (THERE, HERE, State.GONE, THERE),
    "a Region was added": (HERE, f"{HERE},{THERE}", State.LIVE, f"{HERE},{THERE}"),
    "a Region was removed": (f"{HERE},{THERE}", HERE, State.LIVE, f"{HERE},{THERE}"),
    "the other Region migrates": (f"{HERE},{THERE}", THERE, State.LIVE, f"{HERE},{THERE}"),
    "the identifier is unknown": (THERE, "", State.LIVE, THERE),
}


@pytest.mark.parametrize(("known", "here", "state", "cluster"), CLUSTERS.values(), ids=CLUSTERS)
@pytest.mark.parametrize("kind", ["Update", "Delete"])
def test_rows_of_another_cluster_end(known: str, here: str, state: State, cluster: str, kind: str) -> None:
    """Any request ends them: a stack without a grant on the restored cluster sends none."""
    ledger = {"x": row("x", owner="gone", stack="Gone", cluster=known)}
    rule = revoke if kind == "Delete" else grant
    change = on_cluster(here, lambda rows: rule(rows, asked("new", FIRST, 100, RO)))(ledger)
    after = ledger | {each.id: each for each in change.rows}
    assert (after["x"].state, after["x"].cluster) == (state, cluster)
    assert all(each.cluster == ",".join(sorted(here.split(","))) for each in change.rows if each.id != "x")
    assert not change.is_done


def test_a_twin_changes_nothing_on_its_cluster() -> None:
    rule = on_cluster(HERE, lambda rows: grant(rows, asked("new")))
    assert rule({NEW: row(NEW, cluster=HERE)}) == Change(NEW, is_done=True)


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
