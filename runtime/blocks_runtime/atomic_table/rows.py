"""SQL of a table that keeps items in a `DistributedDatabase`, and records from its rows.

Deleting in an atomic write leaves a row that has expired, so that its version is not forgotten; `purge` deletes it
later. An item that must be absent becomes such a row, too: Aurora DSQL finds conflicts between rows that two
transactions write, and there is no row otherwise.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ..database.fragments import Sql, sql
from .items import ABSENT, Record, live, next_version
from .keys import Key
from .values import decode_number, encode, exact_sum
from .writes import Add, Check, Delete, Put

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ..database.results import Row
    from .writes import Write

_GONE = 0
"""Expiry of a row that stands for a deleted or absent item."""

_NOTHING = {"NULL": True}

_WRITE_ID = "write_id"


def schema(table: str) -> str:
    """Return the statement that creates the table of items, for a migration."""
    name = sql.identifier(table).text
    return (
        f"CREATE TABLE {name} (\n"
        "    pk text NOT NULL,\n"
        "    sk text NOT NULL,\n"
        "    data text NOT NULL,\n"
        "    version bigint NOT NULL,\n"
        "    expires_at bigint,\n"
        "    PRIMARY KEY (pk, sk)\n"
        ");\n"
    )


def storable(keys: Iterable[Key]) -> None:
    """Check that PostgreSQL stores keys.

    Raises:
        ValueError: one has the character U+0000, which PostgreSQL's text does not have.
    """
    for key in keys:
        if "\0" in key.pk or "\0" in key.sk:
            raise ValueError("a key has the character U+0000, which PostgreSQL does not store; leave it out")


def select(table: str, keys: Sequence[Key]) -> Sql:
    """Return the query for the rows of keys."""
    return sql(
        "SELECT pk, sk, data, version, expires_at FROM {t:i} WHERE (pk, sk) IN ({keys})",
        t=table,
        keys=_pairs(keys),
    )


def lock(table: str, key: Key) -> Sql:
    """Return the query that makes a row a part of the conflicts of the transaction, without changing it."""
    return sql(
        "SELECT version FROM {t:i} WHERE pk = {pk} AND sk = {sk} FOR UPDATE", t=table, pk=key.pk, sk=key.sk
    )


def upsert(table: str, records: Sequence[Record], write_id: str, *, unless_newer: bool = False) -> Sql:
    """Return the statement that writes records, over existing rows or not; perhaps over older ones only.

    The identity of the write is stored beside the value in `data`.
    """
    rows = [
        sql(
            "({pk}, {sk}, {data}, {version}, {expires_at})",
            pk=each.key.pk,
            sk=each.key.sk,
            data=json.dumps({**each.data, _WRITE_ID: write_id}, separators=(",", ":")),
            version=each.version,
            expires_at=each.expires_at,
        )
        for each in records
    ]
    return sql(
        "INSERT INTO {t:i} (pk, sk, data, version, expires_at) VALUES {rows} ON CONFLICT (pk, sk) DO UPDATE "
        "SET data = excluded.data, version = excluded.version, expires_at = excluded.expires_at {where}",
        t=table,
        rows=sql.join(", ", rows),
        where=sql("WHERE {t:i}.version < excluded.version", t=table) if unless_newer else sql(""),
    )


def delete(table: str, keys: Sequence[Key], *, before: int | None = None) -> Sql:
    """Return the statement that deletes the rows of keys, perhaps only those with a version below `before`."""
    return sql(
        "DELETE FROM {t:i} WHERE (pk, sk) IN ({keys}) {older}",
        t=table,
        keys=_pairs(keys),
        older=sql("") if before is None else sql("AND version < {before}", before=before),
    )


def delete_expired(table: str, now: int, limit: int) -> Sql:
    """Return the statement that deletes some rows that have expired."""
    return sql(
        "DELETE FROM {t:i} WHERE (pk, sk) IN (SELECT pk, sk FROM {t:i} WHERE expires_at <= {now} LIMIT {limit})",
        t=table,
        now=now,
        limit=limit,
    )


def select_page(table: str, pk: str, prefix: str, *, reverse: bool, limit: int, after: str | None) -> Sql:
    """Return the query for some rows of a partition in order."""
    parts = [sql("SELECT pk, sk, data, version, expires_at FROM {t:i} WHERE pk = {pk}", t=table, pk=pk)]
    if prefix:
        parts.append(sql("AND sk >= {prefix} AND starts_with(sk, {prefix})", prefix=prefix))
    if after is not None:
        parts.append(
            sql("AND sk < {after}", after=after) if reverse else sql("AND sk > {after}", after=after)
        )
    parts.append(sql("ORDER BY sk DESC") if reverse else sql("ORDER BY sk"))
    parts.append(sql("LIMIT {limit}", limit=limit))
    return sql.join(" ", parts)


def record_of(row: Row) -> Record:
    """Return the record of a row."""
    data = json.loads(row["data"])
    write_id = data.pop(_WRITE_ID, None)
    return Record(Key(row["pk"], row["sk"]), data, row["version"], row["expires_at"], write_id)


def new_versions(writes: Sequence[Write]) -> dict[Key, int]:
    """Return the version that each written row gets, chosen once for all repetitions."""
    return {
        write.key: write.record.version
        if isinstance(write, Put)
        else next_version(getattr(write, "expects", 0) or 0)
        for write in writes
        if not isinstance(write, Check) or write.expects == ABSENT
    }


def failed(writes: Sequence[Write], found: Mapping[Key, Record], now: float) -> list[Key]:
    """Return the keys of the conditions that do not hold."""
    return [write.key for write in writes if not _holds(write, found.get(write.key), now)]


def records_after(
    writes: Sequence[Write], found: Mapping[Key, Record], versions: Mapping[Key, int], now: float
) -> list[Record]:
    """Return the records to write."""
    return [
        _after(write, live(found.get(write.key), now), versions[write.key])
        for write in writes
        if write.key in versions
    ]


def _after(write: Write, current: Record | None, version: int) -> Record:
    if isinstance(write, Put):
        return write.record
    if isinstance(write, (Delete, Check)):
        return Record(write.key, _NOTHING, version, _GONE)
    return Record(write.key, _sum(write, current), version, None if current is None else current.expires_at)


def _sum(write: Add, current: Record | None) -> dict[str, object]:
    before = 0 if current is None else decode_number(current.data["N"])
    return encode(exact_sum([before, write.amount]), "the sum")


def _holds(write: Write, current: Record | None, now: float) -> bool:
    if isinstance(write, Add) or write.expects is None:
        return True
    if write.expects == ABSENT:
        return live(current, now) is None
    return current is not None and current.version == write.expects


def _pairs(keys: Sequence[Key]) -> Sql:
    return sql.join(", ", [sql("({pk}, {sk})", pk=key.pk, sk=key.sk) for key in keys])
