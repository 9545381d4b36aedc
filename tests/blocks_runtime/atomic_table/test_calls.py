"""Single and batch operations, queries and locks, the same on both stores."""

from __future__ import annotations

import time
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple, TypedDict

import pytest

from blocks_runtime import AtomicTable, Item, Key, Once, RaceCondition
from blocks_runtime.atomic_table.locks import LIFETIME
from blocks_runtime.errors import TableLimitExceeded

if TYPE_CHECKING:
    from collections.abc import Callable

DAY, HOUR = 24 * 3600, 3600


def test_an_item_is_written_read_and_deleted(table: AtomicTable) -> None:
    assert table.get(("user#1", "profile")) is None
    table.set(Item("user#1", "profile", {"name": "Ann", "age": 30}))
    found = table.get(Key("user#1", "profile"))
    assert found is not None
    assert (found.data, found.key) == ({"name": "Ann", "age": 30}, ("user#1", "profile"))
    table.delete(found)
    assert table.get(("user#1", "profile")) is None


VALUES: dict[str, Any] = {
    "text": "text",
    "empty text": "",
    "all planes of Unicode": "äß€🙂\U0010ffff\u0000",
    "integer": -7,
    "38 digits": int("9" * 38),
    "fraction": Decimal("0.1"),
    "tiny": Decimal("1E-130"),
    "huge": 10**125,
    "truth": [True, False, None],
    "bytes": b"\x00\xff",
    "no bytes": b"",
    "nested": {"a": [{"b": [1, "2", b"3"]}, []], " ": {}},
    "sets": {"s": {"a", "b"}, "n": {1, Decimal("2.5")}, "b": {b"x"}},
    "number": 5,
    "nothing": None,
}


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
def test_values_come_back_as_they_were(table: AtomicTable, value: object) -> None:
    table.set(Item("p", "s", value))
    found = table.get(("p", "s"))
    assert found is not None
    assert found.data == value
    assert type(found.data) is type(value)


KEYS = {
    "longest": ("p" * 200, "s" * 200),
    "spaces": (" ", "  "),
    "quotes": ('it\'s "quoted"', "\\'--"),
    "separators": ("a:b", "c"),
    "Unicode": ("ключ", "🙂"),
    "newline": ("a\nb", "\t"),
}


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
def test_keys_of_every_kind(table: AtomicTable, key: tuple[str, str]) -> None:
    table.set([Item(*key, "here"), Item("a", "b:c", "elsewhere")])
    items = table.get_many([key, ("a", "b:c"), (key[0], key[1] + "x")])
    assert [item and item.data for item in items] == ["here", "elsewhere", None]
    (found,) = table.query(key[0])
    assert found.key == key


REFUSED: dict[str, tuple[Any, type[Exception], str]] = {
    "float": (Item("p", "s", {"x": [0.1]}), TypeError, r"data\.x\[0\] is a float.*Decimal"),
    "NaN": (Item("p", "s", Decimal("NaN")), ValueError, "finite"),
    "39 digits": (Item("p", "s", int("1" * 39)), TableLimitExceeded, "38 significant digits"),
    "too huge": (Item("p", "s", 10**126), TableLimitExceeded, "outside of 1E-130"),
    "too tiny": (Item("p", "s", Decimal("1E-131")), TableLimitExceeded, "outside of"),
    "empty set": (Item("p", "s", set()), ValueError, "empty set"),
    "empty key of a map": (Item("p", "s", [{"a": {"": 1}}]), ValueError, r"data\[0\]\.a has an empty key"),
    "long key of a map": (Item("p", "s", {"n" * 65536: 1}), TableLimitExceeded, "65,536 bytes"),
    "mixed set": (Item("p", "s", {1, "a"}), TypeError, "mixed types"),
    "object": (Item("p", "s", object()), TypeError, "no counterpart"),
    "key of a map": (Item("p", "s", {1: "a"}), TypeError, "text as keys"),
    "surrogate": (Item("p", "s", "\ud800"), ValueError, "not Unicode text"),
    "empty pk": (Item("", "s", 1), ValueError, "pk is empty"),
    "empty sk": (Item("p", "", 1), ValueError, "sk is empty"),
    "long pk": (Item("p" * 2049, "s", 1), TableLimitExceeded, "pk has 2,049 bytes"),
    "long sk": (Item("p", "é" * 513, 1), TableLimitExceeded, "sk has 1,026 bytes"),
    "large": (Item("p", "s", "x" * 409_600), TableLimitExceeded, "an item has 409,6.. bytes"),
    "reserved": (Item("__LOCK__p", "s", 1), ValueError, "kept for locks"),
    "twice": ([Item("p", "s", 1), Item("p", "s", 2)], ValueError, "written twice"),
    "expiry": (Item("p", "s", 1, expires_at=1.5), TypeError, "expires_at"),  # type: ignore[arg-type]
    "no item": ([("p", "s")], TypeError, "given as Item"),
}


