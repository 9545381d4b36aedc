"""Rules of the ledger for tests that are not about the ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lambda_migrator.ledger import Change, Row, State

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lambda_migrator.grants import Grant
    from lambda_migrator.ledger import Rule


def exactly(grants: Sequence[Grant]) -> Rule:
    """Return a rule after which the roles of the database `main` have these grants alone."""
    row = Row("test", "main", tuple(grants), State.LIVE, "stack", "owner", "request")
    return lambda ledger: Change(row.id, (row,), revokes=True)
