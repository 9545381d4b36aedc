"""Fault injection by predicate: a function in the test's process decides which COMMITs fail."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING
from uuid import UUID

import psycopg
import pytest
from psycopg.errors import ExternalRoutineException, SerializationFailure

from blocks_runtime import DistributedDatabase, sql
from blocks_runtime.errors import DatabaseError
from local_dsql import Attempt, LocalCluster, stop_server
from tests.support.processes import PROJECT, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from local_dsql.faults.keys import Key
    from tests.support.code_blocks import Block

    Predicate = Callable[[Attempt], bool]

SHORT = 0.3
"""Seconds that predicates get which are never going to answer."""


@pytest.fixture
def cluster(shared_cluster: LocalCluster) -> LocalCluster:
    """A cluster with two Regions, no injections, and two tables."""
    shared_cluster.reset()
    with psycopg.connect(shared_cluster.dsn(), autocommit=True) as connection:
        connection.execute("CREATE TABLE accounts (id text PRIMARY KEY, n int)")
        connection.execute("CREATE TABLE log (id int PRIMARY KEY)")
        connection.execute("INSERT INTO accounts SELECT n, 0 FROM generate_series(1, 9) AS n")
    return shared_cluster


def connect(cluster: LocalCluster, region: str = "us-east-1") -> psycopg.Connection:
    return psycopg.connect(cluster.dsn(region), autocommit=True)


def outcomes(cluster: LocalCluster, count: int = 6) -> str:
    """Update the accounts 1, 2, …, one per COMMIT; return `.` for each success and `x` for each conflict."""
    seen = ""
    with connect(cluster) as connection:
        for account in range(1, count + 1):
            try:
                connection.execute("UPDATE accounts SET n = n + 1 WHERE id = %s", (str(account),))
                seen += "."
            except SerializationFailure:
                seen += "x"
    return seen


def balance(cluster: LocalCluster, account: int = 1) -> int:
    with connect(cluster) as connection:
        ((balance,),) = connection.execute("SELECT n FROM accounts WHERE id = %s", (str(account),))
    return int(balance)


def update(cluster: LocalCluster, account: int = 1) -> None:
    with connect(cluster) as connection:
        connection.execute("UPDATE accounts SET n = n + 1 WHERE id = %s", (str(account),))


class Held:
    """A predicate that blocks until it is released, and then returns true."""

    def __init__(self) -> None:
        self.asked = threading.Event()
        self.go = threading.Event()
        self.calls = 0

    def __call__(self, attempt: Attempt) -> bool:
        self.calls += 1
        self.asked.set()
        assert self.go.wait(30)
        return True


@pytest.fixture
def held() -> Iterator[Held]:
    held = Held()
    yield held
    held.go.set()


PREDICATES: list[tuple[str, Predicate, dict[str, object], str]] = [
    ("always", lambda _: True, {}, "x....."),
    ("never", lambda _: False, {}, "......"),
    ("by role", lambda attempt: attempt.role == "admin", {"times": 2}, "xx...."),
    ("by Region", lambda attempt: attempt.region == "us-east-2", {}, "......"),
    ("by table", lambda attempt: attempt.tables == {"accounts"}, {"times": None}, "xxxxxx"),
    ("by row", lambda attempt: attempt.changes("public.Accounts", 3), {"times": None}, "..x..."),
    ("by rows of a table", lambda attempt: attempt.changes("accounts"), {}, "x....."),
    ("by rows of another", lambda attempt: attempt.changes("log"), {}, "......"),
    ("by number", lambda attempt: attempt.number in (2, 5), {"times": None}, ".x..x."),
    ("by text", lambda attempt: "n + 1" in attempt.statements[0], {"every": 3, "times": None}, "..x..x"),
    ("of a table", lambda attempt: attempt.number == 2, {"table": "accounts"}, ".x...."),
    ("of another table", lambda _: True, {"table": "log"}, "......"),
    ("of a row", lambda attempt: attempt.number == 1, {"table": "accounts", "key": 4}, "...x.."),
    ("of another role", lambda _: True, {"role": "app"}, "......"),
]


@pytest.mark.parametrize(
    ("predicate", "others", "expected"),
    [case[1:] for case in PREDICATES],
    ids=[case[0] for case in PREDICATES],
)
def test_which_commits_fail(
    cluster: LocalCluster, predicate: Predicate, others: dict[str, object], expected: str
) -> None:
    cluster.inject("OC000", predicate=predicate, **others)  # type: ignore[arg-type]
    assert outcomes(cluster) == expected
    assert all(conflict.injected for conflict in cluster.conflicts())


def test_the_example_of_the_page(cluster: LocalCluster, page_blocks: list[Block]) -> None:
    (example,) = (block.body for block in page_blocks)
    exec(example, {"cluster": cluster})
    assert outcomes(cluster, 9) == "......x.."


def test_attributes_of_an_attempt(cluster: LocalCluster) -> None:
    seen: list[Attempt] = []

    def keep(attempt: Attempt) -> bool:
        seen.append(attempt)
        return False

    cluster.inject("OC001", predicate=keep)
    with psycopg.connect(cluster.dsn("us-east-2")) as connection:
        connection.execute("SELECT count(*) FROM accounts")
        connection.commit()
        connection.execute("UPDATE public.accounts SET n = 1 WHERE id IN ('1', %s)", ("2",))
        connection.execute("INSERT INTO log VALUES (7)")
        connection.execute("DELETE FROM accounts WHERE id = '9'")
    assert seen == [
        Attempt(
            role="admin",
            region="us-east-2",
            tables=frozenset({"accounts", "log"}),
            rows={"accounts": frozenset({"(1)", "(2)", "(9)"}), "log": frozenset({"(7)"})},
            statements=(
                "UPDATE public.accounts SET n = 1 WHERE id IN ('1', $1)",
                "INSERT INTO log VALUES (7)",
                "DELETE FROM accounts WHERE id = '9'",
            ),
            number=1,
        )
    ]


KEYS: list[tuple[str, Key]] = [
    ("'plain'", "plain"),
    ("'two words'", "two words"),
    ("''", ""),
    ("'a,b'", "a,b"),
    ("'(7)'", "(7)"),
    ("""'say "hi"'""", 'say "hi"'),
    (r"'C:\dir'", r"C:\dir"),
    ("chr(9) || chr(10)", "\t\n"),
    ("chr(160) || 'ü😀'", "\xa0ü😀"),
    ("-7", -7),
    ("'0aB1c2d3-0000-4000-8000-000000000000'::uuid", UUID("0ab1c2d3-0000-4000-8000-000000000000")),
    ("true", True),
    ("'eu', 7", ("eu", 7)),
    ("'', ',', false", ("", ",", False)),
]
"""Values in SQL, and the same in Python."""


@pytest.mark.parametrize(("values", "key"), KEYS, ids=[values for values, _ in KEYS])
def test_keys_are_formatted_like_postgresql(cluster: LocalCluster, values: str, key: Key) -> None:
    with connect(cluster) as connection:
        columns = connection.execute(f"SELECT {values}".encode()).description or []
        types = [connection.adapters.types[column.type_code].name for column in columns]
        names = [f"c{place}" for place, _ in enumerate(types)]
        shape = ", ".join(f"{name} {kind}" for name, kind in zip(names, types, strict=True))
        connection.execute(f"CREATE TABLE things ({shape}, PRIMARY KEY ({', '.join(names)}))".encode())
        cluster.inject("OC000", table="things", key=key)
        with pytest.raises(SerializationFailure):
            connection.execute(f"INSERT INTO things VALUES ({values})".encode())
        cluster.inject("OC000", predicate=lambda attempt: attempt.changes("things", key))
        with pytest.raises(SerializationFailure):
            connection.execute(f"INSERT INTO things VALUES ({values})".encode())


def test_a_predicate_is_listed_with_name_and_location(cluster: LocalCluster, held: Held) -> None:
    def by_name(attempt: Attempt) -> bool:
        return attempt.changes("accounts")

    for each in (by_name, held, held.__call__):
        cluster.inject("OC000", predicate=each)
    line = by_name.__code__.co_firstlineno
    first, second, third = (each.predicate for each in cluster.injections().values())
    assert first == f"by_name ({__file__.removeprefix(f'{PROJECT}/')}:{line})"
    assert second == "Held"
    assert third is not None
    assert third.startswith("__call__ (")


def raising(attempt: Attempt) -> bool:
    raise LookupError(f"nothing of {sorted(attempt.tables)}")


def failing(_: Attempt) -> bool:
    pytest.fail("this COMMIT must not be")


def awaiting(_: Attempt) -> bool:
    async def later() -> bool:
        return True

    return later()  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("predicate", "message"),
    [
        (raising, r"raising \(\S+:\d+\) raised LookupError: nothing of \['accounts'\]"),
        (failing, r"failing \(\S+:\d+\) raised Failed: this COMMIT must not be"),
        (awaiting, r"awaiting \(\S+:\d+\) raised TypeError: it returned a coroutine"),
    ],
    ids=["raising", "failing", "awaiting"],
)
def test_an_exception_fails_the_commit_and_is_not_a_conflict(
    cluster: LocalCluster, caplog: pytest.LogCaptureFixture, predicate: Predicate, message: str
) -> None:
    cluster.inject("outcome-unknown", predicate=predicate)
    with connect(cluster) as connection:
        for _ in range(2):  # the injection stays armed, so that the error is not hidden
            with pytest.raises(ExternalRoutineException, match=message) as failure:
                connection.execute("UPDATE accounts SET n = 1")
            assert failure.value.sqlstate == "38000"
            assert failure.value.diag.message_detail == (
                "A fault injection evaluates this predicate for the COMMIT. Nothing was committed."
            )
            assert "clear_injections()" in (failure.value.diag.message_hint or "")
        assert connection.execute("SELECT sum(n) FROM accounts").fetchone() == (0,)
        cluster.clear_injections()
        connection.execute("UPDATE accounts SET n = 1")
    assert cluster.conflicts() == ()
    assert caplog.text.count("Traceback") == 2


def test_an_exception_reaches_a_test_through_the_runtime(
    cluster: LocalCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not a conflict, so it is not retried, and there is a response, so the outcome is known."""
    for name, value in cluster.environment("main").items():
        monkeypatch.setenv(name, value)
    cluster.inject("OC000", predicate=raising)
    attempts = []
    with DistributedDatabase("main") as db:
        with pytest.raises(DatabaseError, match="raised LookupError") as failure:
            db.transaction(
                lambda tx: attempts.append(tx.execute(sql("UPDATE accounts SET n = 1"))),
                retry_on_conflict=True,
            )
        assert failure.value.sqlstate == "38000"
        assert len(attempts) == 1


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        ({"predicate": "accounts"}, TypeError, "the predicate is str; pass a function"),
        ({"predicate": 7}, TypeError, "the predicate is int"),
        ({"predicate": raising, "timeout": 0}, ValueError, "timeout must be more than 0"),
        ({"predicate": raising, "region": "eu-west-1"}, ValueError, "eu-west-1 is not a Region"),
        ({"predicate": raising, "times": 0}, ValueError, "1 or more"),
        ({"key": 7}, ValueError, "key needs table"),
    ],
)
def test_invalid_predicates_are_refused(
    cluster: LocalCluster, arguments: dict[str, object], kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind, match=message):
        cluster.inject(**arguments)  # type: ignore[arg-type]
    assert cluster.injections() == {}