@pytest.mark.parametrize(("items", "error", "says"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_stored_is_refused_before_the_call(
    table: AtomicTable, items: Any, error: type[Exception], says: str
) -> None:
    before = table.stats.statements
    with pytest.raises(error, match=says):
        table.set(items)
    assert table.stats.statements == before


def test_deep_nesting_is_refused(table: AtomicTable) -> None:
    inside: Any = 1
    for _ in range(32):
        inside = [inside]
    table.set(Item("p", "s", inside))
    with pytest.raises(TableLimitExceeded, match="nested"):
        table.set(Item("p", "s", [inside]))


@dataclass
class Account:
    owner: str
    balance: Decimal
    note: str = ""


class Point(NamedTuple):
    x: int
    y: int


class Shape(TypedDict):
    sides: int


def test_typed_items(table: AtomicTable) -> None:
    table.set(
        [
            Item("t", "1", Account("Ann", Decimal(5))),
            Item("t", "2", Point(1, 2)),
            Item("t", "3", {"sides": 3}),
        ]
    )
    account = table.get(("t", "1"), Account)
    assert account is not None
    assert account.data == Account("Ann", Decimal(5))
    assert type(account.data.balance) is Decimal
    assert [item and item.data for item in table.get_many([("t", "2")], Point)] == [Point(1, 2)]
    (shape,) = table.query("t", "3", data_type=Shape)
    assert shape.data["sides"] == 3
    assert [item.data for item in table.query("t", "3", data_type=dict)] == [{"sides": 3}]
    with pytest.raises(TypeError, match="does not fit Point"):
        table.get(("t", "1"), Point)


def test_many_items_in_order_with_holes(table: AtomicTable) -> None:
    """The original dropped what DynamoDB leaves unprocessed, and had no more than 100 keys in one delete."""
    table.set(Item("many", f"{n:03d}", n) for n in range(230))
    keys = [("many", f"{n:03d}") for n in (*range(229, -1, -1), 500, 7, 7)]
    items = table.get_many(keys)
    assert [item and item.data for item in items] == [*range(229, -1, -1), None, 7, 7]
    assert table.get_many([]) == []
    table.delete(keys)
    assert table.query("many") == []


def test_queries(table: AtomicTable) -> None:
    table.set([Item("q", sk, sk) for sk in ("b#1", "a#2", "a#1", "ä", "Z", "a")])
    assert [item.sk for item in table.query("q")] == ["Z", "a", "a#1", "a#2", "b#1", "ä"]
    assert [item.sk for item in table.query("q", "a#")] == ["a#1", "a#2"]
    assert [item.sk for item in table.query("q", "a", reverse=True)] == ["a#2", "a#1", "a"]
    assert [item.sk for item in table.query("q", limit=2)] == ["Z", "a"]
    assert [item.sk for item in table.query("q", after="a#1", limit=2)] == ["a#2", "b#1"]
    assert [item.sk for item in table.query("q", after="a#2", reverse=True, limit=2)] == ["a#1", "a"]
    assert table.query("q", limit=0) == []
    assert table.query("q", "none") == table.query("none") == []
    with pytest.raises(ValueError, match="limit"):
        table.query("q", limit=-1)


def test_a_stream_reads_every_page(table: AtomicTable) -> None:
    """The original ended after one page of 1 MB."""
    table.set(Item("s", f"{n:02d}", "x" * 300_000) for n in range(12))
    assert [item.sk for item in table.stream("s")] == [f"{n:02d}" for n in range(12)]
    assert [item.sk for item in table.stream("s", after="08")] == ["09", "10", "11"]


def test_an_expired_item_is_not_there(table: AtomicTable) -> None:
    now = int(time.time())
    table.set(
        [
            Item("e", "old", 1, expires_at=now - 1),
            Item("e", "new", 2, expires_at=now + 100),
            Item("e", "x", 3),
        ]
    )
    assert table.get(("e", "old")) is None
    assert [item.sk for item in table.query("e")] == ["new", "x"]
    assert [item.sk for item in table.query("e", limit=1)] == ["new"]
    assert table.transaction(lambda tx: tx.get(("e", "old"))) is None

    def take_over(tx: Any) -> None:
        assert tx.get(("e", "old")) is None
        tx.set(Item("e", "old", "again"))

    table.transaction(take_over)
    found = table.get(("e", "old"))
    assert found is not None
    assert (found.data, found.expires_at) == ("again", None)


def test_the_same_lock_serves_one_of_two_writers(table: AtomicTable) -> None:
    lock = table.get_lock(("user#1", "counter"))
    assert table.get_lock(("user#1", "counter")) == lock
    (next_lock,) = table.set_atomic(Item("user#1", "counter", "first"), lock)
    with pytest.raises(RaceCondition) as caught:
        table.set_atomic(Item("user#1", "counter", "second"), lock)
    assert caught.value.keys == (lock.key,)
    found = table.get(("user#1", "counter"))
    assert found is not None
    assert found.data == "first"
    assert next_lock.version > lock.version
    table.set_atomic(Item("user#1", "counter", "third"), next_lock)


def test_one_lock_guards_several_items(table: AtomicTable) -> None:
    lock = table.get_lock(("pair", "lock"))
    table.set_atomic([Item("pair", "a", 1), Item("pair", "b", 2)], lock)
    with pytest.raises(RaceCondition):
        table.set_atomic([Item("pair", "a", 3), Item("pair", "b", 4)], [lock])
    assert [item.data for item in table.query("pair")] == [1, 2]


def test_an_item_that_was_read_is_written_only_unchanged(table: AtomicTable) -> None:
    """In the original, `set` bypassed every lock: its change was lost."""
    table.set(Item("i", "1", 1))
    seen, lock = table.get(("i", "1")), table.get_lock(("i", "1"))
    assert seen is not None
    table.set(Item("i", "1", "changed by another program"))
    with pytest.raises(RaceCondition):
        table.set_atomic(seen.with_data(2), lock)


def test_a_lock_lives_a_day_and_is_renewed_in_its_last_hour(
    table: AtomicTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock, now = table.get_lock(("l", "1")), time.time()
    assert DAY - 10 <= lock.expires_at - now <= DAY + 1
    clock = monkeypatch.setattr
    clock(time, "time", lambda: now + 22 * HOUR)
    assert table.get_lock(("l", "1")) == lock
    clock(time, "time", lambda: now + DAY - HOUR / 2)
    renewed = table.get_lock(("l", "1"))
    assert renewed.version > lock.version
    assert renewed.expires_at >= now + DAY - HOUR / 2 + 23 * HOUR
    with pytest.raises(RaceCondition):
        table.set_atomic(Item("l", "1", 1), lock)
    clock(time, "time", lambda: now + 3 * DAY)
    with pytest.raises(RaceCondition, match="expired"):
        table.set_atomic(Item("l", "1", 1), renewed)
    again = table.get_lock(("l", "1"))
    assert again.version > renewed.version
    table.set_atomic(Item("l", "1", 1), again)


def test_a_write_under_a_lock_prolongs_it(table: AtomicTable, monkeypatch: pytest.MonkeyPatch) -> None:
    lock, now = table.get_lock(("l", "2")), time.time()
    monkeypatch.setattr(time, "time", lambda: now + 12 * HOUR)
    (written,) = table.set_atomic(Item("l", "2", 1), lock)
    assert written.expires_at >= now + 12 * HOUR + LIFETIME - 1


def test_a_deleted_lock_does_not_return_with_an_old_version(table: AtomicTable) -> None:
    lock = table.get_lock(("l", "3"))
    table.delete(("l", "3"))
    again = table.get_lock(("l", "3"))
    assert again.version > lock.version
    with pytest.raises(RaceCondition):
        table.set_atomic(Item("l", "3", 1), lock)


def test_an_item_that_came_back_is_another_one(table: AtomicTable) -> None:
    """A version counted from 1 for each new item would fit the old one."""
    table.set(Item("aba", "1", "before"))
    seen = table.get(("aba", "1"))
    assert seen is not None
    table.delete(("aba", "1"))
    table.set(Item("aba", "1", "after"))
    with pytest.raises(RaceCondition):
        table.set_atomic(seen.with_data("lost update"))


def test_limits_are_named_before_the_call(table: AtomicTable) -> None:
    table.get(("p", "s"))
    before = table.stats.statements
    with pytest.raises(TableLimitExceeded, match="101 actions"):
        table.set_atomic([Item("p", str(n), n) for n in range(101)])
    with pytest.raises(TableLimitExceeded, match=r"4,\d{3},\d{3} bytes, and one may have 4,194,304"):
        table.set_atomic([Item("p", str(n), "x" * 390_000) for n in range(11)])
    with pytest.raises(ValueError, match="written twice"):
        table.set_atomic([Item("p", "1", 1), Item("p", "1", 2)])
    assert table.stats.statements == before
    table.set_atomic([Item("p", str(n), n) for n in range(100)])
    assert len(table.query("p")) == 100


REFUSED_CALLS: dict[str, tuple[Callable[[AtomicTable], object], type[Exception], str]] = {
    "place": (lambda t: t.query("p", after="x" * 1025), TableLimitExceeded, "sk has 1,025 bytes"),
    "lock": (lambda t: t.get_lock(("p" * 2041, "s")), TableLimitExceeded, "pk has 2,041 bytes"),
    "lease": (lambda t: t.lease("n" * 2048).__enter__(), TableLimitExceeded, "pk has 2,048 bytes"),
}
"""Calls with arguments that are too long, and the number that the caller counts."""


@pytest.mark.parametrize(("call", "error", "says"), REFUSED_CALLS.values(), ids=REFUSED_CALLS)
def test_a_limit_names_the_length_that_was_given(
    table: AtomicTable, call: Callable[[AtomicTable], object], error: type[Exception], says: str
) -> None:
    table.get(("p", "s"))
    before = table.stats.statements
    with pytest.raises(error, match=says):
        call(table)
    assert table.stats.statements == before


def test_a_lease_that_is_given_twice_is_named(table: AtomicTable) -> None:
    with table.lease("job") as lease, pytest.raises(ValueError, match="the lease 'job' is given twice"):
        table.set_atomic(Item("p", "s", 1), [lease, lease])


def test_the_payload_of_once_is_not_in_its_repr() -> None:
    assert "secret" not in repr(Once("id", payload={"token": "secret"}))


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("after", ["", "a", "b", "b1", "b2x", "b\U0010ffff", "c", "\U0010ffff"])
@pytest.mark.parametrize("prefix", ["", "b", "b\uffff"])
def test_pages_begin_after_any_place(table: AtomicTable, prefix: str, after: str, reverse: bool) -> None:
    """DynamoDB refuses a place outside of the prefix, and an empty one; the order is that of code points."""
    stored = ["a", "b1", "b2", "b\ue000", "b\uffff", "b\U0010ffff", "c"]
    table.set([Item("p", sk, 1) for sk in stored])
    places = sorted((sk for sk in stored if sk.startswith(prefix)), reverse=reverse)
    expected = [sk for sk in places if (sk < after if reverse else sk > after)]
    assert [item.sk for item in table.query("p", prefix, reverse=reverse, after=after)] == expected
    assert [item.sk for item in table.query("p", prefix, reverse=reverse, after=after, limit=1)] == expected[
        :1
    ]


async def asynchronous(tx: Any) -> None:
    tx.set(Item("a", "b", 1))


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda table: table.set({"pk": "a", "sk": "b"}), "given as Item.*not as dict"),
        (lambda table: table.set(None), "given as Item.*not as NoneType"),
        (lambda table: table.set(Item("a", 1, 1)), "not Item with str and int"),  # type: ignore[arg-type]
        (lambda table: table.set_atomic(table.get_lock(("a", "b"))), "given as Item.*not as Lock"),
        (lambda table: table.set_atomic(Item("a", "b", 1), 5), "a lock is .* not int; get_lock"),
        (lambda table: table.query("a", limit="3"), "limit is of type str"),
        (lambda table: table.lease("job", seconds="60"), "seconds is of type str"),
        (lambda table: table.queue("q").ack(table.queue("q").pull()), "returns None for an empty queue"),
        (lambda table: table.queue("q").release(None), "what pull.. has returned, not NoneType"),
        (lambda table: table.set_atomic(("a", "b")), "given as Item"),
        (lambda table: table.set_atomic(Item("a", "b", 1), ["lock"]), "a lock is a Lock or a Lease"),
        (lambda table: table.set_atomic(Item("a", "b", 1), None), "not NoneType"),
        (lambda table: table.transaction(lambda tx: tx.set(("a", "b"))), "given as Item"),
        (lambda table: table.transaction(lambda _: 1, once=5), "once is of type int"),
        (lambda table: table.transaction(asynchronous), "is asynchronous"),
        (lambda table: table.counter("c").add(True), "amount is of type bool"),
        (lambda table: table.counter("c").add("1"), "amount is of type str"),
        (lambda table: table.counter("c").add(None), "amount is of type NoneType"),
        (lambda table: table.counter(None), "is text, not NoneType"),
        (lambda table: table.queue("q").push(5, 1), "is text, not int"),
        (lambda table: table.query("a", after=Item("a", "b", 1)), "after is of type Item"),
    ],
)
def test_values_of_other_types_are_named(table: AtomicTable, call: Any, said: str) -> None:
    with pytest.raises(TypeError, match=said):
        call(table)
    assert table.get(("a", "b")) is None


