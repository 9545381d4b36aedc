"""A probe of a local database in one dialect finds exactly its differences from another dialect."""

from __future__ import annotations

import tomllib
from datetime import date
from typing import TYPE_CHECKING, cast

import psycopg
import pytest

from dsql_dialect.profiles import DEFAULT, NEWEST, RECORDED, Profile, profile
from local_dsql import LocalCluster
from local_dsql.conformance.cases import Refusal, Result
from local_dsql.conformance.facts_writer import facts_file
from local_dsql.conformance.rule_examples import SCHEMA, Example, Verdict, examples, observe
from local_dsql.conformance.session import ClusterUnderTest, ConformanceError

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from local_dsql.conformance.rule_examples import Observation

UNSETTLED = {"grant-schema-public"}
"""The rule whose accepted example names a table in the schema public, which the probe does not touch."""


PAIRS = [
    (DEFAULT.name, RECORDED),
    pytest.param(RECORDED.name, RECORDED, marks=pytest.mark.slow),
    pytest.param(RECORDED.name, DEFAULT, marks=pytest.mark.slow),
    (RECORDED.name, NEWEST),
    (NEWEST.name, NEWEST),
    pytest.param(NEWEST.name, RECORDED, marks=pytest.mark.slow),
]
"""The dialect of the database, and the one that it is compared with."""
OF_PROCEDURES = {"call", "grant-procedure"}
"""Rules whose examples name a procedure, which a database can have only if it accepts them."""


@pytest.fixture(scope="module", params=[DEFAULT.name, NEWEST.name])
def cluster(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Profile, LocalCluster]]:
    asked = profile(request.param)
    with LocalCluster(tmp_path_factory.mktemp("probed"), dialect=asked.name) as running:
        yield asked, running


def of(cluster: LocalCluster) -> ClusterUnderTest:
    return ClusterUnderTest(cluster.dsn(), local=True)


def names(cluster: LocalCluster) -> list[object]:
    with psycopg.connect(cluster.dsn(), autocommit=True) as connection:
        query = (
            "SELECT nspname::text FROM pg_namespace UNION ALL SELECT rolname::text FROM pg_roles "
            "UNION ALL SELECT relname::text FROM pg_class WHERE relnamespace > 16383 ORDER BY 1"
        )
        return [name for (name,) in connection.execute(query).fetchall()]


@pytest.mark.parametrize(
    ("cluster", "claimed"),
    PAIRS,
    indirect=["cluster"],
    ids=lambda each: getattr(each, "name", each),
    scope="module",
)
def test_exactly_the_differences_of_two_dialects_are_found(
    cluster: tuple[Profile, LocalCluster], claimed: Profile
) -> None:
    own, running = cluster
    expected = {(each.rule.id, each.sql): each.expected for each in examples(own)}
    before = names(running)
    observations = list(observe(of(running), examples(claimed)))
    assert names(running) == before, "the probe left objects"

    differing = {(each.example.rule.id, each.example.sql) for each in observations if each.differs}
    wanted = {
        (each.rule.id, each.sql)
        for each in examples(claimed)
        if each.expected != expected[each.rule.id, each.sql]
    }
    unsettled = {(each.example.rule.id, each.example.sql) for each in observations if each.is_unsettled}
    assert differing == wanted - unsettled
    if own is claimed:
        assert not differing
    if own is not DEFAULT:
        assert {rule for rule, _ in unsettled} == UNSETTLED | (OF_PROCEDURES if own.has_plpgsql else set())


def test_objects_of_the_user_are_left_alone(cluster: tuple[Profile, LocalCluster]) -> None:
    _, running = cluster
    with psycopg.connect(running.dsn(), autocommit=True) as connection:
        connection.execute("CREATE SCHEMA s")
        connection.execute("CREATE TABLE s.kept (id int)")
    list(observe(of(running), examples(NEWEST)[:4]))
    with psycopg.connect(running.dsn(), autocommit=True) as connection:
        assert connection.execute("SELECT count(*) FROM s.kept").fetchone() == (0,)
        connection.execute("DROP SCHEMA s CASCADE")


def test_objects_of_an_interrupted_probe_are_named(cluster: tuple[Profile, LocalCluster]) -> None:
    _, running = cluster
    probing = cast("Generator[Observation]", observe(of(running), examples(NEWEST)))
    next(probing)
    with pytest.raises(ConformanceError, match=f"schema {SCHEMA} exists"):
        next(observe(of(running), examples(NEWEST)))
    probing.close()  # as Ctrl-C does
    assert SCHEMA not in names(running)


REFUSAL = Refusal("0A000", "unsupported statement: X")
OF_ANSWERS: list[tuple[Refusal | None, Refusal | Result, Verdict]] = [
    (REFUSAL, REFUSAL, Verdict.HOLDS),
    (REFUSAL, Refusal("0A000", "X is not supported"), Verdict.REWORDED),
    (REFUSAL, Refusal("42601", "syntax error"), Verdict.REWORDED),
    (REFUSAL, Result("X"), Verdict.ACCEPTED),
    (REFUSAL, Refusal("42P07", "relation exists"), Verdict.ACCEPTED),
    (REFUSAL, Refusal("42P01", "relation does not exist"), Verdict.UNSETTLED),
    (None, Result("X"), Verdict.HOLDS),
    (None, Refusal("42P07", "relation exists"), Verdict.HOLDS),
    (None, Refusal("42P01", "relation does not exist"), Verdict.UNSETTLED),
    (None, REFUSAL, Verdict.REFUSED),
]


@pytest.mark.parametrize(("expected", "answer", "verdict"), OF_ANSWERS)
def test_verdict(expected: Refusal | None, answer: Refusal | Result, verdict: Verdict) -> None:
    rule = examples(NEWEST)[0].rule
    assert Example(rule, "X", expected).verdict(answer) is verdict


def test_the_file_of_answers_is_toml(cluster: tuple[Profile, LocalCluster]) -> None:
    own, running = cluster
    observations = list(observe(of(running), examples(own)[:20]))
    text = facts_file(observations, day=date(2026, 11, 1), endpoint='a"b\x7f', dialect=own.name)
    read = tomllib.loads(text)
    assert (read["recorded"], read["endpoint"]) == (date(2026, 11, 1), 'a"b\x7f')
    assert [(each["rule"], each["sql"]) for each in read["example"]] == [
        (each.example.rule.id, each.example.sql) for each in observations
    ]
