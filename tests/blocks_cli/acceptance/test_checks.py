"""The list of checks, and the checks of the database with a local database as the cluster."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from blocks_cli.acceptance.check import Check, Finding, Subject, Unavailable, Verdict
from blocks_cli.acceptance.checks import CHECKS, ESTIMATED_DPU, run
from blocks_cli.acceptance.database import CHECKS as DATABASE_CHECKS
from blocks_cli.acceptance.questions import QUESTIONS
from dsql_dialect.profiles import NEWEST, PROFILES
from local_dsql import LocalCluster
from local_dsql.conformance.session import ClusterUnderTest
from local_dsql.divergences import DIVERGENCES

if TYPE_CHECKING:
    from collections.abc import Iterator

_UNKNOWN = re.compile(r"unknown|no recording|not recorded|without a recording|third party")
"""Words by which the registry marks a claim that nothing has settled."""

OF_DATABASE = [
    *(each.id for each in QUESTIONS),
    *(each.id for each in DATABASE_CHECKS if each.id != "two-regions"),
]


def test_ids_are_unique_and_claims_are_said() -> None:
    assert len({each.id for each in CHECKS}) == len(CHECKS)
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", each.id) for each in CHECKS)
    assert len({each.proves for each in CHECKS}) == len(CHECKS)


def test_each_unknown_of_the_registry_has_a_check() -> None:
    marked = {
        each.id
        for each in DIVERGENCES
        if _UNKNOWN.search(f"{each.sentence} {each.reason} {each.consequence}")
    }
    assert {"repeated-iam-grant", "plpgsql-unknown", "texts-unknown"} <= marked
    settled = {name for each in CHECKS for name in each.settles}
    assert marked <= settled
    assert settled <= {each.id for each in DIVERGENCES}


def test_the_metrics_are_asked_last() -> None:
    assert CHECKS[-1].id == "metric-dimension"


def failing(subject: Subject) -> Finding:
    raise ValueError("out of luck")


def missing(subject: Subject) -> Finding:
    raise Unavailable("no second Region")


@pytest.mark.parametrize(
    ("asked", "verdict", "answer"),
    [
        (failing, Verdict.FAILED, "ValueError: out of luck"),
        (missing, Verdict.UNSETTLED, "no second Region"),
    ],
)
def test_a_check_that_fails_does_not_end_the_run(
    asked: object, verdict: Verdict, answer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    last = Check("last", "it runs", lambda _: Finding(Verdict.HOLDS, "yes"))
    monkeypatch.setattr("blocks_cli.acceptance.checks.CHECKS", (Check("first", "it fails", asked), last))  # type: ignore[arg-type]
    nowhere = ClusterUnderTest("", local=True)
    found = [each.finding for each in run(Subject(nowhere, nowhere))]
    assert found == [Finding(verdict, answer), Finding(Verdict.HOLDS, "yes")]


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCluster]:
    with LocalCluster(tmp_path_factory.mktemp("claims"), dialect=NEWEST.name) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCluster]:
    with LocalCluster(tmp_path_factory.mktemp("asked"), dialect=NEWEST.name) as cluster:
        yield cluster


def subject(cluster: LocalCluster, local: LocalCluster) -> Subject:
    return Subject(ClusterUnderTest.at(cluster.dsn()), ClusterUnderTest.at(local.dsn()))


@pytest.mark.slow
def test_a_cluster_of_the_newest_dialect_answers_as_claimed(
    cluster: LocalCluster, local: LocalCluster
) -> None:
    """The estimate of the cost holds, and nothing is left in the database."""
    with cluster.cost() as cost:
        found = {each.check.id: each.finding for each in run(subject(cluster, local), OF_DATABASE)}
    assert {name: each for name, each in found.items() if each.verdict is not Verdict.HOLDS} == {}
    assert ESTIMATED_DPU / 4 < cost.dpu_high < ESTIMATED_DPU
    session = subject(cluster, local).cluster.connect()
    try:
        left = (
            "SELECT relname FROM pg_class WHERE relname LIKE 'blocks_acceptance%' UNION ALL "
            "SELECT rolname FROM pg_roles WHERE rolname LIKE 'blocks_acceptance%' UNION ALL "
            "SELECT nspname FROM pg_namespace WHERE nspname LIKE 'blocks_%'"
        )
        [answer] = session.run(left)
        assert str(answer).startswith("SELECT 0"), answer
    finally:
        session.close()


@pytest.mark.slow
def test_a_cluster_of_another_dialect_answers_otherwise(local: LocalCluster, tmp_path: object) -> None:
    older = next(each for each in PROFILES if each != NEWEST)
    with LocalCluster(str(tmp_path), dialect=older.name) as cluster:
        only = ("reset-of-parameters", "plpgsql-exception", "dialect-probe", "copy")
        found = {each.check.id: each.finding.verdict for each in run(subject(cluster, local), only)}
    assert found["copy"] is Verdict.HOLDS
    assert {found[name] for name in ("reset-of-parameters", "plpgsql-exception", "dialect-probe")} == {
        Verdict.DIFFERS
    }


@pytest.mark.slow
def test_two_regions(tmp_path: object, local: LocalCluster) -> None:
    with LocalCluster(str(tmp_path), regions=["us-east-1", "us-east-2"], dialect=NEWEST.name) as cluster:
        home, peer = (ClusterUnderTest.at(cluster.dsn(region)) for region in cluster.regions)
        session = home.connect()
        session.prepare("CREATE TABLE events (id uuid PRIMARY KEY, note text)")
        session.close()
        asked = Subject(home, ClusterUnderTest.at(local.dsn()), peer=peer)
        [outcome] = run(asked, ["two-regions"])
    assert outcome.finding.verdict is Verdict.HOLDS, outcome.finding
