"""The demo: synthesize the bank, deploy it locally, run concurrent transfers, audit the accounts.

Run it with `make demo`; an argument is the folder to deploy into, by default the project. Exit status 0 means that
every transfer was made or refused by the bank's rules, that the sum of all balances is unchanged, and that no account
is overdrawn; otherwise it is 1.
"""

from __future__ import annotations

import random
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

import psycopg

from blocks_cli.errors import CommandError
from blocks_cli.local import LocalDeployment, Report
from blocks_cli.synth import synthesize

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from blocks_cli.json_value import Json
    from blocks_cli.local import Change, InvocationResult
    from examples.bank.functions.accounts import AccountsResult
    from examples.bank.functions.transfer import TransferEvent, TransferResult

ROOT = Path(__file__).parents[2]
REGION = "us-east-1"
TRANSFERS = 200
INVOKERS = 8
HOT_ACCOUNTS = 10
PROGRESS = 50


@dataclass(frozen=True)
class Totals:
    """Totals of all accounts, from one query."""

    accounts: int
    balance: int
    overdrawn: int
    ids: tuple[str, ...]


@dataclass(frozen=True)
class Tally:
    """Results of a batch of transfers."""

    made: int
    refused: int
    attempts: int
    failures: tuple[str, ...]

    @property
    def conflicts(self) -> int:
        """Number of retries: attempts whose COMMIT failed with a conflict."""
        return self.attempts - self.made


class Progress(Report):
    """Prints the resource of the current step."""

    def started(self, stack: str, change: Change) -> None:
        step(f"  {change.action.value} {change.path}")


def step(text: str) -> None:
    """Print a step on stderr; stdout has only the result."""
    print(f"demo: {text}", file=sys.stderr, flush=True)


def journal(deployment: LocalDeployment) -> list[str]:
    """Return the applied migrations, read as admin."""
    with psycopg.connect(deployment.clusters[0].dsn()) as connection:
        return [str(name) for (name,) in connection.execute("SELECT name FROM _migrations ORDER BY version")]


def audit(deployment: LocalDeployment) -> Totals:
    """Invoke the read-only function for the totals and the hot accounts."""
    result = deployment.invoke("Accounts", {"limit": HOT_ACCOUNTS})
    if result.failed:
        raise SystemExit(f"demo: the audit failed: {result.error_message}")
    seen = cast("AccountsResult", result.payload)
    return Totals(seen["accounts"], seen["balance"], seen["overdrawn"], tuple(seen["ids"]))


def transfers(ids: Sequence[str], count: int, dice: random.Random) -> Iterable[TransferEvent]:
    """Yield transfers of 1 to 500 cents between two different accounts of `ids`."""
    for _ in range(count):
        payer, payee = dice.sample(ids, 2)
        yield {"payer_id": payer, "payee_id": payee, "amount": dice.randint(1, 500)}


def move_money(deployment: LocalDeployment, events: Iterable[TransferEvent]) -> Tally:
    """Invoke the transfer function for every event, `INVOKERS` at a time."""

    def invoke(event: TransferEvent) -> InvocationResult:
        return deployment.invoke("Transfer", cast("Json", event))

    results: list[InvocationResult] = []
    with ThreadPoolExecutor(INVOKERS) as pool:
        for result in pool.map(invoke, events):
            results.append(result)
            if len(results) % PROGRESS == 0:
                step(f"  {len(results)} done")
    made = [cast("TransferResult", result.payload) for result in results if not result.failed]
    refused = [result for result in results if result.error_type == "TransferRefused"]
    failed = [result for result in results if result.failed and result not in refused]
    return Tally(
        made=len(made),
        refused=len(refused),
        attempts=sum(payload["attempts"] for payload in made),
        failures=tuple(f"{result.error_type}: {result.error_message}" for result in failed),
    )


def table(rows: Iterable[tuple[str, object]]) -> str:
    """Return a table of labels and values, with right-aligned numbers."""
    cells = [(label, f"{value:,}" if isinstance(value, int) else str(value)) for label, value in rows]
    left = max(len(label) for label, _ in cells)
    right = max(len(value) for _, value in cells)
    return "\n".join(f"  {label:<{left}}  {value:>{right}}" for label, value in cells)


def find_errors(before: Totals, after: Totals, tally: Tally) -> list[str]:
    """Return descriptions of all errors, empty if there are none."""
    errors = []
    if tally.failures:
        errors.append(f"{len(tally.failures)} transfers failed, the first with {tally.failures[0]}")
    if after.balance != before.balance:
        errors.append(f"the sum of balances changed by {after.balance - before.balance} cents")
    if after.overdrawn:
        errors.append(f"{after.overdrawn} accounts are overdrawn")
    return errors


def main(folder: Path) -> int:
    started = time.monotonic()
    step("synthesize the app")
    assembly = synthesize(ROOT, folder / ".blocks" / "demo.out", REGION)
    step("deploy it locally")
    with LocalDeployment.deploy(assembly, folder, region=REGION, report=Progress()) as deployment:
        before = audit(deployment)
        step(f"{TRANSFERS} transfers, {INVOKERS} at a time, among {HOT_ACCOUNTS} hot accounts")
        tally = move_money(deployment, transfers(before.ids, TRANSFERS, random.Random()))  # noqa: S311
        after = audit(deployment)
        migrations = journal(deployment)
    rows: list[tuple[str, object]] = [
        ("migrations applied", len(migrations)),
        ("accounts", after.accounts),
        ("transfers made", tally.made),
        ("transfers refused", tally.refused),
        ("transactions attempted", tally.attempts),
        ("OCC conflicts met and retried", tally.conflicts),
        ("sum of balances before, in cents", before.balance),
        ("sum of balances after, in cents", after.balance),
        ("accounts overdrawn", after.overdrawn),
    ]
    print(table(rows))
    errors = find_errors(before, after, tally)
    for error in errors:
        print(f"demo: WRONG: {error}", file=sys.stderr)
    step(
        f"{'the books do not balance' if errors else 'the books balance'}, {time.monotonic() - started:.0f} s"
    )
    return 1 if errors else 0


if __name__ == "__main__":
    try:
        sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT))
    except KeyboardInterrupt:
        step("interrupted; committed transfers are kept, run it again")
        sys.exit(130)
    except CommandError as error:
        step(str(error))
        sys.exit(int(error.code))
