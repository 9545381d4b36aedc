"""The main job, end to end: synthesize the bank, deploy it locally, move money concurrently, audit the books.

Run it with `make demo`; an argument names the folder to deploy into, by default the project's own. Exit
status 0 means that every transfer was made, or refused for a reason of the bank's own, that the sum of all
balances is what it was before, and that no account is overdrawn; 1 means that one of these is not so.
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
class Books:
    """What an auditor sees at one moment."""

    accounts: int
    balance: int
    overdrawn: int
    ids: tuple[str, ...]


@dataclass(frozen=True)
class Tally:
    """What came of a batch of transfers."""

    made: int
    refused: int
    attempts: int
    failures: tuple[str, ...]

    @property
    def conflicts(self) -> int:
        """Attempts beyond the first of each transfer: DSQL refused their COMMIT, and they ran again."""
        return self.attempts - self.made


class Progress(Report):
    """Says which resource is worked on, so that no long step is silent."""

    def started(self, stack: str, change: Change) -> None:
        step(f"  {change.action.value} {change.path}")


def step(text: str) -> None:
    """Say on stderr what happens now, so that stdout holds the result alone."""
    print(f"demo: {text}", file=sys.stderr, flush=True)


def journal(deployment: LocalDeployment) -> list[str]:
    """Return the migrations the database has, as its administrator sees them."""
    with psycopg.connect(deployment.clusters[0].dsn()) as connection:
        return [str(name) for (name,) in connection.execute("SELECT name FROM _migrations ORDER BY version")]


def audit(deployment: LocalDeployment) -> Books:
    """Ask the read-only function for the totals and the hot accounts."""
    result = deployment.invoke("Accounts", {"limit": HOT_ACCOUNTS})
    if result.failed:
        raise SystemExit(f"demo: the audit failed: {result.error_message}")
    seen = cast("AccountsResult", result.payload)
    return Books(seen["accounts"], seen["balance"], seen["overdrawn"], tuple(seen["ids"]))


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
    """Lay out label and value, numbers flush right and grouped by thousands."""
    cells = [(label, f"{value:,}" if isinstance(value, int) else str(value)) for label, value in rows]
    left = max(len(label) for label, _ in cells)
    right = max(len(value) for _, value in cells)
    return "\n".join(f"  {label:<{left}}  {value:>{right}}" for label, value in cells)


def verdict(before: Books, after: Books, tally: Tally) -> list[str]:
    """Return everything that is wrong; nothing, if the bank can open tomorrow."""
    faults = []
    if tally.failures:
        faults.append(f"{len(tally.failures)} transfers failed, the first with {tally.failures[0]}")
    if after.balance != before.balance:
        faults.append(f"the sum of balances changed by {after.balance - before.balance} cents")
    if after.overdrawn:
        faults.append(f"{after.overdrawn} accounts are overdrawn")
    return faults


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
    faults = verdict(before, after, tally)
    for fault in faults:
        print(f"demo: WRONG: {fault}", file=sys.stderr)
    step(
        f"{'the books do not balance' if faults else 'the books balance'}, {time.monotonic() - started:.0f} s"
    )
    return 1 if faults else 0


if __name__ == "__main__":
    try:
        sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT))
    except KeyboardInterrupt:
        step("interrupted; what was committed stays, run it again to go on")
        sys.exit(130)
    except CommandError as error:
        step(str(error))
        sys.exit(int(error.code))
