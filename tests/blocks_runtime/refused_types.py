"""Calls that type checkers refuse: never run. An unneeded ignore would be an error, for mypy and for pyright."""

from __future__ import annotations

from blocks_runtime import AsyncDistributedDatabase, DistributedDatabase, Transaction, sql


def plain_text(db: DistributedDatabase, user: str) -> None:
    db.query("SELECT 1")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
    # mypy takes LiteralString for str; pyright sees that this was put together at run time.
    sql(f"SELECT * FROM accounts WHERE owner = '{user}'")  # pyright: ignore[reportArgumentType]
    sql.join(user, [1, 2])  # pyright: ignore[reportArgumentType]


def rows(db: DistributedDatabase) -> int:
    row = db.query_one(sql("SELECT 1 AS one"))
    return len(row)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def transactions(db: DistributedDatabase, other: AsyncDistributedDatabase) -> None:
    @db.transactional()
    def pay(tx: Transaction, payer: int) -> None: ...

    pay("ann")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]

    async def transfer(tx: Transaction) -> None: ...

    other.transaction(transfer)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
