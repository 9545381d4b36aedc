"""Locks that a transaction of the oracle has taken, read off the rows that it sees."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.local_dsql.differential.conflict_rule import RowId, Strength, Taken

if TYPE_CHECKING:
    from tests.local_dsql.differential.tables import Rows, Table


@dataclass
class Fact:
    """Locks that a committed transaction took, and its entries in unique indexes."""

    taken: Taken
    entries: frozenset[tuple[str, int, str]]


@dataclass
class Open:
    """An open transaction."""

    snapshot: int
    catalog: int
    tables: dict[str, Table]
    base: Rows
    seen: Rows
    taken: Taken = field(default_factory=Taken)
    entries: set[tuple[str, int, str]] = field(default_factory=set)
    failed: bool = False
    """PostgreSQL has answered an error to it: nothing but ROLLBACK is left."""


def entries(row: RowId, rows: Rows) -> set[tuple[str, int, str]]:
    """Return the entries of a row in unique indexes, by table and index."""
    if row not in rows:
        return set()
    return {(row[0], index, entry) for index, entry in enumerate(rows[row].entries) if entry is not None}


def take_written(transaction: Open, now: Rows, *, sure: bool) -> None:
    """Take the rows that the transaction has updated or deleted."""
    for row, was in transaction.base.items():
        if row not in now:
            transaction.taken.take(row, Strength.WHOLE, sure=sure)
        elif now[row].mine:
            if now[row].key != was.key:
                transaction.taken.take(row, Strength.WHOLE, sure=sure)
            else:
                transaction.taken.take(row, Strength.VALUES, sure=sure)
                if now[row].exact_key != was.exact_key:
                    transaction.taken.take(row, Strength.WHOLE, sure=False)


def take_references(transaction: Open, before: Rows, now: Rows, *, sure: bool) -> None:
    """Take the parents of rows whose references are not those of `before`."""
    parents: dict[tuple[str, tuple[str, ...], str], RowId] | None = None
    for row, seen in now.items():
        was = before.get(row)
        if not seen.mine or not seen.references or (was is not None and was.references == seen.references):
            continue
        for index, reference in enumerate(transaction.tables[row[0]].references):
            value = seen.references[index]
            if value is None or (was is not None and was.references[index] == value):
                continue
            if parents is None:
                parents = _parents(transaction, now)
            parent = parents.get((reference.parent, reference.targets, value))
            if parent is not None and parent in transaction.base:
                transaction.taken.take(parent, Strength.KEY_SHARE, sure=sure)


def take_kept_references(transaction: Open, now: Rows) -> None:
    """Take the parents of rows that the transaction has changed, though not their references, as possible.

    The local DSQL locks them if a row is changed twice, or restored after a suspension (divergence
    `child-updated-twice`).
    """
    parents = _parents(transaction, now)
    for row, seen in now.items():
        if not seen.mine or row not in transaction.base:
            continue
        for index, reference in enumerate(transaction.tables[row[0]].references):
            value = seen.references[index]
            parent = parents.get((reference.parent, reference.targets, value)) if value is not None else None
            if parent is not None and parent in transaction.base:
                transaction.taken.take(parent, Strength.KEY_SHARE, sure=False)


def _parents(transaction: Open, now: Rows) -> dict[tuple[str, tuple[str, ...], str], RowId]:
    return {
        (row[0], columns, value): row
        for row, seen in now.items()
        for columns, value in zip(transaction.tables[row[0]].targets, seen.targets, strict=True)
        if value is not None
    }
