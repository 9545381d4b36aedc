"""Compare a cluster with all recordings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from local_dsql.conformance.facts_reader import cases, conflicts, interleaving
from local_dsql.conformance.score import CASE

if TYPE_CHECKING:
    from collections.abc import Callable

    from local_dsql.conformance.cases import Case, Protocol, RaceCase
    from local_dsql.conformance.runner import Runner
    from local_dsql.conformance.score import DivergenceCheck
    from local_dsql.conformance.session import ClusterUnderTest

PROTOCOLS: tuple[Protocol, ...] = ("extended", "simple")
SINGLE = [
    pytest.param(case, protocol, id=f"{case.topic}-{case.id}-{protocol}")
    for case in cases()
    for protocol in (("simple",) if case.protocol == "simple" else PROTOCOLS)
]
RACES = [
    pytest.param(conflict, order, id=f"conflicts-{conflict.id}-{order[0]}_commits_first")
    for conflict in conflicts()
    for order in interleaving().commit_orders
]


@pytest.mark.parametrize(("case", "protocol"), SINGLE)
def test_session(
    case: Case,
    protocol: Protocol,
    runner: Runner,
    check: DivergenceCheck,
    record_property: Callable[[str, object], None],
) -> None:
    """One session gets the recorded responses, over the protocol of the recording and over the other one."""
    record_property(CASE, case.id)
    check.check(case.id, runner.run(case, protocol), record_property)


@pytest.mark.parametrize(("conflict", "commit_order"), RACES)
def test_two_sessions(
    conflict: RaceCase,
    commit_order: tuple[str, ...],
    runner: Runner,
    check: DivergenceCheck,
    target: ClusterUnderTest,
    record_property: Callable[[str, object], None],
) -> None:
    """Both statements succeed, and as many sessions as recorded fail at COMMIT.

    The recorded COMMITs ran concurrently, so the recording does not show which one fails. That the second one fails is
    documented (AWS user guide, concurrency control), and is checked on the local cluster, where the order is certain.
    """
    record_property(CASE, conflict.id)
    differences, losers = runner.race(conflict, commit_order)
    if len(losers) not in conflict.losers:
        differences.append(f"failed at COMMIT: {losers or 'none'}; recorded: {conflict.losers} of the two")
    elif target.local and losers not in ([], [commit_order[-1]]):
        differences.append(f"failed at COMMIT: {losers}, though {commit_order[0]} committed first")
    check.check(conflict.id, differences, record_property)
