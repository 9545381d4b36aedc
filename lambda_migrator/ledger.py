"""Rules of the ledger of grants: what a request changes, and the id with which it is answered. No database.

A row is one generation of one grant. One Create or Update makes it, and its id is never used again. It counts while it
is live, and ends once. The database is to have what the live rows ask for. So a request that arrives twice, or late,
changes nothing that another request has made.

A row ends by a Delete of its id. Rows for which no Delete comes end by a request that proves that nothing uses them:

- CloudFormation signs the URL for each response and so dates each request. An Update from an id ends what earlier
  requests made from that id: CloudFormation has cancelled them. It also ends the rows before that id, if the one that
  it replaced has been deleted: the clean-up kept this id and has forgotten the others. A Delete alone does not prove
  that, as a rollback may delete several new ids in any order and keep the first one. A URL without a date ends nothing.
- A Delete of an id that another cluster made, and that a live row replaced, ends the rows before that row: their own
  Delete went to the other cluster.
- Any request ends the rows of another cluster (`on_cluster`): they came with a restored backup.

A request that looks cancelled fails, so no answer says that a grant is there which is not.
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
    the database. `number` grows with each generation, and `cluster` has the identifiers of the database's clusters,
    separated by commas; rows of an earlier release have neither (0, empty).
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
    number: int = 0
    cluster: str = ""

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
    there = None if id is None else ledger.get(id)
    ended = tuple(_ended([*_cancelled_before(ledger, request), *_forgotten_before(ledger, request)]).values())
    if there is not None and there.is_live and there.grants == request.grants:
        return Change(there.id, (*ended, _noticed(there, request)))
    number = made.number if made is not None else 1 + max((row.number for row in ledger.values()), default=0)
    row = replace(request.row(request.new_id, State.GRANTING), number=number)
    return Change(row.id, (*ended, row), finishes=row.id)


def revoke(ledger: Ledger, request: GrantRequest) -> Change:
    """Return the change of a Delete: the generation of its id ends, and with an unknown id what that stands for.

    CloudFormation makes an id up for a resource whose creation it cancelled before the answer. An id that another
    cluster made ends the rows here before the one that replaced it.
    """
    id = request.physical_id or request.new_id
    row = ledger.get(id)
    if row is None:
        rows = [replace(request.row(id, State.GONE), grants=(), made_from=None, revoked=True)]
        others = _replaced_elsewhere(ledger, request) if _is_ours(id) else _created_before(ledger, request)
        rows += _ended(others).values()
    else:
        rows = [replace(_noticed(row, request), state=State.GONE)]
    return Change(id, tuple(rows), revokes=any(_was_live(ledger, each) for each in rows))


def on_cluster(cluster: str, rule: Rule) -> Rule:
    """Return a rule for a database of which `cluster` has the identifiers, as `Row.cluster`; empty: unknown.

    Rows of other clusters came with a backup. They belong to another history, and end: a function connects to this
    cluster only after a deploy, which has requested its grant here first. Rows without a cluster are of an earlier
    release and belong to this one.

    Live rows, and those that the request changes, are written with all identifiers that the cluster has now, in
    addition to their own: the set of a row only grows.
    """
    if not cluster:
        return rule
    here = _identifiers(cluster)

    def decide(ledger: Ledger) -> Change:
        restored = _ended(
            row for row in ledger.values() if row.cluster and not here & _identifiers(row.cluster)
        )
        change = rule({**ledger, **restored})
        rows = restored | {row.id: row for row in ledger.values() if row.id not in restored and row.is_live}
        rows |= {row.id: row for row in change.rows}
        written = tuple(
            row
            for row in (_of_cluster(row, here, ledger) for row in rows.values())
            if row != ledger.get(row.id) or row in change.rows
        )
        return replace(change, rows=written, is_done=change.is_done and not restored)

    return decide


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


def _ended(rows: Iterable[Row]) -> dict[str, Row]:
    return {row.id: replace(row, state=State.GONE) for row in rows if row.state is not State.GONE}


def _identifiers(cluster: str) -> frozenset[str]:
    return frozenset(filter(None, cluster.split(",")))


def _of_cluster(row: Row, here: frozenset[str], ledger: Ledger) -> Row:
    """Return the row with the identifiers of this database; a row of another cluster keeps its own."""
    known = _identifiers(ledger[row.id].cluster) if row.id in ledger else frozenset()
    if known and not known & here:
        return row
    return replace(row, cluster=",".join(sorted(known | here)))


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


def _forgotten_before(ledger: Ledger, request: GrantRequest) -> Iterable[Row]:
    """Return the rows before the id of an Update, if a clean-up has deleted the id that it replaced and kept this one.

    The Delete of an earlier id would prove nothing: it may come from a clean-up before this id was made.
    """
    at = None if request.physical_id is None else ledger.get(request.physical_id)
    replaced = None if at is None or at.made_from is None else ledger.get(at.made_from)
    if at is None or not at.is_live or replaced is None or replaced.state is not State.GONE:
        return ()
    return _before(ledger, at) if 0 < replaced.seen < request.signed_at else ()


def _replaced_elsewhere(ledger: Ledger, request: GrantRequest) -> Iterable[Row]:
    """Return the rows before the first live one that replaced the id of a Delete, which this ledger does not have."""
    made = [
        row
        for row in ledger.values()
        if row.owner == request.owner and row.made_from == request.physical_id and row.is_live
    ]
    return _before(ledger, min(made, key=lambda row: row.number)) if made else ()


def _before(ledger: Ledger, row: Row) -> Iterable[Row]:
    """Return the generations of a resource before `row`: those that it replaced, and all with a lower number."""
    replaced = {*_ancestors(ledger, row)}
    return (
        each
        for each in ledger.values()
        if each.owner == row.owner
        and each.state is not State.GONE
        and (each.id in replaced or (each.number < row.number and row.id not in _ancestors(ledger, each)))
    )


def _ancestors(ledger: Ledger, row: Row) -> list[str]:
    """Return the ids before a row, the latest first; the ledger may not have the last one."""
    found: list[str] = []
    id = row.made_from
    while id is not None and id not in found:
        found.append(id)
        before = ledger.get(id)
        id = None if before is None else before.made_from
    return found


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
