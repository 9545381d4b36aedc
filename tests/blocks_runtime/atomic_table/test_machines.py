"""Several processes whose clocks differ, on an unreliable service; the items are judged by reading them without us.

boto3 or SQL reads the raw items while the machines run, and at the end. Every judgement compares them with what the
calls have told their callers.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import boto3
import psycopg
import pytest

from blocks_runtime import AtomicTable, DistributedDatabase
from blocks_runtime.contract import TableVariables
from tests.blocks_runtime.atomic_table.conftest import TABLE
from tests.blocks_runtime.atomic_table.machine import ORDERS, PAIR, Machine
from tests.blocks_runtime.atomic_table.test_model import SURVIVED
from tests.blocks_runtime.atomic_table.unreliable_moto import unreliable_moto

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.slow

CLOCKS = (0.0, 4.0, -3.0)
"""Seconds by which the clock of each machine is ahead."""

ROUNDS = 8
"""Calls of each kind, of each machine."""

Raw = dict[tuple[str, str], tuple[Any, int]]
"""Data in DynamoDB's JSON and version of items by their keys, as they are stored."""


@dataclass
class Service:
    """A service that has the table: its raw items of one moment, and the faults of a tenth of a second."""

    snapshot: Callable[[list[tuple[str, str]]], Raw]
    disturb: Callable[[], None]
    calm: Callable[[], None]
    seen: list[Raw] = field(default_factory=list)


def of_boto3(client: Any, name: str) -> Callable[[list[tuple[str, str]]], Raw]:
    """Return a function that reads raw items by TransactGetItems."""

    def snapshot(keys: list[tuple[str, str]]) -> Raw:
        gets = [{"Get": {"TableName": name, "Key": {"pk": {"S": pk}, "sk": {"S": sk}}}} for pk, sk in keys]
        found = client.transact_get_items(TransactItems=gets)["Responses"]
        items = [each["Item"] for each in found if each.get("Item")]
        return {(i["pk"]["S"], i["sk"]["S"]): (i["data"], int(i["version"]["N"])) for i in items}

    return snapshot


@contextmanager
def on_moto(request: pytest.FixtureRequest, seed: int) -> Iterator[Service]:
    patch: pytest.MonkeyPatch = request.getfixturevalue("monkeypatch")
    with unreliable_moto(TABLE, seed) as server:
        client = boto3.client("dynamodb", region_name="us-east-1")
        for name, value in {
            "AWS_ENDPOINT_URL_DYNAMODB": server.url,
            "AWS_ACCESS_KEY_ID": "a",
            "AWS_SECRET_ACCESS_KEY": "s",
            **TableVariables(TABLE, "us-east-1").environment("locks"),
        }.items():
            patch.setenv(name, value)
        snapshot = of_boto3(client, TABLE)

        def locked(keys: list[tuple[str, str]]) -> Raw:
            with server.lock:
                return snapshot(keys)

        yield Service(locked, lambda: setattr(server, "broken", 0.1), lambda: setattr(server, "broken", 0.0))


@contextmanager
def on_local_dynamodb(request: pytest.FixtureRequest, seed: int) -> Iterator[Service]:
    request.getfixturevalue("dynamodb_table")
    dynamo, choose = request.getfixturevalue("dynamo"), random.Random(seed)
    client = boto3.client("dynamodb", endpoint_url=dynamo.url, region_name="us-east-1")

    def disturb() -> None:
        if len(dynamo.armed()) < 3:
            dynamo.inject(choose.choice(SURVIVED["dynamodb"]), every=choose.randint(1, 20))

    def calm() -> None:
        for each in dynamo.armed():
            dynamo.remove(each)

    yield Service(of_boto3(client, TABLE), disturb, calm)


@contextmanager
def on_dsql(request: pytest.FixtureRequest, seed: int) -> Iterator[Service]:
    request.getfixturevalue("dsql_table")
    cluster, choose = request.getfixturevalue("cluster"), random.Random(seed)

    def snapshot(keys: list[tuple[str, str]]) -> Raw:
        places = ", ".join("(%s, %s)" for _ in keys)
        statement = f"SELECT pk, sk, data, version, expires_at FROM {TABLE} WHERE (pk, sk) IN ({places})"
        with psycopg.connect(cluster.dsn(), autocommit=True) as connection:
            rows = connection.execute(statement, [part for key in keys for part in key]).fetchall()
        return {
            (pk, sk): (
                {kind: value for kind, value in json.loads(data).items() if kind != "write_id"},
                version,
            )
            for pk, sk, data, version, expires_at in rows
            if expires_at != 0
        }

    def disturb() -> None:
        if len(cluster.injections()) < 3:
            cluster.inject(choose.choice(SURVIVED["dsql"]), every=choose.randint(1, 20))

    yield Service(snapshot, disturb, cluster.clear_injections)


