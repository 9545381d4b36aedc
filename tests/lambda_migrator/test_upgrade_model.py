"""Random upgrades from the release with `Grants`, rolled back and repeated, against the rules.

The stack Data has the database, and functions of its own; the functions of Shop have their roles in Data, and Shop is
deployed later. Before the upgrade Data lists the grants of both. A deploy may fail at any step, and end without a
rollback or in both known kinds of rollback, with the function's code put back first or last. Requests are delivered
again, and later, while the function has the new code.
"""

from __future__ import annotations

import random
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from blocks_runtime.contract import Access, database_role
from lambda_migrator import ledger, upgrade
from lambda_migrator.grants import Grant
from lambda_migrator.ledger import GrantRequest
from tests.lambda_migrator.ledger_model import LockedOut, facts_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lambda_migrator.ledger import Change, Ledger, Row, Rule
    from tests.lambda_migrator.ledger_model import Fact

FEW, MANY = 500, 20_000
OLD_ID = "main/migrations"
ADOPTING = "Migrations"


@dataclass(frozen=True)
class App:
    """The app at one time: the grant of each function, by stack and name."""

    has_ledger: bool
    functions: Mapping[tuple[str, str], Grant]

    def grants(self, *stacks: str) -> tuple[Grant, ...]:
        """Return the grants of the functions of stacks."""
        return tuple(grant for owner, grant in self.functions.items() if owner[0] in stacks)


@dataclass
class Stack:
    """A stack: its app, and the ids of its resources by logical id."""

    app: App
    ids: dict[str, str] = field(default_factory=dict)


class Failed(Exception):
    """A step of a deploy failed."""