def test_a_coroutine_function_is_refused(cluster: LocalCluster) -> None:
    async def later(_: Attempt) -> bool:
        return True

    with pytest.raises(TypeError, match="write it with def"):
        cluster.inject(predicate=later)  # type: ignore[arg-type]


# time


def test_a_timeout_fails_the_commit(cluster: LocalCluster, held: Held) -> None:
    cluster.inject("OC000", predicate=held, timeout=SHORT)
    with pytest.raises(ExternalRoutineException, match=r"Held did not return within 0\.3 s"):
        update(cluster)
    with pytest.raises(ExternalRoutineException):
        update(cluster)  # the predicate still runs for the first one
    assert held.calls == 1
    held.go.set()
    wait_until(lambda: outcomes(cluster, 1) == "x")
    assert balance(cluster) == 0, "a verdict on one COMMIT is none on another"


def test_only_the_commit_under_evaluation_waits(cluster: LocalCluster, held: Held) -> None:
    """Meanwhile other transactions read, write and commit, also the same row; these win the conflict."""
    cluster.inject("OC000", predicate=held, region="us-east-2", times=1)
    with ThreadPoolExecutor() as pool, connect(cluster, "us-east-2") as waiting:
        commit = pool.submit(waiting.execute, "UPDATE accounts SET n = n + 10 WHERE id = '1'")
        assert held.asked.wait(10)
        assert outcomes(cluster) == "......"
        assert balance(cluster) == 1
        assert not commit.done()
        held.go.set()
        with pytest.raises(SerializationFailure):
            commit.result(10)
    (conflict,) = cluster.conflicts()
    assert not conflict.injected
    assert conflict.rows == ("(1)",)
    assert len(cluster.injections()) == 1, "it was not needed, so it is not used up"


