"""Net changes and conflicts, without a server."""

from __future__ import annotations

import pytest

from local_dsql.write_ahead_log import (
    LockStrength,
    OperationKind,
    Place,
    RowOperation,
    Snapshot,
    conflicts,
    format_lsn,
    net_changes,
    parse_lsn,
)

KS, SH, NKU, UPD = LockStrength
A, B, C, D = (Place(0, offset) for offset in range(1, 5))
FILE = 7


def insert(new: Place) -> RowOperation:
    return RowOperation(OperationKind.INSERT, FILE, None, new, None, 0, 0)


def update(old: Place, new: Place, strength: LockStrength = NKU, keys_unchanged: bool = True) -> RowOperation:
    return RowOperation(OperationKind.UPDATE, FILE, old, new, strength, 0, 0, keys_unchanged)


def delete(old: Place) -> RowOperation:
    return RowOperation(OperationKind.DELETE, FILE, old, None, UPD, 0, 0)


def lock(old: Place, strength: LockStrength, multixact: int = 0) -> RowOperation:
    return RowOperation(OperationKind.LOCK, FILE, old, None, strength, multixact, 0)


def test_a_chain_of_updates_is_one() -> None:
    table = net_changes([update(A, B), update(B, C, UPD, keys_unchanged=False)])[FILE]
    assert (table.updates, table.deletes, table.inserts) == ({A: C}, set(), [])
    assert table.held == {A: UPD}
    assert table.keys_unchanged == set()
    assert table.made == [C]


def test_an_update_that_keeps_the_keys_says_so() -> None:
    assert net_changes([update(A, B), update(B, C, UPD)])[FILE].keys_unchanged == {A}
    assert net_changes([update(A, B), delete(B)])[FILE].keys_unchanged == set()


def test_an_inserted_row_that_goes_leaves_nothing() -> None:
    assert net_changes([insert(A), update(A, B), delete(B)]) == {}


def test_a_deleted_row_is_one_of_the_base() -> None:
    table = net_changes([update(A, B), delete(B), insert(C)])[FILE]
    assert (table.updates, table.deletes, table.inserts) == ({}, {A}, [C])


def test_locks_that_a_write_holds_itself_are_not_taken_again() -> None:
    table = net_changes([lock(A, UPD), update(A, B), lock(C, KS), lock(C, SH), lock(B, UPD)])[FILE]
    assert table.locks == {A: UPD, C: SH}  # FOR UPDATE is more than the update
    assert table.held == {A: UPD, C: SH}
    table = net_changes([lock(A, KS), update(A, B), lock(B, KS), lock(C, UPD), delete(C)])[FILE]
    assert table.locks == {}


def test_a_no_key_lock_without_a_write_is_not_taken_again() -> None:
    changes = net_changes([lock(A, NKU)])
    assert not changes[FILE]
    assert changes[FILE].held == {A: NKU}


def test_a_lock_on_a_newer_version_is_held_and_not_taken_again() -> None:
    newer = lock(B, KS)._replace(kind=OperationKind.LOCK_UPDATED)
    table = net_changes([lock(A, KS), newer])[FILE]
    assert (table.locks, table.held) == ({A: KS}, {A: KS, B: KS})


def test_the_members_of_a_multixact_are_asked_for() -> None:
    asked = []

    def member(multixact: int, strongest: LockStrength) -> LockStrength:
        asked.append((multixact, strongest))
        return KS

    table = net_changes([lock(A, UPD, multixact=9)], multixact_strength=member)[FILE]
    assert asked == [(9, UPD)]
    assert table.locks == {A: KS}


# Documentation of PostgreSQL 16, table 13.3 (conflicting row-level locks).
MATRIX = {
    KS: (False, False, False, True),
    SH: (False, False, True, True),
    NKU: (False, True, True, True),
    UPD: (True, True, True, True),
}


@pytest.mark.parametrize("mine", LockStrength)
@pytest.mark.parametrize("theirs", LockStrength)
def test_locks_conflict_as_in_postgresql(mine: LockStrength, theirs: LockStrength) -> None:
    expected = MATRIX[mine][theirs - 1]
    assert conflicts({(1, A): mine}, {(1, A): theirs, (1, B): UPD}) is expected
    assert not conflicts({(1, A): mine}, {(2, A): theirs})
    assert not conflicts({(1, A): mine}, {})


@pytest.mark.parametrize(
    ("text", "shown", "hidden"),
    [
        ("10:10:", [9, 3], [10, 11]),
        ("10:14:10,12", [9, 11, 13], [10, 12, 14]),
        ("8589934600:8589934602:8589934600", [5, 8589934601], [8589934600, 8589934602]),
    ],
)
def test_snapshots(text: str, shown: list[int], hidden: list[int]) -> None:
    snapshot = Snapshot.parse(text)
    assert [xid for xid in (*shown, *hidden) if snapshot.shows(xid)] == shown


@pytest.mark.parametrize(("text", "position"), [("0/0", 0), ("16/B374D848", 0x16B374D848), ("1/0", 1 << 32)])
def test_positions(text: str, position: int) -> None:
    assert parse_lsn(text) == position
    assert format_lsn(position) == text


def test_a_text_that_is_no_position_is_refused() -> None:
    with pytest.raises(ValueError, match="unpack"):
        parse_lsn("16B374D848")
