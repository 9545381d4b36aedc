"""The functions of the bank: transfers are atomic."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast
from uuid import UUID

import pytest

from examples.bank.demo import audit, find_errors, move_money, transfers

if TYPE_CHECKING:
    from blocks_cli.json_value import Json
    from blocks_cli.local import LocalDeployment
    from examples.bank.functions.accounts import AccountsResult
    from examples.bank.functions.transfer import TransferResult

NOBODY = str(UUID(int=0))


def look(bank: LocalDeployment) -> AccountsResult:
    return cast("AccountsResult", bank.invoke("Accounts", {"limit": 2}).payload)


def test_a_transfer_answers_the_payers_balance(bank: LocalDeployment) -> None:
    payer, payee = look(bank)["ids"]
    first = bank.invoke("Transfer", {"payer_id": payer, "payee_id": payee, "amount": 5})
    second = bank.invoke("Transfer", {"payer_id": payer, "payee_id": payee, "amount": 7})
    made = [cast("TransferResult", result.payload) for result in (first, second)]
    assert made[0]["payer_balance"] - made[1]["payer_balance"] == 7
    assert [transfer["attempts"] for transfer in made] == [1, 1]
    assert all(transfer["transaction_time"] > 0 for transfer in made)
    assert look(bank)["balance"] == 10_000_000


@dataclass(frozen=True)
class Refusal:
    """A transfer that must be refused; None stands for an account of the bank."""

    id: str
    payer: str | None
    payee: str | None
    amount: int
    says: str


REFUSALS = [
    Refusal("payer missing", NOBODY, None, 10, f"payer {NOBODY} has no account"),
    Refusal("payee missing, found after the payer was debited", None, NOBODY, 10, f"payee {NOBODY} has no"),
    Refusal("balance would go negative", None, None, 10**9, f"{10**9} are needed; send less"),
    Refusal("nothing to send", None, None, 0, "send more than nothing"),
    Refusal("no account number", "0815", None, 10, "'0815' is no account number; give a UUID"),
    Refusal("payer is payee", NOBODY, NOBODY, 10, "name two accounts"),
]


@pytest.mark.parametrize("case", REFUSALS, ids=[case.id for case in REFUSALS])
def test_a_refused_transfer_changes_nothing(bank: LocalDeployment, case: Refusal) -> None:
    before = look(bank)
    own_payer, own_payee = before["ids"]
    event: Json = {
        "payer_id": case.payer or own_payer,
        "payee_id": case.payee or own_payee,
        "amount": case.amount,
    }
    result = bank.invoke("Transfer", event)
    assert result.error_type == "TransferRefused"
    assert case.says in str(result.error_message)
    assert look(bank) == before


def test_the_sum_survives_concurrent_transfers(bank: LocalDeployment) -> None:
    before = audit(bank)
    tally = move_money(bank, transfers(before.ids[:3], 40, random.Random(7)))
    assert find_errors(before, audit(bank), tally) == []
    assert tally.made + tally.refused == 40