def test_predicates_are_evaluated_one_at_a_time(cluster: LocalCluster) -> None:
    at_once: list[int] = []
    inside: list[int] = []

    def predicate(attempt: Attempt) -> bool:
        inside.append(attempt.number)
        at_once.append(len(inside))
        inside.pop()
        return attempt.number % 3 == 0

    cluster.inject("OC000", predicate=predicate, times=None)
    with ThreadPoolExecutor(8) as pool:
        failures = [each.exception() for each in [pool.submit(update, cluster, n) for n in range(1, 10)]]
    assert at_once == [1] * 9
    assert sum(isinstance(failure, SerializationFailure) for failure in failures) == 3


# a predicate that uses the cluster itself


def test_a_predicate_may_query_and_write(cluster: LocalCluster) -> None:
    seen: list[int] = []

    def predicate(_: Attempt) -> bool:
        with connect(cluster) as connection:
            connection.execute("INSERT INTO log SELECT count(*) FROM log")
        seen.append(balance(cluster))
        return len(cluster.injections()) == 1

    cluster.inject("OC000", predicate=predicate, table="accounts")
    with pytest.raises(SerializationFailure):
        update(cluster)
    assert seen == [0], "the change that it is asked about is not committed"
    with connect(cluster) as connection:
        assert connection.execute("SELECT count(*) FROM log").fetchone() == (1,)


