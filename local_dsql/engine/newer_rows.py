"""Errors of a statement that rows committed since the snapshot may have caused, and their conflict log."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, NamedTuple

from local_dsql.engine.errors import CONFLICT_CODES, FOREIGN_KEY_VIOLATION, UNIQUE_VIOLATION, EngineError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dsql_dialect import Statement
    from local_dsql.engine.session import HeldSession

_BY_VALUES = ("22", "23")
"""Classes of errors that the values of rows can cause: data exceptions, and violations of constraints."""
_VERIFIED = (UNIQUE_VIOLATION, FOREIGN_KEY_VIOLATION)
"""Violations that `run_doomed` has already checked: they are real."""


class NewerChanges(NamedTuple):
    """Tables of a statement that others have changed since the first snapshot, by name, and numbers of these
    transactions."""

    tables: tuple[str, ...]
    winners: tuple[int, ...]


_NOTHING = NewerChanges((), ())


def has_moved(held: HeldSession) -> bool:
    """Return whether others may have committed changes since the snapshot."""
    return held.services.commits.has_moved(held.transaction.commits)


async def newer_changes(held: HeldSession, statement: Statement) -> NewerChanges:
    """Return the changes that others have committed in the tables that a statement names."""
    newer = await held.services.log.newer(held.transaction, than_first=True)
    changed, keep = newer.files(), held.sees_current_catalog
    known = await held.services.catalog.tables(held, changed, keep=keep) if changed else {}
    found = {file: table for file, table in known.items() if table.relation.lower() in statement.relations}
    tables = sorted({table.relation.lower() for table in found.values()})
    return NewerChanges(tuple(tables), newer.writers(found.keys()))


async def may_have_caused(held: HeldSession, statement: Statement | None, error: Mapping[str, str]) -> bool:
    """Return whether newer rows may have caused the error of a statement of a doomed transaction."""
    if statement is None or not error["C"].startswith(_BY_VALUES) or error["C"] in _VERIFIED:
        return False
    return bool((await newer_changes(held, statement)).tables)


async def log_reported_conflict(
    held: HeldSession, statement: Statement | None, error: Mapping[str, str]
) -> None:
    """Add a conflict to the conflict log that a statement reports before COMMIT."""
    code = next((code for message, code in CONFLICT_CODES.items() if message.message == error["M"]), None)
    if code is None:
        return
    log = held.services.conflict_log
    changes = _NOTHING
    if statement is not None:
        with contextlib.suppress(EngineError):  # then the conflict log lacks these details
            changes = await newer_changes(held, statement)
    winners = log.sessions(changes.winners)
    log.lost(code, held.session.label, winners=winners, tables=changes.tables)
