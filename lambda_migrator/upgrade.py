"""Rules for the release before the ledger, whose one resource had the property `Grants`. No database.

The first Update without `Grants` adopts the old list as a row of the old id, and is answered with an id that was never
there. So CloudFormation deletes the old id in the clean-up, after the grants of this deploy are in. Mappings of roles
whose grants stand in stacks that are deployed later (`Elsewhere`) survive that Delete.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from .ledger import Change, State, digest, is_late

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from .grants import Grant
    from .ledger import GrantRequest, Ledger, Row

_ELSEWHERE, _UNLISTED = "/elsewhere", "/unlisted"


def adopted_id(request: GrantRequest) -> str:
    """Return the id of the row that adopts; the id of the old release does not tell the stack."""
    return f"{request.physical_id}/{request.owner}"


def adopt(ledger: Ledger, request: GrantRequest, elsewhere: Collection[tuple[str, str]]) -> Change:
    """Return the change of the first Update without `Grants`; `request.grants` is the old list.

    Rows of this stack that are older were left by an upgrade that was rolled back: the old release deleted their
    resources and has no ledger. `elsewhere` has the (role, ARN) mappings of the property.
    """
    answer, id = f"{request.database}/schema/{digest(request.request)}", adopted_id(request)
    there = ledger.get(id)
    if is_late(ledger, request) or (there is not None and there.request == request.request):
        return Change(answer)
    later = {arn for _, arn in elsewhere}
    grants = request.grants
    if not request.signed_at:
        grants = _union(_live_grants(there), grants)
    here = tuple(grant for grant in grants if grant.arn not in later)
    rows = {row.id: replace(row, state=State.GONE) for row in _left_behind(ledger, request)}
    rows[id] = _row(request, id, here)
    rest = tuple(grant for grant in grants if grant.arn in later)
    rows.update((row.id, row) for row in _listed(request, id, rest, elsewhere))
    return Change(answer, tuple(rows.values()))


def grant_old(ledger: Ledger, request: GrantRequest) -> Change:
    """Return the change of a request with `Grants`: they are added to those there are, until the next upgrade."""
    id = adopted_id(request)
    if is_late(ledger, request):
        return Change(str(request.physical_id))
    row = _row(request, id, _union(_live_grants(ledger.get(id)), request.grants))
    return Change(str(request.physical_id), (row,))


def list_elsewhere(ledger: Ledger, request: GrantRequest, elsewhere: Collection[tuple[str, str]]) -> Change:
    """Return the change of a request after the upgrade: adopted mappings that `Elsewhere` no longer has are marked."""
    rows: list[Row] = []
    if request.signed_at and not is_late(ledger, request):
        for row in ledger.values():
            if row.is_live and row.owner == request.owner and row.id.endswith(_ELSEWHERE):
                id = row.id.removesuffix(_ELSEWHERE)
                unlisted = _live_grants(ledger.get(id + _UNLISTED))
                rows += _listed(request, id, _union(unlisted, row.grants), elsewhere)
    return Change(str(request.physical_id), tuple(rows))


def end_adopted(ledger: Ledger, request: GrantRequest) -> Change:
    """Return the change of a Delete: what was adopted for this id ends, except for mappings of later stacks."""
    row = ledger.get(adopted_id(request))
    if row is None or not row.is_live or is_late(ledger, request):
        return Change(str(request.physical_id))
    ended = replace(row, state=State.GONE, seen=max(row.seen, request.signed_at))
    return Change(str(request.physical_id), (ended,), revokes=True)


def end_claimed(ledger: Ledger, request: GrantRequest, change: Change) -> Change:
    """Return the change of a grant's Delete with the adopted mappings of later stacks that end with it.

    Such a mapping ends when its grant ends in the later stack, after `Elsewhere` had no longer listed it. It does not
    end when the grant is created: if that deploy is rolled back, the old function still needs it.
    """
    ended = [
        ledger[row.id]
        for row in change.rows
        if row.id in ledger and not row.is_live and ledger[row.id].is_live
    ]
    rows = []
    for row in ledger.values():
        claims = {
            (grant.role, grant.arn) for each in ended if each.stack != row.stack for grant in each.grants
        }
        kept = tuple(grant for grant in row.grants if (grant.role, grant.arn) not in claims)
        if row.is_live and row.id.endswith(_UNLISTED) and row.seen < request.signed_at and kept != row.grants:
            rows.append(replace(row, grants=kept))
    return replace(change, rows=(*change.rows, *rows))


def _row(request: GrantRequest, id: str, grants: tuple[Grant, ...]) -> Row:
    return replace(request.row(id, State.LIVE), grants=grants)


def _listed(
    request: GrantRequest, id: str, grants: tuple[Grant, ...], elsewhere: Collection[tuple[str, str]]
) -> Iterator[Row]:
    """Yield two rows: the mappings that the property lists, and those that it does not."""
    listed = tuple(grant for grant in grants if (grant.role, grant.arn) in elsewhere)
    yield _row(request, id + _ELSEWHERE, listed)
    yield _row(request, id + _UNLISTED, tuple(grant for grant in grants if grant not in listed))


def _left_behind(ledger: Ledger, request: GrantRequest) -> Iterator[Row]:
    for row in ledger.values():
        if row.stack == request.stack and row.state is not State.GONE and row.seen < request.signed_at:
            yield row


def _live_grants(row: Row | None) -> tuple[Grant, ...]:
    return row.grants if row is not None and row.is_live else ()


def _union(first: tuple[Grant, ...], second: tuple[Grant, ...]) -> tuple[Grant, ...]:
    return (*first, *(grant for grant in second if grant not in first))
