"""Named interleavings of two or three clients, with and without suspending after every statement."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.local_dsql.engine import cases_conflicts, cases_locks, cases_restore, cases_upserts
from tests.local_dsql.engine.interleavings import play

if TYPE_CHECKING:
    from tests.local_dsql.engine.interleavings import Case
    from tests.local_dsql.engine.laboratory import Laboratory


@pytest.mark.parametrize(
    "case",
    (*cases_restore.CASES, *cases_conflicts.CASES, *cases_locks.CASES, *cases_upserts.CASES),
    ids=lambda case: case.name,
)
def test_interleaving(laboratory: Laboratory, case: Case) -> None:
    async def run() -> list[str]:
        clients = {name: await laboratory.client() for name in "abc"}
        return await play(case, clients)

    assert laboratory.run(run()) == []
