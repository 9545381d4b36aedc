"""Rules of the ledger of grants: what a request changes, and the id with which it is answered. No database.

A row is one generation of one grant. One Create or Update makes it, and its id is never used again. It counts while it
is live, and ends once, by a Delete of its id. The database is to have what the live rows ask for. So a request that
arrives twice, or late, changes nothing that another request has made.

CloudFormation signs the URL for each response and so dates each request. Dates end what requests left behind that
CloudFormation has cancelled; a URL without a date ends nothing. A request that looks cancelled fails, so no answer
says that a grant is there which is not.
"""

from __future__ import annotations

import enum
import hashlib
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

from .grants import is_role_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from .grants import Grant


class State(enum.Enum):
    """State of a row."""

    GRANTING = "granting"
    """The request that made it has not finished; it counts for that request only."""
    LIVE = "live"
    """It counts."""
    GONE = "gone"
    """It has ended."""


@dataclass(frozen=True, slots=True)
class Row:
    """One generation of a grant.

    `grants` is what it asks for, `stack` the stack of its resource, `owner` the resource, `made_from` the id before it
    (None: made by Create), `request` the request that made it, `seen` the latest date of a request about it, in
    seconds since the epoch (0: unknown). `revoked` tells, of a row that does not count, that nothing of it is left in
    the database.
    """

    id: str
    database: str
    grants: tuple[Grant, ...]
    state: State
    stack: str
    owner: str
    request: str
    made_from: str | None = None
    seen: int = 0
    revoked: bool = False

    @property
    def is_live(self) -> bool:
        """True while it counts."""
        return self.state is State.LIVE


Ledger: TypeAlias = "Mapping[str, Row]"
"""The rows, by id."""


