"""`AtomicTable` against boto3 code that makes the same calls, on the local DynamoDB, in one run.

`python -m benchmarks.atomic_table` also compares the time from the start of a process to its first item.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
import uuid
from typing import TYPE_CHECKING, Any

import boto3

from benchmarks.harness import Measured, compare, costs, pin, present
from blocks_runtime import AtomicTable, Item
from blocks_runtime.contract import TableVariables
from local_dynamodb import LocalDynamo

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from blocks_runtime import TableTransaction

OURS, BOTO3 = "AtomicTable", "boto3"
BAR = 1.15
"""Largest time of ours, as a multiple of boto3's."""

KEY = {"pk": {"S": "p"}, "sk": {"S": "s"}}

FIRST_ITEM = {
    OURS: "from blocks_runtime import AtomicTable; AtomicTable('locks').get(('p', 's'))",
    BOTO3: f"import boto3; boto3.client('dynamodb').get_item(TableName='locks', Key={KEY})",
}


def transactions(table: AtomicTable, client: Any) -> dict[str, Callable[[], object]]:
    """Return a read and a conditional write of one item in each."""

    def add(tx: TableTransaction) -> None:
        item = tx.get(("p", "s"))
        assert item is not None
        tx.set(item.with_data(item.data + 1))

    def by_hand() -> None:
        item = client.get_item(TableName="locks", Key=KEY, ConsistentRead=True)["Item"]
        client.transact_write_items(
            ClientRequestToken=uuid.uuid4().hex,
            TransactItems=[put("s", int(item["data"]["N"]) + 1, item["version"]["N"])],
        )

    return {OURS: lambda: table.transaction(add), BOTO3: by_hand}


def locked_writes(table: AtomicTable, client: Any) -> dict[str, Callable[[], object]]:
    """Return a write of two items under a lock in each: the lock is read, then all three are written."""

    def ours() -> None:
        table.set_atomic([Item("p", "1", 1), Item("p", "2", 2)], table.get_lock(("p", "lock")))

    def by_hand() -> None:
        lock = {"pk": {"S": "lock"}, "sk": {"S": "by hand"}}
        item = client.get_item(TableName="locks", Key=lock, ConsistentRead=True).get("Item")
        version = item["version"]["N"] if item else None
        client.transact_write_items(
            ClientRequestToken=uuid.uuid4().hex,
            TransactItems=[put("by hand", 0, version, pk="lock"), put("1", 1), put("2", 2)],
        )

    return {OURS: ours, BOTO3: by_hand}


def reads(table: AtomicTable, client: Any) -> dict[str, Callable[[], object]]:
    """Return a consistent read of one item in each."""
    return {
        OURS: lambda: table.get(("p", "s")),
        BOTO3: lambda: client.get_item(TableName="locks", Key=KEY, ConsistentRead=True),
    }


def put(sk: str, data: int, version: str | None = None, pk: str = "p") -> dict[str, Any]:
    """Return the action that puts an item, over `version` if it is given."""
    item = {
        "pk": {"S": pk},
        "sk": {"S": sk},
        "data": {"N": str(data)},
        "version": {"N": str(time.time_ns())},
    }
    action: dict[str, Any] = {"TableName": "locks", "Item": item}
    if version is not None:
        action |= {
            "ConditionExpression": "#version = :version",
            "ExpressionAttributeNames": {"#version": "version"},
            "ExpressionAttributeValues": {":version": {"N": version}},
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
    return {"Put": action}


def first_item(program: str) -> Callable[[], object]:
    """Return a call that runs a program in a new process."""
    return lambda: subprocess.run([sys.executable, "-c", program], check=True)


def measure() -> Iterator[list[Measured]]:
    """Yield every ratio."""
    pin()
    with tempfile.TemporaryDirectory() as folder, LocalDynamo(folder) as dynamo:
        dynamo.create_table("locks")
        os.environ.update(dynamo.environment() | TableVariables("locks", "us-east-1").environment("locks"))
        client = boto3.client("dynamodb")
        with AtomicTable("locks") as table:
            table.set(Item("p", "s", 0))
            for title, pair in (
                ("AtomicTable, transaction: a read and a conditional write", transactions),
                ("AtomicTable, set_atomic: a lock is read, three items are written", locked_writes),
                ("AtomicTable, get: one item", reads),
            ):
                yield costs(title, compare(pair(table, client)), ours=OURS, bars={BOTO3: BAR})
        programs = {name: first_item(program) for name, program in FIRST_ITEM.items()}
        results = compare(programs, turns=9, window=0)
        yield costs(
            "AtomicTable, from process start to the first item", results, ours=OURS, bars={BOTO3: 1.0}
        )


if __name__ == "__main__":
    present(measure)