class Upgrades:
    """One history. `adopt` is the rule for the adoption."""

    def __init__(
        self, seed: int, adopt: Callable[..., Change] = upgrade.adopt, *, dated: bool = True
    ) -> None:
        self._random = random.Random(seed)
        self._adopt = adopt
        self._clock = 1_000_000_000
        self._dated = dated
        self._rows: dict[str, Row] = {}
        self._database: set[Fact] = set()
        self._has_new_code = False
        self._past: list[tuple[str, Rule, GrantRequest]] = []
        self._serving: dict[tuple[str, str], Grant] = {}
        self._trail: list[str] = []
        self._by_update = self._chance(0.5)
        self._code_first = self._chance(0.5)

    def run(self) -> None:
        """Deploy the old release, then upgrade until that ends well, and deploy a little more."""
        app = App(False, self._functions({}))
        stacks = {"Data": Stack(app, {ADOPTING: OLD_ID}), "Shop": Stack(app)}
        self._old_release(app)
        self._serving = dict(app.functions)
        for _ in range(self._random.randint(2, 8)):
            current = stacks["Data"].app
            wanted = App(True, self._functions(current.functions))
            if not current.has_ledger:
                wanted = App(True, {**self._of(wanted, "Data"), **self._kept(current)})
            if self._deploy("Data", stacks["Data"], wanted) and self._chance(0.7):
                self._deploy("Shop", stacks["Shop"], wanted)

    def _chance(self, probability: float) -> bool:
        return self._random.random() < probability

    def _functions(self, before: Mapping[tuple[str, str], Grant]) -> dict[tuple[str, str], Grant]:
        """Return functions with grants, most as before; each has an IAM role of its own."""
        found = {}
        for owner in [("Data", "A"), ("Data", "B"), ("Shop", "C"), ("Shop", "D")]:
            if owner in before and self._chance(0.7):
                found[owner] = before[owner]
            elif self._chance(0.75):
                access = self._random.choice(list(Access))
                arn = f"arn:aws:iam::1:role/{owner[1]}{self._random.randint(1, 2)}"
                found[owner] = Grant(database_role("main", access), access, arn)
        return found

    def _kept(self, app: App) -> dict[tuple[str, str], Grant]:
        """Return the functions of Shop with their IAM roles; the access may change.

        The upgrade cannot keep the mapping of one that leaves the app, or gets another role, in the same deploy.
        """
        found = {}
        for owner, grant in self._of(app, "Shop").items():
            access = grant.access if self._chance(0.7) else self._random.choice(list(Access))
            assert isinstance(access, Access)
            found[owner] = Grant(database_role("main", access), access, grant.arn)
        return found

    def _of(self, app: App, stack: str) -> dict[tuple[str, str], Grant]:
        return {owner: grant for owner, grant in app.functions.items() if owner[0] == stack}

    def _in_service(self, stack: str) -> dict[tuple[str, str], Grant]:
        return {owner: grant for owner, grant in self._serving.items() if owner[0] == stack}

    def _old_release(self, app: App) -> None:
        """Do what the old function does: the mappings are exactly those of the list."""
        self._database = facts_of(app.grants("Data", "Shop"))
        self._note("old release", sorted(self._database))

    def _deploy(self, name: str, stack: Stack, wanted: App) -> bool:
        """Deploy a stack; return whether that ended well."""
        before, ids, serving, code = stack.app, dict(stack.ids), self._in_service(name), self._has_new_code
        made: list[tuple[str, str]] = []
        try:
            if name == "Data":
                self._migrations(stack, wanted, made)
            for owner in sorted(wanted.functions):
                if owner[0] == name:
                    self._grant(stack, owner, before, wanted, made)
                    self._fail(0.06)
                    self._serving[owner] = wanted.functions[owner]
                    self._check()
            self._fail(0.1)
        except Failed:
            self._roll_back(name, stack, ids, serving, made, code)
            return False
        for owner in self._in_service(name):
            if owner not in wanted.functions:
                del self._serving[owner]
        stack.app = wanted
        gone = {logical: id for logical, id in ids.items() if stack.ids.get(logical) != id}
        gone |= {
            logical: id
            for logical, id in stack.ids.items()
            if logical != ADOPTING and (name, logical) not in wanted.functions
        }
        for logical in [each for each in stack.ids if each in gone and stack.ids[each] == gone[each]]:
            del stack.ids[logical]
        for logical, id in gone.items():
            self._delete(name, logical, id)
        return True

    def _migrations(self, stack: Stack, wanted: App, made: list[tuple[str, str]]) -> None:
        """Update the migrations, if anything about them changes."""
        id, old = stack.ids[ADOPTING], stack.app
        self._has_new_code = True
        self._fail(0.05)
        elsewhere = {(grant.role, grant.arn) for grant in wanted.grants("Shop")}
        adopts = not old.has_ledger
        request = self._request("Data", ADOPTING, id, old.grants("Data", "Shop") if adopts else ())

        def rule(rows: Ledger) -> Change:
            decide = self._adopt if adopts else upgrade.list_elsewhere
            return decide(rows, request, elsewhere)

        answer = self._send("Update", rule, request)
        if answer != id:
            made.append((ADOPTING, answer))
        self._fail(0.05)
        stack.ids[ADOPTING] = answer

    def _grant(
        self, stack: Stack, owner: tuple[str, str], before: App, wanted: App, made: list[tuple[str, str]]
    ) -> None:
        id, grant = stack.ids.get(owner[1]), wanted.functions[owner]
        if id is not None and before.functions.get(owner) == grant:
            return
        request = self._request(owner[0], owner[1], id, (grant,))
        answer = self._send("Update" if id else "Create", lambda rows: ledger.grant(rows, request), request)
        stack.ids[owner[1]] = answer
        if answer != id:
            made.append((owner[1], answer))

    def _roll_back(
        self,
        name: str,
        stack: Stack,
        ids: dict[str, str],
        serving: dict[tuple[str, str], Grant],
        made: list[tuple[str, str]],
        code: bool,
    ) -> None:
        """Put resources and functions back in a random order, then delete what was made."""
        if self._code_first:
            self._has_new_code = code
        adopted = dict(made).get(ADOPTING)
        if adopted is not None and self._by_update and self._has_new_code:
            self._update_back(stack, adopted)
        for owner in [*self._in_service(name)]:
            if owner in serving:
                self._serving[owner] = serving[owner]
            else:
                del self._serving[owner]
            self._check()
        if adopted is not None and self._by_update and not self._has_new_code:
            self._old_release(stack.app)  # it revokes at once, so it is assumed to come after the functions
        self._has_new_code = code
        for logical, id in made:
            if ids.get(logical) != id:
                self._delete(name, logical, id)
        stack.ids = ids

    def _update_back(self, stack: Stack, adopted: str) -> None:
        """Update with the old properties, before the function has its old code."""
        request = self._request("Data", ADOPTING, adopted, stack.app.grants("Data", "Shop"))
        self._send("Update", lambda rows: upgrade.grant_old(rows, request), request)

    def _delete(self, stack: str, logical: str, id: str) -> None:
        if not self._has_new_code or self._chance(0.05):
            return  # the old function deletes nothing; CloudFormation may give up
        request = self._request(stack, logical, id)

        def rule(rows: Ledger) -> Change:
            if logical == ADOPTING:
                return upgrade.end_adopted(rows, request)
            return upgrade.end_claimed(rows, request, ledger.revoke(rows, request))

        self._send("Delete", rule, request)

    def _request(
        self, stack: str, logical: str, id: str | None, grants: tuple[Grant, ...] = ()
    ) -> GrantRequest:
        self._clock += self._random.randint(1, 20)
        name = str(uuid.UUID(int=self._random.getrandbits(128)))
        return GrantRequest("main", stack, logical, name, id, self._clock if self._dated else 0, grants)

    def _send(self, kind: str, rule: Rule, request: GrantRequest) -> str:
        self._past.append((kind, rule, request))
        answer = self._handle(kind, rule, request)
        while self._chance(0.15) and self._has_new_code:
            self._handle("again", *self._random.choice(self._past[-25:])[1:])
        if answer.cancelled:
            raise LockedOut("\n".join(["a request in order was refused", *self._trail[-14:]]))
        return answer.id

    def _handle(self, kind: str, rule: Rule, request: GrantRequest) -> Change:
        change = rule(self._rows)
        self._note(
            kind, request.stack, request.resource, request.physical_id, request.signed_at, "->", change.id
        )
        if not change.cancelled and not change.is_done:
            self._rows.update((row.id, row) for row in change.rows)
            wanted = facts_of(ledger.desired(self._rows, "main", change.finishes))
            ended = facts_of(ledger.unrevoked(self._rows, "main", change.finishes))
            self._database = wanted if change.revokes else (self._database - ended) | wanted
            self._rows.update((row.id, row) for row in ledger.settle(self._rows, "main", change))
        self._check()
        return change

    def _note(self, *what: object) -> None:
        self._trail.append(" ".join(map(str, what)))

    def _fail(self, probability: float) -> None:
        if self._chance(probability):
            raise Failed

    def _check(self) -> None:
        for owner, grant in self._serving.items():
            if not facts_of([grant]) <= self._database:
                raise LockedOut("\n".join([f"{owner} is locked out of {grant}", *self._trail[-16:]]))


