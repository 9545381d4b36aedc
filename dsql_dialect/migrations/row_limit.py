"""Find transactions whose INSERT statements of VALUES always exceed the limit of DSQL on changed rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dsql_dialect.transaction_rules import BOUNDARIES

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from dsql_dialect.statement import Statement


def of_migration(
    statements: Sequence[Statement], batches: Collection[Statement]
) -> Iterator[list[Statement]]:
    """Yield the statements of a migration in groups, each of which the migrator runs in one transaction.

    Adjacent statements that change rows are one group, which may be empty. Any other statement is a group of its own:
    one that changes no rows, and one of `batches`, which the migrator runs in several transactions.
    """
    alone = {id(each) for each in batches}
    adjacent: list[Statement] = []
    for statement in statements:
        if statement.is_dml and id(statement) not in alone:
            adjacent.append(statement)
            continue
        yield adjacent
        yield [statement]
        adjacent = []
    yield adjacent


def of_client(statements: Iterable[Statement]) -> Iterator[list[Statement]]:
    """Yield the transactions of statements that a client sends one by one: blocks, and statements outside of them."""
    block: list[Statement] | None = None
    for statement in statements:
        if statement.transaction in BOUNDARIES:
            yield block or []
            block = [] if statement.transaction == "BEGIN" else None
        elif block is None:
            yield [statement]
        else:
            block.append(statement)
    yield block or []


def exceeding(transaction: Iterable[Statement], most: int) -> Statement | None:
    """Return the first statement with which a transaction has more rows than `most`, or None."""
    rows = 0
    for statement in transaction:
        rows += statement.rows_inserted
        if rows > most:
            return statement
    return None