def test_a_predicate_that_triggers_itself_is_an_error(cluster: LocalCluster) -> None:
    def predicate(_: Attempt) -> bool:
        update(cluster, 2)
        return False

    cluster.inject("OC000", predicate=predicate, timeout=SHORT)
    with pytest.raises(ExternalRoutineException, match="did not return") as failure:
        update(cluster)
    assert "run a COMMIT that it is evaluated for" in (failure.value.diag.message_hint or "")
    cluster.clear_injections()
    assert balance(cluster) == 0


# ends


def test_removing_the_injection_continues_the_commit(cluster: LocalCluster, held: Held) -> None:
    number = cluster.inject("OC000", predicate=held)
    with ThreadPoolExecutor() as pool:
        commit = pool.submit(update, cluster)
        assert held.asked.wait(10)
        cluster.clear_injections(number)
        commit.result(5)
    assert balance(cluster) == 1


def test_reset_removes_the_injection_and_ends_the_waiting_session(cluster: LocalCluster, held: Held) -> None:
    cluster.inject("OC000", predicate=held)
    with ThreadPoolExecutor() as pool:
        commit = pool.submit(update, cluster)
        assert held.asked.wait(10)
        cluster.reset()
        with pytest.raises(psycopg.OperationalError):
            commit.result(5)
    assert cluster.injections() == {}
    cluster.inject("OC000", predicate=lambda _: False)
    held.go.set()
    with connect(cluster) as connection:
        connection.execute("CREATE TABLE accounts (id text PRIMARY KEY, n int)")
    assert outcomes(cluster, 2) == ".."
    assert held.calls == 1
    assert len(cluster.injections()) == 1, "the end of an earlier one must not take its namesake along"


def test_a_client_that_disconnects_meanwhile_commits_nothing(cluster: LocalCluster, held: Held) -> None:
    cluster.inject("OC000", predicate=held)
    client = connect(cluster)
    client.execute("BEGIN")
    client.execute("UPDATE accounts SET n = 5")
    client.pgconn.send_query(b"COMMIT")
    assert held.asked.wait(10)
    client.pgconn.finish()
    held.go.set()
    with pytest.raises(SerializationFailure):
        update(cluster)  # after the first verdict, with the injection still armed
    assert balance(cluster) == 0


