"""Isolation on three targets, as one table: `make isolation`, or `make isolation DSN=…` with a database of yours.

The scripts of the anomalies, the list-append workload with its checker, the bank with failing clients, and long fork.
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

import psycopg

from tests.isolation import bank, list_append
from tests.isolation.checker import check
from tests.proof import anomalies, long_fork, targets
from tests.proof.figures import Figure, publish

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from tests.proof.targets import Target

SEED = 20
BANK_TABLES = ("entry", "account")


def appends(target: Target, transactions: int) -> Figure:
    """Run the list-append workload; `wrong` counts violations of strong snapshot isolation, `lost` lost appends."""
    figure = Figure("list-append, checked", target.name)
    found = list_append.run(
        target, transactions, SEED, lone_loses=not target.optimistic, locks=not target.optimistic
    )
    verdict = check(found.history)
    with psycopg.connect(target.dsn(), autocommit=True) as admin:
        for table in list_append.TABLES:
            admin.execute(f"DROP TABLE {table}".encode())
    figure.transactions = len(found.history)
    figure.conflicts = sum(each.outcome == "fail" for each in found.history)
    figure.lost = sum(each.kind == "lost append" for each in verdict.violations)
    figure.wrong = len(verdict.violations) - figure.lost
    figure.note = f"{verdict.edges:,} dependencies, {verdict.write_skews:,} write skews"
    return figure.finish()


def transfers(target: Target, seconds: float) -> Figure:
    """Run the bank with failing clients; `lost` counts committed transfers that are missing."""
    figure = Figure("bank with failing clients", target.name)
    with psycopg.connect(target.dsn(), autocommit=True) as admin:
        for table in BANK_TABLES:
            admin.execute(f"DROP TABLE IF EXISTS {table}".encode())
        records = bank.run(target, seconds, SEED)
        books = bank.compare(admin, records)
        for table in BANK_TABLES:
            admin.execute(f"DROP TABLE {table}".encode())
    outcomes = (records.committed, records.failed, records.unknown)
    figure.transactions = sum(map(len, outcomes))
    figure.conflicts = records.seen["40001"] + records.seen["40P01"]
    figure.lost, figure.wrong = books.lost, len(books.wrong)
    cuts = records.seen["hang_up"] + records.seen["cut_in_statement"] + records.seen["cut_in_commit"]
    figure.note = f"{cuts:,} connections cut, {len(records.unknown):,} without an answer to COMMIT"
    if books.wrong:
        figure.note += f"; {books.wrong[0]}"
    return figure.finish()


def prove(target: Target, seconds: float, transactions: int) -> Iterator[Figure]:
    """Yield the figures of a target."""
    yield from anomalies.every(target)
    yield long_fork.run(target, seconds)
    yield appends(target, transactions)
    yield transfers(target, seconds)


def main(arguments: list[str]) -> int:
    """Prove every target and publish the table."""
    options = argparse.ArgumentParser(prog="make isolation", description=__doc__)
    options.add_argument(
        "--dsn", help="a third target; tables named proof_*, keyed, account … are replaced in it"
    )
    options.add_argument("--seconds", type=float, default=10, help="of each workload with a duration")
    options.add_argument("--transactions", type=int, default=3_000, help="of the list-append workload")
    given = options.parse_args(arguments)
    chosen: list[AbstractContextManager[Target]] = [targets.local(), targets.plain()]
    if given.dsn:
        chosen.append(targets.given(given.dsn))
    figures = []
    for each in chosen:
        with each as target:
            for figure in prove(target, given.seconds, given.transactions):
                print(
                    f"  {figure.case}, {figure.target}: {figure.seconds:.1f} s", file=sys.stderr, flush=True
                )
                figures.append(figure)
    return publish("isolation", figures)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
