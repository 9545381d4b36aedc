# Auto-generated from aio/dynamodb.py by tools/async_to_sync.py: DO NOT EDIT, change that one.
"""Store of records in a DynamoDB table."""

from __future__ import annotations

import time
from typing import Any

from ..errors import DeadlineExceeded, RaceCondition, Throttled
from ..shared.deadline import earliest
from .client import Client, Request, RequestFailed
from .expressions import (
    add_parameters,
    attributes_of,
    is_own_write,
    is_undecided,
    key_attributes,
    query_parameters,
    record_of,
    transaction_parameters,
    unless_newer,
    with_keys,
)
from .failures import Next
from .items import new_write_id, next_version
from .limits import ACTIONS, BATCH_READS, BATCH_WRITES
from .primitives import sleep
from .requests import BACKOFF

TYPE_CHECKING = False  # `typing` costs more to import than the whole runtime
if TYPE_CHECKING:
    from collections.abc import Sequence

    from .items import Record
    from .keys import Key
    from .requests import Repetitions
    from .writes import Add, Write


class DynamoStore:
    """Reads and writes records, expired ones included, each call until `until`, a `time.monotonic()`."""

    def __init__(self, client: Client, table: str) -> None:
        self.client = client
        self.table = f"{table!r} in {client.region}"
        self._table = table

    def read(
        self, keys: Sequence[Key], until: float | None, *, consistent: bool = True
    ) -> list[Record | None]:
        """Return the records of distinct keys, in their order."""
        if len(keys) == 1:
            parameters = {
                "TableName": self._table,
                "Key": key_attributes(keys[0]),
                "ConsistentRead": consistent,
            }
            answer = self._call(Request.of("GetItem", parameters), until)
            return [record_of(answer["Item"]) if answer.get("Item") else None]
        found: dict[Key, Record] = {}
        for start in range(0, len(keys), BATCH_READS):
            part = [key_attributes(key) for key in keys[start : start + BATCH_READS]]
            wanted: dict[str, Any] = {self._table: {"Keys": part, "ConsistentRead": consistent}}
            for answer in self._batch("BatchGetItem", wanted, "UnprocessedKeys", until):
                for attributes in answer.get("Responses", {}).get(self._table, ()):
                    record = record_of(attributes)
                    found[record.key] = record
        return [found.get(key) for key in keys]

    def snapshot(
        self, keys: Sequence[Key], until: float | None, conflicts: Repetitions | None = None
    ) -> list[Record | None]:
        """Return the records of at most `ACTIONS` keys as they were at one moment, in the order of the keys."""
        items = [{"Get": {"TableName": self._table, "Key": key_attributes(key)}} for key in keys[:ACTIONS]]
        request = Request.of("TransactGetItems", {"TransactItems": items})
        answer = self._call(request, until, conflicts)
        return [record_of(each["Item"]) if each.get("Item") else None for each in answer["Responses"]]

    def write(
        self, writes: Sequence[Write], until: float | None, conflicts: Repetitions | None = None
    ) -> None:
        """Carry out all actions or none.

        Raises:
            RaceCondition: a condition failed, so nothing was written.
            CommitOutcomeUnknown: no answer arrived, also after repetitions with the same token.
        """
        write_id = new_write_id()
        parameters = transaction_parameters(self._table, writes, write_id)
        request = Request.of("TransactWriteItems", parameters, writes=True)
        try:
            self.client.call(request, until, conflicts)
        except RequestFailed as failed:
            if not isinstance(failed.error, RaceCondition):
                raise self.client.final(failed) from failed.error.__cause__
            if failed.lost and is_own_write(write_id, failed.failure.reasons):
                return
            raise with_keys(failed.error, writes, failed.failure.reasons) from None

    def put_all(self, records: Sequence[Record], until: float | None) -> None:
        """Write records of distinct keys in any order, each by itself."""
        write_id = new_write_id()
        entries = [{"PutRequest": {"Item": attributes_of(each, write_id)}} for each in records]
        if len(records) == 1:
            parameters = {"TableName": self._table, **entries[0]["PutRequest"]}
            self._write_or_settle("PutItem", parameters, entries, until)
            return
        self._write_batches(entries, until)

    def delete_all(self, keys: Sequence[Key], until: float | None) -> None:
        """Delete items of distinct keys in any order, each by itself."""
        self._write_batches([{"DeleteRequest": {"Key": key_attributes(each)}} for each in keys], until)

    def add(self, write: Add, until: float | None) -> None:
        """Carry out an addition; it is not repeated if its answer is lost.

        Raises:
            CommitOutcomeUnknown: the answer was lost.
        """
        parameters = add_parameters(self._table, write)
        self._call(Request.of("UpdateItem", parameters, writes=True, repeatable=False), until)

    def page(
        self,
        pk: str,
        prefix: str,
        until: float | None,
        *,
        reverse: bool = False,
        limit: int | None = None,
        after: str | None = None,
        consistent: bool = True,
    ) -> tuple[list[Record], str | None]:
        """Return some records of a partition in order, and the `sk` to go on after; None at the end."""
        parameters = query_parameters(
            self._table, pk, prefix, reverse=reverse, consistent=consistent, after=after
        )
        if limit is not None:
            parameters["Limit"] = limit
        answer = self._call(Request.of("Query", parameters), until)
        last = answer.get("LastEvaluatedKey")
        return [record_of(each) for each in answer.get("Items", ())], last["sk"]["S"] if last else None

    def purge(self, until: float | None) -> int:
        """Return 0: DynamoDB deletes expired items by itself."""
        del until
        return 0

    @property
    def patience(self) -> float:
        """Seconds for a request with its repetitions."""
        return self.client.patience

    @property
    def forked(self) -> bool:
        """True in a forked process, which must not use its parent's connections."""
        return self.client.forked

    @property
    def usage(self) -> tuple[int, int, int]:
        """Requests sent, connections replaced, connections idle."""
        return self.client.requests, self.client.replaced, self.client.idle

    def close(self) -> None:
        """Close all connections."""
        self.client.close()

    def _write_batches(self, requests: Sequence[dict[str, Any]], until: float | None) -> None:
        for start in range(0, len(requests), BATCH_WRITES):
            wanted: dict[str, Any] = {self._table: requests[start : start + BATCH_WRITES]}
            self._batch("BatchWriteItem", wanted, "UnprocessedItems", until)

    def _write_or_settle(
        self,
        operation: str,
        parameters: dict[str, Any],
        entries: Sequence[dict[str, Any]],
        until: float | None,
    ) -> dict[str, Any]:
        """Send writes without conditions; after a lost answer make those that were not made, and return no rest.

        To send the same once more could undo what another writer has written since. `entries` are the writes, as
        BatchWriteItem names them.

        Raises:
            CommitOutcomeUnknown: this cannot be found out, as another writer has written an item since.
        """
        before, limit = next_version(), earliest(until, time.monotonic() + self.client.patience)
        request = Request.of(operation, parameters, writes=True, repeatable=False)
        try:
            return self.client.call(request, until)
        except RequestFailed as failed:
            if not failed.lost:
                raise self.client.final(failed) from failed.error.__cause__
            unknown, undecided = failed, False
        for entry in entries:
            request = Request.of(*unless_newer(self._table, entry, before), writes=True)
            try:
                self.client.call(request, limit)
            except RequestFailed as failed:
                if failed.failure.next is not Next.CONFLICT:
                    raise self.client.final(unknown) from failed.error
                undecided = undecided or is_undecided(entry, failed.failure.reasons)
        if undecided:
            raise self.client.final(unknown) from unknown.error.__cause__
        return {}

    def _batch(
        self, operation: str, wanted: dict[str, Any], rest: str, until: float | None
    ) -> list[dict[str, Any]]:
        """Send a batch, and what DynamoDB left unprocessed of it again, until nothing is left.

        Raises:
            Throttled: something is left after the patience of the client.
            DeadlineExceeded: something is left at `until`.
        """
        limit = time.monotonic() + self.client.patience
        answers, attempt = [], 1
        while wanted:
            parameters = {"RequestItems": wanted}
            if operation == "BatchWriteItem":
                entries = wanted[self._table]
                answers.append(self._write_or_settle(operation, parameters, entries, until))
            else:
                answers.append(self._call(Request.of(operation, parameters), until))
            wanted = answers[-1].get(rest) or {}
            if not wanted:
                break
            wait = BACKOFF.wait(attempt)
            if until is not None and time.monotonic() + wait >= until:
                raise DeadlineExceeded("DynamoDB left a part of the batch unprocessed until the deadline")
            if time.monotonic() + wait >= limit:
                raise Throttled("DynamoDB left a part of the batch unprocessed, on every attempt")
            sleep(wait)
            attempt += 1
        return answers

    def _call(
        self, request: Request, until: float | None, conflicts: Repetitions | None = None
    ) -> dict[str, Any]:
        try:
            return self.client.call(request, until, conflicts)
        except RequestFailed as failed:
            raise self.client.final(failed) from failed.error.__cause__
