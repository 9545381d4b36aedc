"""Marks of loaded chunks in the database, for tables whose rows no key identifies.

A chunk of such a table and its mark are one transaction. So after a lost reply or a kill the mark says whether the rows
are there, and no row is loaded twice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from blocks_cli.bulk.ranges import Ranges
from blocks_runtime import sql
from blocks_runtime.limits import ROWS_PER_TRANSACTION
from lambda_migrator.admin import OutcomeUnknown

if TYPE_CHECKING:
    from blocks_runtime import Sql
    from lambda_migrator.admin import AdminConnection

_CREATE = sql(
    "CREATE TABLE IF NOT EXISTS public._loads ("
    "load uuid, file integer, first bigint, last bigint NOT NULL, PRIMARY KEY (load, file, first))"
)

_EXISTING = sql(
    "SELECT 1 AS one FROM pg_catalog.pg_tables WHERE schemaname = 'public' AND tablename = '_loads'"
)


def create(admin: AdminConnection) -> None:
    """Create the table of marks if it is missing."""
    if admin.read(_EXISTING):
        return
    unanswered = 0
    while True:
        try:
            admin.ddl(_CREATE)
        except OutcomeUnknown:
            unanswered += 1
            admin.back_off(unanswered)
        else:
            return


def insert(load: str, file: int, first: int, last: int) -> Sql:
    """Return the INSERT of a mark; it inserts nothing if the first record has one."""
    return sql(
        "INSERT INTO public._loads (load, file, first, last) VALUES ({load}, {file}, {first}, {last}) "
        "ON CONFLICT (load, file, first) DO NOTHING",
        load=load,
        file=file,
        first=first,
        last=last,
    )


def marked(admin: AdminConnection, load: str, file: int) -> Ranges:
    """Return the records of a file that are in the table."""
    rows = admin.read(
        sql(
            "SELECT first, last FROM public._loads WHERE load = {load} AND file = {file}",
            load=load,
            file=file,
        )
    )
    return Ranges((row["first"], row["last"]) for row in rows)


def rows(admin: AdminConnection, load: str) -> int:
    """Return the number of records of a load that have marks."""
    if not admin.read(_EXISTING):
        return 0
    counted = sql(
        "SELECT coalesce(sum(last - first + 1), 0) AS n FROM public._loads WHERE load = {load}", load=load
    )
    (found,) = admin.read(counted)
    return int(str(found["n"]))


def remove(admin: AdminConnection, load: str) -> None:
    """Delete the marks of a load that is complete, or begins anew."""
    if not admin.read(_EXISTING):
        return
    some = sql(
        "DELETE FROM public._loads WHERE (load, file, first) IN "
        "(SELECT load, file, first FROM public._loads WHERE load = {load} LIMIT {rows})",
        load=load,
        rows=ROWS_PER_TRANSACTION,
    )
    while admin.change(some):
        pass
