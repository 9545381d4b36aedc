"""The list-append workload with seven clients in two Regions: snapshot isolation, and no lock waits."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.isolation.checker import check
from tests.isolation.history import json_lines
from tests.isolation.list_append import LONGEST_STATEMENT, run

if TYPE_CHECKING:
    from pathlib import Path

    from local_dsql import LocalCluster

WAYS = (
    "autocommit",
    "read ",
    "append",
    "returning",
    "read-modify-write",
    "for update",
    "replace",
    "move",
    "upsert",
    "upsert by second key",
)

TRIES = 4
LONG = 1_000
"""Number of transactions from which on a run must have a write skew."""


def judge(
    cluster: LocalCluster, folder: Path, transactions: int, seed: int, *, lone_loses: bool = False
) -> None:
    """Run the workload and check it; a rejected history is written to a file, for elle-cli or adya."""
    for attempt in range(TRIES):
        found = run(cluster, transactions, seed + attempt * 1000, lone_loses=lone_loses)
        verdict = check(found.history)
        file = folder / f"history-{attempt}.jsonl"
        file.write_text("\n".join(json_lines(found.history)))
        story = f"seed {seed + attempt * 1000}, {dict(found.seen)}, history in {file}"
        assert verdict.violations == [], story
        # A run without conflicts proves nothing: on a busy machine a short one may have few.
        if found.seen["40001 at COMMIT"] > transactions / 50:
            break
    else:
        pytest.fail(f"no run of {TRIES} had conflicts: {story}")
    # Sessions that have lost take turns, so a short run may have no write skew.
    assert verdict.write_skews > 0 or transactions < LONG, story
    assert verdict.committed > transactions / 5, story
    assert all(found.seen[way] for way in WAYS), story
    assert found.slowest < LONGEST_STATEMENT, story
    assert len(file.read_text().splitlines()) == 2 * len(found.history)
    assert all(json.loads(line)["value"] for line in file.read_text().splitlines()[:10])


def test_snapshot_isolation(cluster: LocalCluster, tmp_path: Path) -> None:
    """The short run."""
    judge(cluster, tmp_path, transactions=420, seed=1)


BESIDE = [(210, 2), pytest.param(5_000, 104, marks=pytest.mark.slow)]


@pytest.mark.parametrize(("transactions", "seed"), BESIDE)
def test_snapshot_isolation_beside_a_predicate(
    cluster: LocalCluster, tmp_path: Path, transactions: int, seed: int
) -> None:
    """COMMITs wait for a predicate, which makes some fail; the others are not affected."""
    number = cluster.inject(predicate=lambda attempt: len(attempt.statements) == 2, every=3, times=None)
    try:
        judge(cluster, tmp_path, transactions, seed, lone_loses=True)
        assert any(conflict.injected for conflict in cluster.conflicts())
    finally:
        cluster.clear_injections(number)


@pytest.mark.parametrize(("transactions", "seed"), BESIDE)
def test_snapshot_isolation_beside_a_key(
    cluster: LocalCluster, tmp_path: Path, transactions: int, seed: int
) -> None:
    """While an injection is armed, a statement in autocommit mode is a transaction that can lose at its COMMIT."""
    number = cluster.inject(table="keyed", key="none", times=None)
    try:
        judge(cluster, tmp_path, transactions, seed, lone_loses=True)
    finally:
        cluster.clear_injections(number)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 104))
def test_snapshot_isolation_in_a_long_run(cluster: LocalCluster, tmp_path: Path, seed: int) -> None:
    """20,000 transactions in all."""
    judge(cluster, tmp_path, transactions=5_000, seed=seed)