@pytest.mark.parametrize(
    "call",
    [
        lambda table: table.lease("").acquire(),
        lambda table: table.counter("").add(),
        lambda table: table.queue("").pull(),
        lambda table: table.transaction(lambda _: 1, once=""),
        lambda table: table.set_atomic(Item("a", "b", 1), once=""),
    ],
)
def test_an_empty_name_is_refused(table: AtomicTable, call: Any) -> None:
    """All callers without an id would share one result, or one lease."""
    with pytest.raises(ValueError, match="a name or an id is empty"):
        call(table)


def test_the_same_lock_twice_is_named(table: AtomicTable) -> None:
    lock = table.get_lock(("a", "b"))
    with pytest.raises(ValueError, match=r"the lock of \('a', 'b'\) is given twice"):
        table.set_atomic(Item("a", "b", 1), [lock, lock])


def test_locks_may_come_from_a_generator(table: AtomicTable) -> None:
    locks = table.set_atomic(
        (Item("a", str(n), n) for n in range(2)), (table.get_lock(("a", str(n))) for n in range(2))
    )
    assert [lock.sk for lock in locks] == ["0", "1"]


def test_a_counter_with_many_digits_is_exact(table: AtomicTable) -> None:
    counter = table.counter("c")
    counter.add(Decimal("12345678901234567890123456789012345.5"))
    counter.add(1)
    assert counter.value() == Decimal("12345678901234567890123456789012346.5")


def test_a_time_in_milliseconds_is_refused(table: AtomicTable) -> None:
    with pytest.raises(ValueError, match="not milliseconds"):
        table.set(Item("a", "b", 1, expires_at=int(time.time() * 1000)))
    assert table.get(("a", "b")) is None


def test_an_atomic_write_of_nothing_is_none(table: AtomicTable) -> None:
    assert table.set_atomic([]) == []
    assert table.set_atomic([], once="nothing") == []