def test_stopping_the_server_ends_a_running_predicate(folder: Path, held: Held) -> None:
    with LocalCluster(folder) as cluster:
        cluster.reset()
        with connect(cluster) as connection:
            connection.execute("CREATE TABLE accounts (id text PRIMARY KEY, n int)")
        others = set(threading.enumerate())
        cluster.inject("OC000", predicate=held)
        (thread,) = set(threading.enumerate()) - others
        with ThreadPoolExecutor() as pool:
            commit = pool.submit(
                psycopg.connect(cluster.dsn(), autocommit=True).execute,
                "INSERT INTO accounts VALUES ('1', 0)",
            )
            assert held.asked.wait(10)
            stop_server(folder)
            with pytest.raises(psycopg.OperationalError):
                commit.result(10)
        held.go.set()
        wait_until(lambda: not thread.is_alive())
        cluster.start()
        assert cluster.injections() == {}
        assert outcomes(cluster, 1) == "."


def test_closing_the_cluster_disarms_its_injections(cluster: LocalCluster) -> None:
    with LocalCluster(cluster.folder.path) as other:
        other.inject("OC000", table="accounts")
        other.inject("OC000", predicate=lambda _: True, times=None)
        assert [bool(each.predicate) for each in cluster.injections().values()] == [False, True]
    wait_until(lambda: [bool(each.predicate) for each in cluster.injections().values()] == [False])


ARMING = """
import os, sys, time
from local_dsql import LocalCluster

def predicate(attempt):
    if sys.argv[2] == "hang":
        print("asked", flush=True)
        time.sleep(60)
    return attempt.changes("accounts", sys.argv[2])

cluster = LocalCluster(sys.argv[1]).start()
cluster.inject("OC000", predicate=predicate, times=None)
print("armed", flush=True)
if sys.argv[2] == "fork" and os.fork() == 0:
    cluster.close()
    print(os.getpid(), flush=True)
    time.sleep(60)
sys.stdin.readline()
"""


@pytest.fixture
def arm(cluster: LocalCluster) -> Iterator[Callable[[str], subprocess.Popen[str]]]:
    """Start processes that each arm a predicate."""
    processes: list[subprocess.Popen[str]] = []

    def start(word: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", ARMING, cluster.folder.path, word],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=PROJECT,
        )
        processes.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "armed\n"
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def test_two_processes_with_a_predicate_each(
    cluster: LocalCluster, arm: Callable[[str], subprocess.Popen[str]]
) -> None:
    first, second = arm("2"), arm("4")
    cluster.inject("OC000", predicate=lambda attempt: attempt.changes("accounts", 5))
    assert outcomes(cluster) == ".x.xx."
    first.kill()
    first.wait()
    wait_until(lambda: len(cluster.injections()) == 1)
    assert outcomes(cluster) == "...x.."
    output, errors = second.communicate("\n", timeout=30)  # the process ends without close()
    assert (output, errors, second.returncode) == ("", "", 0)
    wait_until(lambda: not cluster.injections())


def test_killing_the_evaluating_process_continues_the_commit(
    cluster: LocalCluster, arm: Callable[[str], subprocess.Popen[str]]
) -> None:
    process = arm("hang")
    with ThreadPoolExecutor() as pool:
        commit = pool.submit(update, cluster)
        assert process.stdout is not None
        assert process.stdout.readline() == "asked\n"
        process.kill()
        commit.result(5)
    assert balance(cluster) == 1
    assert cluster.injections() == {}


def test_a_fork_neither_disarms_its_parents_predicate_nor_keeps_it_armed(
    cluster: LocalCluster, arm: Callable[[str], subprocess.Popen[str]]
) -> None:
    process = arm("fork")
    assert process.stdout is not None
    child = int(process.stdout.readline())
    try:
        assert len(cluster.injections()) == 1
        assert outcomes(cluster, 2) == ".."  # the parent evaluates the predicate
        process.kill()
        wait_until(lambda: not cluster.injections())
    finally:
        os.kill(child, signal.SIGKILL)