@dataclass(frozen=True, slots=True)
class GrantRequest:
    """The part of a request of CloudFormation that the rules read; `physical_id` is None on Create."""

    database: str
    stack: str
    resource: str
    request: str
    physical_id: str | None
    signed_at: int
    grants: tuple[Grant, ...] = ()

    @property
    def owner(self) -> str:
        """The resource, as part of an id."""
        return digest(f"{self.stack}|{self.resource}")

    @property
    def new_id(self) -> str:
        """The id of the generation that this request makes: the same each time the request is delivered."""
        return f"{self.database}/{self.owner}/{digest(self.request)}"

    def row(self, id: str, state: State) -> Row:
        """Return the row that this request makes."""
        return Row(
            id, self.database, self.grants, state, self.stack, self.owner, self.request, self.physical_id,
            self.signed_at,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Change:
    """Result of a rule: the id to answer, the rows to write, and what is to be done to the database.

    `cancelled` is the reason if the request must fail. `finishes` is the row that becomes live after the database has
    its grants. `is_done` tells that the database needs no change. `revokes` tells that a live row has ended, so that
    all that no live row asks for is revoked; otherwise only what rows that have ended asked for.
    """

    id: str
    rows: tuple[Row, ...] = ()
    cancelled: str = ""
    finishes: str | None = None
    is_done: bool = False
    revokes: bool = False


Rule: TypeAlias = "Callable[[Ledger], Change]"
"""A request, applied to the ledger as it is."""


def grant(ledger: Ledger, request: GrantRequest) -> Change:
    """Return the change of a Create or Update: a new generation, or the one there is if it asks for the same."""
    made, id = ledger.get(request.new_id), request.physical_id
    if made is not None and made.is_live:
        return Change(made.id, is_done=True)
    if made is not None and made.state is State.GONE:
        return Change(made.id, cancelled="the generation that this request made has ended")
    if is_late(ledger, request):
        return Change(request.new_id, cancelled="CloudFormation has sent a later request for this resource")
    ended = tuple(replace(row, state=State.GONE) for row in _cancelled_before(ledger, request))
    there = None if id is None else ledger.get(id)
    if there is not None and there.is_live and there.grants == request.grants:
        return Change(there.id, (*ended, _noticed(there, request)))
    row = request.row(request.new_id, State.GRANTING)
    return Change(row.id, (*ended, row), finishes=row.id)


def revoke(ledger: Ledger, request: GrantRequest) -> Change:
    """Return the change of a Delete: the generation of its id ends, and with an unknown id what Create had made.

    CloudFormation makes an id up for a resource whose creation it cancelled before the answer.
    """
    id = request.physical_id or request.new_id
    row = ledger.get(id)
    if row is None:
        rows = [replace(request.row(id, State.GONE), grants=(), made_from=None, revoked=True)]
        if not _is_ours(id):
            rows += [replace(each, state=State.GONE) for each in _created_before(ledger, request)]
    else:
        rows = [replace(_noticed(row, request), state=State.GONE)]
    return Change(id, tuple(rows), revokes=any(_was_live(ledger, each) for each in rows))


def is_late(ledger: Ledger, request: GrantRequest) -> bool:
    """Return whether CloudFormation has sent a later request for the resource, so that it has cancelled this one."""
    return bool(request.signed_at) and any(
        row.owner == request.owner and row.seen > request.signed_at for row in ledger.values()
    )


def desired(ledger: Ledger, database: str, finishing: str | None = None) -> tuple[Grant, ...]:
    """Return the grants on a database that live rows ask for, and the row that is being finished."""
    counting = (row for row in ledger.values() if row.is_live or row.id == finishing)
    return _of_database(database, counting)


def unrevoked(ledger: Ledger, database: str, finishing: str | None = None) -> tuple[Grant, ...]:
    """Return the grants on a database of rows that do not count and may be in the database."""
    rows = (row for row in ledger.values() if not (row.is_live or row.revoked or row.id == finishing))
    return _of_database(database, rows)


def settle(ledger: Ledger, database: str, change: Change) -> tuple[Row, ...]:
    """Return the rows to write once the database has what the ledger says."""
    rows = []
    for row in ledger.values():
        if row.id == change.finishes:
            rows.append(replace(row, state=State.LIVE))
        elif row.database == database and not row.is_live and not row.revoked:
            rows.append(replace(row, revoked=True))
    return tuple(rows)


def unfinished(ledger: Ledger, change: Change) -> tuple[Row, ...]:
    """Return the rows to write if the request fails: its own row ends."""
    row = ledger.get(change.finishes) if change.finishes else None
    return () if row is None else (replace(row, state=State.GONE),)


def _of_database(database: str, rows: Iterable[Row]) -> tuple[Grant, ...]:
    return tuple(grant for row in rows for grant in row.grants if is_role_of(database, grant.role))


def digest(text: str) -> str:
    """Return the digest of a text that is part of an id."""
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _is_ours(id: str) -> bool:
    return re.fullmatch(r".+/[0-9a-f]{12}/[0-9a-f]{12}", id) is not None


def _noticed(row: Row, request: GrantRequest) -> Row:
    return replace(row, seen=max(row.seen, request.signed_at))


def _was_live(ledger: Ledger, row: Row) -> bool:
    before = ledger.get(row.id)
    return before is not None and before.is_live and not row.is_live


def _cancelled_before(ledger: Ledger, request: GrantRequest) -> Iterable[Row]:
    """Return what earlier Updates made from the id of this one: CloudFormation is at that id, so it cancelled them."""
    if request.physical_id is None or not request.signed_at:
        return ()
    return (
        row
        for row in ledger.values()
        if row.owner == request.owner
        and row.made_from == request.physical_id
        and row.state is not State.GONE
        and row.seen < request.signed_at
        and row.id != request.new_id
    )


def _created_before(ledger: Ledger, request: GrantRequest) -> Iterable[Row]:
    if not request.signed_at:
        return ()
    return (
        row
        for row in ledger.values()
        if row.owner == request.owner
        and row.made_from is None
        and row.state is not State.GONE
        and row.seen <= request.signed_at
    )
