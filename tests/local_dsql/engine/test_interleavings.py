"""Named interleavings of two or three clients, with and without suspending after every statement."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.local_dsql.engine import (
    cases_conflicts,
    cases_locks,
    cases_restore,
    cases_upsert_conditions,
    cases_upsert_errors,
    cases_upserts,
)
from tests.local_dsql.engine.interleavings import play
from tests.local_dsql.engine.laboratory import Laboratory
from tests.support.timing import unless_busy

if TYPE_CHECKING:
    from tests.local_dsql.engine.interleavings import Case
    from tests.local_dsql.engine.laboratory import Server


@pytest.mark.parametrize("suspend_always", [False, True], ids=["on demand", "suspend always"])
@pytest.mark.parametrize(
    "case",
    (
        *cases_restore.CASES,
        *cases_conflicts.CASES,
        *cases_locks.CASES,
        *cases_upserts.CASES,
        *cases_upsert_errors.CASES,
        *cases_upsert_conditions.CASES,
    ),
    ids=lambda case: case.name,
)
def test_interleaving(server: Server, suspend_always: bool, case: Case) -> None:
    def run() -> list[str]:
        laboratory = Laboratory(server, suspend_always=suspend_always)
        try:
            return laboratory.run(play_with(laboratory))
        finally:
            laboratory.close()

    async def play_with(laboratory: Laboratory) -> list[str]:
        clients = {name: await laboratory.client() for name in "abc"}
        return await play(case, clients)

    assert unless_busy(run) == []
