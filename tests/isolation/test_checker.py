"""Tests of the checker: it rejects broken engines, accepts a correct one, and counts write skew."""

from __future__ import annotations

import json

import pytest

from tests.isolation.broken_engines import Engine, Fault
from tests.isolation.checker import check
from tests.isolation.history import Append, Operation, Outcome, Read, Transaction, json_lines

SEEDS = range(10)
TRANSACTIONS = 400


def spoken(id: int, start: float, end: float, *operations: Operation, outcome: Outcome = "ok") -> Transaction:
    """Return a transaction of its own client."""
    return Transaction(id, id, start, end, outcome, operations)


@pytest.mark.parametrize("fault", Fault, ids=lambda fault: fault.name.lower())
def test_broken_engine_is_rejected(fault: Fault) -> None:
    """Every run of every broken engine is rejected."""
    accepted = [seed for seed in SEEDS if not check(Engine(seed, fault).run(TRANSACTIONS)).violations]
    assert accepted == []


def test_correct_engine_is_accepted() -> None:
    """No run of snapshot isolation is rejected, each has conflicts, and each shows write skew."""
    for seed in SEEDS:
        history = Engine(seed).run(TRANSACTIONS)
        verdict = check(history)
        assert verdict.violations == []
        assert verdict.write_skews > 0
        assert verdict.committed < len(history)


BY_HAND: list[tuple[str, set[str], list[Transaction]]] = [
    (
        "lost update",
        {"orders differ"},
        [
            spoken(1, 0, 5, Read("x", ()), Append("x", 1), Read("x", (1,))),
            spoken(2, 0, 5, Read("x", ()), Append("x", 2), Read("x", (2,))),
        ],
    ),
    (
        "lost append",
        {"lost append"},
        [
            spoken(1, 0, 1, Append("x", 1)),
            spoken(2, 2, 3, Append("x", 2)),
            spoken(3, 4, 5, Read("x", (2,))),
        ],
    ),
    (
        "long fork",
        {"cycle"},
        [
            spoken(1, 0, 9, Append("x", 1)),
            spoken(2, 0, 9, Append("y", 2)),
            spoken(3, 0, 9, Read("x", (1,)), Read("y", ())),
            spoken(4, 0, 9, Read("x", ()), Read("y", (2,))),
        ],
    ),
    (
        "read skew",
        {"cycle"},
        [
            spoken(1, 0, 9, Append("x", 1), Append("y", 1)),
            spoken(2, 0, 9, Read("x", ()), Read("y", (1,))),
            spoken(3, 10, 11, Read("x", (1,))),
        ],
    ),
    (
        "circular information flow",
        {"cycle"},
        [
            spoken(1, 0, 9, Append("x", 1), Read("y", (2,))),
            spoken(2, 0, 9, Append("y", 2), Read("x", (1,))),
        ],
    ),
    (
        "aborted read",
        {"aborted read"},
        [spoken(1, 0, 1, Append("x", 1), outcome="fail"), spoken(2, 0, 9, Read("x", (1,)))],
    ),
    (
        "intermediate read",
        {"intermediate read"},
        [spoken(1, 0, 9, Append("x", 1), Append("x", 2)), spoken(2, 0, 9, Read("x", (1,)))],
    ),
    ("garbage", {"garbage"}, [spoken(1, 0, 9, Read("x", (7,)))]),
    ("duplicate", {"duplicate"}, [spoken(1, 0, 1, Append("x", 1)), spoken(2, 2, 3, Read("x", (1, 1)))]),
    (
        "its own write unseen",
        {"internal"},
        [spoken(1, 0, 1, Read("x", ()), Append("x", 1), Read("x", ()))],
    ),
    (
        "an unknown outcome may have happened",
        set(),
        [spoken(1, 0, 1, Append("x", 1), outcome="info"), spoken(2, 2, 3, Read("x", (1,)))],
    ),
    (
        "an unknown outcome may not have happened",
        set(),
        [spoken(1, 0, 1, Append("x", 1), outcome="info"), spoken(2, 2, 3, Read("x", ()))],
    ),
]


@pytest.mark.parametrize(
    ("kinds", "history"), [case[1:] for case in BY_HAND], ids=[case[0] for case in BY_HAND]
)
def test_textbook_anomalies(kinds: set[str], history: list[Transaction]) -> None:
    """Textbook anomalies have their names."""
    assert check(history).kinds == kinds


def test_write_skew_is_allowed_and_counted() -> None:
    """Each misses the other's write: snapshot isolation commits both."""
    verdict = check(
        [
            spoken(1, 0, 9, Read("y", ()), Append("x", 1)),
            spoken(2, 0, 9, Read("x", ()), Append("y", 2)),
            spoken(3, 10, 11, Read("x", (1,)), Read("y", (2,))),
        ]
    )
    assert (verdict.violations, verdict.write_skews) == ([], 1)


def test_stale_reads_are_detected_by_real_time_order() -> None:
    """Missing a commit before BEGIN is legal in snapshot isolation, but not in strong snapshot isolation."""
    history = [
        spoken(1, 0, 1, Append("x", 1)),
        spoken(2, 2, 3, Read("x", ())),
        spoken(3, 2, 9, Read("x", (1,))),
    ]
    assert check(history).kinds == {"cycle"}
    assert check(history, realtime=False).violations == []


def test_ambiguous_history_is_refused() -> None:
    """A value that was appended twice makes the order ambiguous."""
    with pytest.raises(ValueError, match="value 1 was appended to key x twice"):
        check([spoken(1, 0, 1, Append("x", 1)), spoken(2, 2, 3, Append("x", 1))])


def test_jepsen_lines() -> None:
    """Reads have no value in invocations and in failed completions."""
    history = [
        spoken(1, 0.0, 2.0, Append("x", 1), Read("y", (3,))),
        spoken(2, 1.0, 3.0, Read("y", (3,)), outcome="fail"),
    ]
    lines = [json.loads(line) for line in json_lines(history)]
    assert [(each["index"], each["type"], each["process"], each["time"]) for each in lines] == [
        (0, "invoke", 1, 0),
        (1, "invoke", 2, 1_000_000_000),
        (2, "ok", 1, 2_000_000_000),
        (3, "fail", 2, 3_000_000_000),
    ]
    assert [each["value"] for each in lines[:3]] == [
        [["append", "x", 1], ["r", "y", None]],
        [["r", "y", None]],
        [["append", "x", 1], ["r", "y", [3]]],
    ]
    assert lines[3]["value"] == [["r", "y", None]]
