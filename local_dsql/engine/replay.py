"""Replay the statements of a transaction whose effect no row shows: settings, and changes of the catalog."""

from __future__ import annotations

from typing import TYPE_CHECKING

from local_dsql.engine.commands import first_error
from local_dsql.engine.hidden_settings import FORGET
from local_dsql.engine.requests import Request
from local_dsql.engine.unblock import ask_unblocked, run_unblocked

if TYPE_CHECKING:
    from local_dsql.engine.session import HeldSession
    from local_dsql.engine.transaction import Transaction


def sets_only_parameters(transaction: Transaction) -> bool:
    """Return whether there are statements to replay, and these can run before rows are written.

    Then domains and indexes find the parameters that the transaction has set last.
    """
    return _is_any(transaction) and not transaction.rules.ddl


def _is_any(transaction: Transaction) -> bool:
    return bool(transaction.replay or transaction.settings)


async def replay(held: HeldSession) -> bool:
    """Run the statements in order; return whether all succeeded. Settings always do."""
    transaction = held.transaction
    for each in (*transaction.replay, FORGET, *transaction.settings) if _is_any(transaction) else ():
        if isinstance(each, Request):
            (answer,) = await ask_unblocked(held, each.repetition)
            if answer.error is not None:
                return False
        elif first_error(await run_unblocked(held, [each])) is not None:
            return False
    return True