SERVICES = {"moto": on_moto, "dynamodb": on_local_dynamodb, "dsql": on_dsql}
WATCHED = [*PAIR, ("__LOCK__pair", "a"), ("__LEASE__job", "lease"), ("number", "n")]


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("store", SERVICES)
def test_machines_are_told_the_truth(request: pytest.FixtureRequest, store: str, seed: int) -> None:
    with SERVICES[store](request, seed) as service:
        command = [sys.executable, "-m", Machine.__module__]
        machines = [
            subprocess.Popen(
                [*command, store, TABLE, str(number), str(ahead), str(ROUNDS)],
                stdout=subprocess.PIPE,
                env=os.environ.copy(),
            )
            for number, ahead in enumerate(CLOCKS)
        ]
        try:
            while any(each.poll() is None for each in machines):
                service.disturb()
                service.seen.append(service.snapshot(WATCHED))
                time.sleep(0.1)
            told = [json.loads(each.communicate()[0]) for each in machines]
        finally:
            for each in machines:
                each.kill()
                each.wait()
            service.calm()
        judge(service, store, told)


def judge(service: Service, store: str, told: list[dict[str, Any]]) -> None:
    """Compare the raw items, and what a machine without faults reads, with what the machines were told."""
    counts: Counter[str] = sum((Counter(each["told"]) for each in told), Counter())
    final = service.snapshot(WATCHED)
    for raw in service.seen:
        assert raw.get(PAIR[0], (None,))[0] == raw.get(PAIR[1], (None,))[0], "half of a pair was written"
    for key in (("__LOCK__pair", "a"), ("__LEASE__job", "lease"), ("number", "n")):
        versions = [raw[key][1] for raw in [*service.seen, final] if key in raw]
        assert versions == sorted(versions), f"the version of {key} went back"
    unknown = counts["CommitOutcomeUnknown increment"]
    stored = number_in(final, ("number", "n"))
    assert 0 <= stored - counts["incremented"] <= unknown, "an increment was lost, or made twice"
    versions = sorted(version for each in told for version in each["lock_versions"])
    assert len(set(versions)) == len(versions), "two writers under one lock"
    pairs = number_in(final, PAIR[0])
    assert 0 <= pairs - counts["pairs"] <= counts["CommitOutcomeUnknown write_pair"]
    with_table(store, lambda table: judge_by_calls(table, told, counts))


def number_in(raw: Raw, key: tuple[str, str]) -> int:
    return int(raw[key][0]["N"]) if key in raw else 0


def with_table(store: str, call: Callable[[AtomicTable], None]) -> None:
    if store != "dsql":
        with AtomicTable("locks") as table:
            call(table)
        return
    with DistributedDatabase("main") as database, AtomicTable(TABLE, database=database) as table:
        call(table)


def judge_by_calls(table: AtomicTable, told: list[dict[str, Any]], counts: Counter[str]) -> None:
    fenced = table.get(("fenced", "tokens"))
    tokens = fenced.data if fenced else []
    assert tokens == sorted(set(tokens)), "a holder wrote after its successor, or two had one token"
    acquired = [token for each in told for token in each["tokens"]]
    assert len(set(acquired)) == len(acquired)
    assert set(acquired) <= set(tokens), "a write under a lease was lost"
    results: dict[str, set[int]] = {}
    for each in told:
        for number, found in each["results"].items():
            results.setdefault(number, set()).update(found)
    for number, found in results.items():
        item = table.get(("order", number))
        assert item is not None
        assert item.data == 1, "the work of one id was done twice"
        assert len(found) == 1, "two results of one id"
    assert len(results) <= ORDERS
    assert table.counter("hits").value() == 2 * counts["counted"]
    judge_messages(table, told)


def judge_messages(table: AtomicTable, told: list[dict[str, Any]]) -> None:
    pushed = {id for each in told for id in each["pushed"]}
    acknowledged = Counter(id for each in told for id in each["acknowledged"])
    queue, waiting, limit = table.queue("mail"), Counter[str](), time.monotonic() + 60
    quiet = 0
    while quiet < 12 and time.monotonic() < limit:  # a machine may have ended with a message
        message = queue.pull(visibility=60)
        if message is None:
            quiet += 1
            time.sleep(1)
            continue
        waiting[message.id] += 1
        queue.ack(message)
    assert not {id for id, times in (acknowledged + waiting).items() if times > 1}, (
        "a message was delivered twice"
    )
    assert set(acknowledged) | set(waiting) == pushed, "a message was lost"
