"""The tools of the bank course: counts, pictures, files of keys, and the comparison of step 7 on few rows."""

from __future__ import annotations

import random
import threading
import uuid
from typing import TYPE_CHECKING, Any

import pytest

from examples.bank.tool import key_file, opening, plans, stress, view
from examples.bank.tool.errors import ToolError
from examples.bank.tool.main import main
from examples.bank.tool.outcomes import Counts, Kind, Outcome, Statistics, percentile
from examples.bank.tool.tables import lines_of
from tests.end_to_end.conftest import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from local_dsql import LocalCluster

BANK = ROOT / "examples" / "bank"


@pytest.mark.parametrize(
    ("values", "percent", "expected"),
    [
        ([], 50, 0),
        ([7], 99, 7),
        ([4, 1, 3, 2], 50, 2),
        ([4, 1, 3, 2], 51, 3),
        ([*range(1, 101)], 99, 99),
        ([*range(1, 102)], 99, 100),
        ([2, 1], 100, 2),
    ],
)
def test_a_percentile_is_a_value_that_occurred(values: list[float], percent: float, expected: float) -> None:
    assert percentile(values, percent) == expected


@pytest.mark.parametrize(
    ("outcome", "retries", "conflicts"),
    [
        (Outcome(Kind.MADE, 1, 0.1), 0, 0),
        (Outcome(Kind.MADE, 4, 0.1), 3, 3),
        (Outcome(Kind.CONFLICT, 1, 0.1), 0, 1),
        (Outcome(Kind.CONFLICT, 26, 0.1), 25, 26),
        (Outcome(Kind.REFUSED, 1, 0.1), 0, 0),
    ],
)
def test_conflicts_are_transactions_that_failed_at_commit(
    outcome: Outcome, retries: int, conflicts: int
) -> None:
    counts = Counts()
    counts.add(outcome)
    assert (counts.retries, counts.conflicts) == (retries, conflicts)
    assert len(counts.latencies) == (outcome.kind is Kind.MADE)


def test_no_outcome_of_many_threads_is_lost() -> None:
    statistics = Statistics()

    def work() -> None:
        for number in range(1_000):
            statistics.add(Outcome(Kind.MADE, 2, 0.5), number / 100)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert [each.made for each in statistics.by_second(10)] == [800] * 10
    assert statistics.total().retries == 8_000
    assert statistics.total(2, 4).made == 1_600


class Counting:
    """A target without a database: each third transfer fails with a conflict."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []

    def connect(self, all_connected: threading.Barrier) -> None:
        all_connected.wait()

    def transfer(self, event: dict[str, Any]) -> Outcome:
        self.events.append(event)
        threading.Event().wait(0.005)
        kind = Kind.CONFLICT if len(self.events) % 3 == 0 else Kind.MADE
        return Outcome(kind, 1, 0.005)


@pytest.fixture
def ended() -> tuple[stress.Stress, Counting, float]:
    """A run of a second that has ended."""
    target = Counting()
    run = stress.Stress(target, range(1, 11), workers=4, seconds=1, options={"retry": False})
    return run, target, run.run(lambda _: None, 0.2)


def test_every_transfer_is_counted_and_has_two_accounts(ended: tuple[stress.Stress, Counting, float]) -> None:
    run, target, _ = ended
    assert sum(run.statistics.total().ended.values()) == len(target.events) > 0
    assert all(event["payer_id"] != event["payee_id"] and not event["retry"] for event in target.events)
    assert {event["payer_id"] for event in target.events} <= {*range(1, 11)}


def test_the_summary_and_the_picture_have_the_same_figures(
    ended: tuple[stress.Stress, Counting, float], tmp_path: Path
) -> None:
    run, target, elapsed = ended
    lines = view.summary(run, elapsed)
    assert lines[0].split() == ["transfers", f"{len(target.events):,}"]
    view.save(view.picture(run, "4 workers", elapsed), tmp_path / "stress.svg", "4 workers")
    svg = (tmp_path / "stress.svg").read_text("utf-8")
    assert "https://cdn" not in svg
    for text in ("4&#160;workers", "transactions/s", "p99", "at&#160;most"):
        assert text in svg


def test_a_worker_that_cannot_connect_ends_the_run() -> None:
    class Unreachable(Counting):
        def connect(self, all_connected: threading.Barrier) -> None:
            raise ToolError("no database")

    with pytest.raises(ToolError, match="no database"):
        stress.Stress(Unreachable(), range(3), workers=3, seconds=60, options={}).run(lambda _: None, 1)


def test_the_picture_of_the_page_is_drawn_by_the_command() -> None:
    svg = (BANK / "step5_conflicts" / "stress.svg").read_text("utf-8")
    assert "16&#160;workers,&#160;10&#160;accounts" in svg
    assert "10&#160;of&#160;10&#160;s" in svg


@pytest.mark.parametrize(
    ("values", "expected"), [([0, 1, 8], " ▁█"), ([4], "▄"), ([8, 7], "█▇")], ids=["lowest", "half", "full"]
)
def test_a_bar_has_the_height_of_its_share(values: list[int], expected: str) -> None:
    assert view.bars(values, 8) == expected


def test_a_table_without_a_terminal_is_aligned_text() -> None:
    assert lines_of([("key", "opened"), ("integer", "7")], right={1}) == [
        "key      opened",
        "integer       7",
    ]


def test_keys_are_those_that_were_written(tmp_path: Path) -> None:
    path = tmp_path / "keys.csv"
    key_file.write(path, 500)
    keys = key_file.Keys(path)
    assert len({uuid.UUID(key) for key in keys}) == len(keys) == 500
    assert keys[:2] == [keys[0], keys[1]]
    assert set(random.Random(1).sample(keys, 20)) <= {*keys}
    assert not [*tmp_path.glob("*.partial")]


@pytest.mark.parametrize(
    "damage",
    [lambda content: content[:-1], lambda content: content + b"x", lambda _: b""],
    ids=["cut", "too long", "empty"],
)
def test_a_damaged_file_of_keys_is_refused(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    path = tmp_path / "keys.csv"
    key_file.write(path, 3)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ToolError, match="no complete file of keys"):
        key_file.Keys(path)


@pytest.mark.parametrize(
    ("new", "expected"),
    [(range(160, 176), [0] * 15 + [16]), (range(-5, 0), [5] + [0] * 15), ([9.5, 10.5], [1, 1] + [0] * 14)],
    ids=["above all", "below all", "beside a border"],
)
def test_new_keys_are_placed_in_ranges_of_the_old_ones(new: Sequence[float], expected: list[int]) -> None:
    before = [*range(160)]
    assert opening.placed(before, [*before, *new]) == expected


@pytest.mark.parametrize("command", [["stress"], ["queries"], ["connects"]], ids=lambda words: words[0])
def test_a_command_outside_of_its_step_names_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main(command)
    assert ended.value.code == 1
    assert "change into the folder of a step" in capsys.readouterr().err


STEP7_MIGRATIONS = BANK / "step7_queries" / "migrations"


def test_the_covering_index_of_step_7_is_used_on_few_rows(
    dsql_cluster: LocalCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from blocks_cli.testing import migrate

    dsql_cluster.reset()
    migrate(dsql_cluster, STEP7_MIGRATIONS)
    for name, value in dsql_cluster.environment("main").items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(BANK / "step7_queries")
    found = plans.compare(1_000)
    assert found.after["rows_scanned"] * 5 <= found.before["rows_scanned"]
    assert found.before["rows_returned"] == found.after["rows_returned"] > 0
    assert found.after["index_only"]
    assert not found.before["index_only"]
