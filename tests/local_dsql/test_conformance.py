"""The conformance suite as a subprocess, and its parts."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from local_dsql.conformance.cases import Result
from local_dsql.conformance.facts_reader import cases, conflicts, tables
from local_dsql.conformance.known import KNOWN_DIVERGENCES
from local_dsql.conformance.score import CASE, DIVERGENCE, DivergenceCheck, Score
from local_dsql.conformance.session import ClusterUnderTest
from local_dsql.divergences import DIVERGENCES

if TYPE_CHECKING:
    from pathlib import Path

    from local_dsql import LocalCluster

RECORDED = 196
IDS = [case.id for case in cases()] + [conflict.id for conflict in conflicts()]


def suite(folder: Path, *arguments: str, status: int) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    answer = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--pyargs", "local_dsql.conformance", *arguments],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=240,
    )
    assert answer.returncode == status, answer.stdout
    return answer.stdout


def test_local_cluster_answers_as_recorded(tmp_path: Path) -> None:
    output = suite(tmp_path, status=0)
    score = re.search(r"^(\d+) of (\d+) recorded cases identical", output, re.MULTILINE)
    assert score is not None, output
    identical, asked = map(int, score.groups())
    assert asked == RECORDED
    assert identical == RECORDED - len(KNOWN_DIVERGENCES)
    assert identical >= 0.98 * asked


@pytest.mark.slow
def test_other_cluster_is_asked(shared_cluster: LocalCluster, tmp_path: Path) -> None:
    chosen = ["-k", "select_one or create_view or lateral_left_outer_ref_cast"]
    output = suite(tmp_path, "--dsn", shared_cluster.dsn(), *chosen, status=1)  # in the dialect portable
    assert "1 of 3 recorded cases identical (33.3 %)" in output
    assert "differs: create_view (NOT LISTED)" in output
    assert "differs: lateral_left_outer_ref_cast (divergence lateral-left-join)" in output
    assert "recorded: CREATE VIEW\n" in output
    assert "X-Amz" not in output


def test_known_divergences_apply_only_to_a_local_cluster(shared_cluster: LocalCluster) -> None:
    assert ClusterUnderTest.at(shared_cluster.dsn()).local
    assert not ClusterUnderTest.at(shared_cluster.dsn().replace("localhost:", "localhost:1")).local


def test_unreachable_cluster_is_one_clear_error(shared_cluster: LocalCluster, tmp_path: Path) -> None:
    dsn = shared_cluster.dsn().replace("localhost:", "localhost:1")
    output = suite(tmp_path, "--dsn", dsn, status=pytest.ExitCode.USAGE_ERROR)
    assert "cannot connect to the cluster" in output
    assert "check the endpoint in --dsn" in output
    assert "X-Amz" not in output


def test_recordings_are_complete() -> None:
    assert len(IDS) == len(set(IDS)) == RECORDED
    assert set(KNOWN_DIVERGENCES) <= set(IDS)
    assert set(KNOWN_DIVERGENCES.values()) <= {entry.id for entry in DIVERGENCES}


def test_cases_name_the_tables_that_they_use() -> None:
    known = tables()
    for case in cases():
        assert set(case.uses) <= set(known)
        made = " ".join([*case.cleanup, *case.given])
        for step in case.steps:
            found = set(re.findall(r"\bfact_(\w+)", step.sql)) & set(known)
            assert found <= set(case.uses) or all(f"fact_{name}" in made for name in found), case.id


def test_rows_are_read_as_copy_writes_them() -> None:
    (lag,) = (case for case in cases() if case.id == "window_lag")
    assert lag.steps[0].answers == (Result("SELECT 2", ("lag",), (("seed",), (None,))),)


def test_a_case_without_a_difference_may_not_be_listed() -> None:
    with pytest.raises(pytest.fail.Exception, match="remove it from known"):
        DivergenceCheck({"join": "some-id"}).check("join", [], lambda name, value: None)


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [
        ([(True, None), (True, None)], {}),
        ([(True, None), (False, "some-id")], {"join": "some-id"}),
        ([(False, "some-id"), (False, None)], {"join": None}),
        ([(False, None), (False, "some-id")], {"join": None}),
    ],
    ids=["identical", "listed", "listed-and-not", "not-listed-and-listed"],
)
def test_a_case_of_two_protocols_counts_once(
    outcomes: list[tuple[bool, str | None]], expected: dict[str, str | None]
) -> None:
    score = Score()
    for identical, divergence in outcomes:
        score.add("join", identical, divergence)
    assert score.different == expected
    assert score.identical == 1 - len(expected)


def test_reports_of_other_tests_are_not_counted() -> None:
    score = Score.of(
        [_report({}), _report({CASE: "join"}), _report({CASE: "cte", DIVERGENCE: "some-id"}, "failed")]
    )
    assert (score.cases, score.different) == ({"join", "cte"}, {"cte": "some-id"})


def _report(properties: dict[str, object], outcome: str = "passed") -> pytest.TestReport:
    return pytest.TestReport(
        nodeid="test",
        location=("test.py", 1, "test"),
        keywords={},
        outcome="passed" if outcome == "passed" else "failed",
        longrepr=None,
        when="call",
        user_properties=list(properties.items()),
    )