def forgets_the_old_list(rows: Ledger, request: GrantRequest, elsewhere: set[tuple[str, str]]) -> Change:
    """Adopt only what stands elsewhere."""
    change = upgrade.adopt(rows, request, elsewhere)
    return ledger.Change(
        change.id, tuple(row for row in change.rows if row.id != upgrade.adopted_id(request)), revokes=True
    )


def ignores_later_stacks(rows: Ledger, request: GrantRequest, _: set[tuple[str, str]]) -> Change:
    """Let every adopted mapping end in the clean-up."""
    return upgrade.adopt(rows, request, ())


@pytest.mark.parametrize("dated", [True, False], ids=["dated", "without dates"])
def test_no_function_in_service_is_locked_out(dated: bool) -> None:
    for seed in range(FEW if dated else FEW // 4):
        Upgrades(seed, dated=dated).run()


@pytest.mark.slow
def test_no_function_in_service_is_locked_out_in_many_histories() -> None:
    for seed in range(FEW, MANY):
        Upgrades(seed, dated=seed % 4 > 0).run()


@pytest.mark.parametrize("rule", [forgets_the_old_list, ignores_later_stacks])
def test_a_fault_in_the_rules_is_found(rule: Callable[..., Change]) -> None:
    locked_out = 0
    for seed in range(FEW // 2):
        try:
            Upgrades(seed, rule).run()
        except LockedOut:
            locked_out += 1
    assert locked_out > 0
