"""The proofs can fail: scripts find the anomalies of a weaker level, and each rule rejects what breaks it."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import psycopg
import pytest

from tests.proof import anomalies, faults, isolation, long_fork, steady, targets, workload
from tests.proof.figures import Figure, table, with_section

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.proof.targets import Target


@pytest.fixture(scope="module")
def plain() -> Iterator[Target]:
    """A PostgreSQL without a proxy."""
    with targets.plain() as target:
        yield target


AT_READ_COMMITTED = {
    "PMP predicate-many-preceders, reads",
    "PMP predicate-many-preceders, writes",
    "P4 lost update",
    "G-single read skew",
    "G-single read skew, predicates",
    "G-single read skew, writes",
    "OTV observed transaction vanishes",
}
"""Anomalies that PostgreSQL has at READ COMMITTED, or that a reader with three statements sees there."""


def test_scripts_find_the_anomalies_of_read_committed(plain: Target) -> None:
    found = {each.case for each in anomalies.every(plain, "READ COMMITTED") if each.wrong}
    assert found >= AT_READ_COMMITTED - {"OTV observed transaction vanishes"}
    assert found <= AT_READ_COMMITTED


def test_scripts_on_row_locks(plain: Target) -> None:
    figures = anomalies.every(plain)
    assert [each.case for each in figures if each.wrong] == []
    assert sum("happens" in each.note for each in figures) == sum(each.allowed for each in anomalies.SCRIPTS)


@pytest.mark.parametrize(
    ("reads", "number"),
    [
        ([(0, 0), (1, 0), (1, 1)], 0),
        ([(1, 0), (0, 1)], 1),
        ([(2, 0, 0), (0, 1, 1), (2, 1, 1)], 1),
        ([], 0),
    ],
)
def test_forks_are_counted(reads: list[tuple[int, ...]], number: int) -> None:
    assert long_fork.forks(reads) == number


@pytest.mark.parametrize(
    ("values", "flat"),
    [
        ([100.0] * 20 + [5.0], True),
        ([100.0 + each % 3 for each in range(60)], True),
        ([100.0 + each for each in range(60)], False),
        ([30.0] * 30 + [33.9] * 30, True),
        ([30.0] * 30 + [34.1] * 30, False),
    ],
)
def test_memory_that_grows_is_not_flat(values: list[float], *, flat: bool) -> None:
    assert steady.flat(values)[0] is flat


def test_warm_up() -> None:
    assert [steady.warm_up(seconds) for seconds in (40, 60, 200, 600)] == [20, 30, 60, 120]


def test_lost_and_wrong_changes_are_counted(plain: Target) -> None:
    workload.prepare(plain.dsn())
    kept, missing, failed = (str(uuid.uuid4()) for _ in range(3))
    with psycopg.connect(plain.dsn(), autocommit=True) as admin:
        for key in (kept, failed):
            admin.execute("INSERT INTO proof_entry VALUES (%s, 1)", (key,))
        admin.execute("UPDATE proof_counter SET n = 2 WHERE id = 1")
        notes = workload.Notes(committed={kept, missing}, failed={failed})
        figure = workload.audit(plain.dsn(), notes, Figure("case", "target"))
        assert (figure.lost, figure.wrong) == (1, 1)
        admin.execute("UPDATE proof_counter SET n = 1 WHERE id = 1")
    assert workload.audit(plain.dsn(), notes, Figure("case", "target")).wrong == 2


def test_a_database_with_tables_is_refused(plain: Target) -> None:
    workload.prepare(plain.dsn())
    with pytest.raises(SystemExit, match="has tables"), targets.given(plain.dsn()):
        raise AssertionError("accepted")


def test_a_table_is_written_between_its_marks() -> None:
    page = "before\n<!-- begin: make x -->\nold\n<!-- end: make x -->\nafter\n"
    written = with_section(page, "x", table([Figure("case", "target", 1_000, lost=2)]))
    assert written.startswith("before\n<!-- begin: make x -->\n\nRun of 2")
    assert "| case | target |        1,000 |" in written
    assert "old" not in written
    assert written.endswith("<!-- end: make x -->\nafter\n")
    with pytest.raises(ValueError, match="no marks"):
        with_section(page, "y", "")


@pytest.mark.slow
def test_isolation_of_every_target() -> None:
    """The table of `make isolation`, with short workloads."""
    for made in (targets.local(), targets.plain()):
        with made as target:
            figures = list(isolation.prove(target, seconds=4, transactions=700))
        assert [each for each in figures if not each.holds] == []
        assert all(each.transactions for each in figures)


@pytest.mark.slow
def test_every_fault() -> None:
    """The table of `make faults`, with short workloads, and a minute of the long run."""
    figures = list(faults.prove(seconds=8, dsn=None))
    assert [each for each in figures if not each.holds] == []
    figure, samples = steady.run(60)
    assert figure.holds, figure
    assert len(samples) >= 25
