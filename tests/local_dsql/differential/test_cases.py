"""Each named interleaving, at the local DSQL in both protocols; and at the oracle, which is checked by the cases."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import psycopg
import pytest

from local_dsql.divergences import BY_ID
from tests.isolation.table_setup import execute
from tests.local_dsql.differential.cases import Case, Step, play
from tests.local_dsql.differential.cases_conflicts import CONFLICTS
from tests.local_dsql.differential.cases_errors import ERRORS
from tests.local_dsql.differential.cases_hidden import HIDDEN
from tests.local_dsql.differential.cases_restored import RESTORED
from tests.local_dsql.differential.oracle import Oracle, PrivateCopy
from tests.local_dsql.differential.wire_session import Answer, Protocol, Request, WireSession
from tests.support.timing import LONGEST, unless_busy

if TYPE_CHECKING:
    from local_dsql import LocalCluster
    from tests.local_dsql.differential.plain_postgres import PlainPostgres

CASES = [*RESTORED, *HIDDEN, *CONFLICTS, *ERRORS]


DIVERGENT = {
    "Q1: child updated twice while its parent's other key moves": "child-updated-twice",
    "Q2: parent locked FOR UPDATE while its child is updated twice": "child-updated-twice",
}
"""Cases that the local database answers otherwise, and the entry of the registry."""


def marked(case: Case) -> object:
    """Return the case as a parameter, expected to fail where the registry says so."""
    entry = DIVERGENT.get(case.name)
    marks = [] if entry is None else [pytest.mark.xfail(reason=BY_ID[entry].sentence, strict=True)]
    return pytest.param(case, marks=marks, id=case.name)


COMBINATIONS = [
    pytest.param(
        suspended,
        protocol,
        id=f"{'suspend-always' if suspended else 'as-needed'}-{protocol.value}",
        marks=marks,
    )
    for suspended, protocol, marks in (
        (False, Protocol.EXTENDED, ()),
        (True, Protocol.SIMPLE, ()),
        (False, Protocol.SIMPLE, (pytest.mark.slow,)),
        (True, Protocol.EXTENDED, (pytest.mark.slow,)),
    )
]
"""Modes and protocols; half of them are slow only because there are so many cases."""


@pytest.mark.parametrize(
    ("suspend_always", "protocol"), COMBINATIONS, indirect=["suspend_always"], scope="session"
)
@pytest.mark.parametrize("case", [marked(case) for case in CASES])
def test_case(case: Case, protocol: Protocol, local: LocalCluster) -> None:
    """Every answer is as expected, and no statement waits."""
    unless_busy(lambda: _play(case, protocol, local))


def _play(case: Case, protocol: Protocol, local: LocalCluster) -> None:
    local.reset()
    with psycopg.connect(local.dsn(), autocommit=True) as admin:
        execute(admin, *case.setup)
    sessions = {name: WireSession(local.dsn()) for name in "abc"}
    try:
        play(case.steps, lambda step, request: sessions[step.session].ask(request), protocol, LONGEST)
    finally:
        for session in sessions.values():
            session.close()


@pytest.mark.parametrize("case", [case for case in CASES if case.oracle], ids=lambda each: each.name)
def test_oracle(case: Case, plain: PlainPostgres) -> None:
    """The oracle gives the answers that the cases expect."""
    with closing(Oracle(plain, 3)) as oracle:
        keeper = oracle.copies[0]
        for sql in case.setup:
            if sql.startswith("INSERT"):
                _alone(keeper, Request(sql))
            else:
                oracle.change_catalog(sql)
        copies = dict(zip("abc", oracle.copies, strict=True))
        play(case.steps, lambda step, request: _ask(copies[step.session], step, request), Protocol.SIMPLE)


def _ask(copy: PrivateCopy, step: Step, request: Request) -> Answer:
    if step.sql == "BEGIN":
        copy.begin()
        return Answer(tag="BEGIN")
    if step.sql == "ROLLBACK":
        return copy.rollback()
    if step.sql == "COMMIT":
        answer = copy.commit()
        return Answer(sqlstate="40001", message="(OC000)") if answer.sqlstate == "40001" else answer
    if copy.open is None:
        return _alone(copy, request)
    return copy.execute(request, () if step.lock is None else (step.lock,))


def _alone(copy: PrivateCopy, request: Request) -> Answer:
    copy.begin()
    answer = copy.execute(request)
    ended = copy.commit()
    return ended if ended.failed else answer
