"""Random histories of two stacks with grants, against the rules of the ledger or the migration function itself.

CloudFormation is modelled with everything that may happen to a request: a deploy that fails anywhere, `--no-rollback`,
both known kinds of rollback, requests cancelled before and after they were handled, deletes that CloudFormation gives
up, and every event delivered again, or for the first time, much later. After each step every function that is in
service must be able to log in with all privileges of its grant.
"""

from __future__ import annotations

import enum
import random
import uuid
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol, TypeAlias

from blocks_runtime.contract import Access, custom_role, database_role
from lambda_migrator import ledger
from lambda_migrator.grants import Grant, Rights
from lambda_migrator.ledger import GrantRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from lambda_migrator.ledger import Change, Ledger, Row

Owner: TypeAlias = tuple[str, str]
"""Stack and logical id of a resource."""

Fact: TypeAlias = tuple[str, ...]
"""A mapping (role, ARN), or a privilege of a custom role (role, table, privilege)."""

ARNS = [f"arn:aws:iam::123456789012:role/{name}" for name in "abc"]
CLERK = custom_role("main", "clerk")
RIGHTS: tuple[tuple[str, Rights], ...] = (
    (database_role("main", Access.READ_WRITE), Access.READ_WRITE),
    (database_role("main", Access.READ_ONLY), Access.READ_ONLY),
    (CLERK, {("public", "t"): ("SELECT",)}),
    (CLERK, {("public", "t"): ("INSERT", "UPDATE")}),
)


class Failure(enum.Enum):
    """End of a request."""

    NONE = "none"
    REFUSED = "refused"
    """DSQL refuses a statement of a new grant: the answer is FAILED."""
    KILLED = "killed"
    """The process is killed half way: there is no answer, and Lambda delivers the event again."""


@dataclass(frozen=True)
class Event:
    """One request of CloudFormation for a grant."""

    kind: str
    request: GrantRequest
    failure: Failure = Failure.NONE


class Function(Protocol):
    """The migration function."""

    def send(self, event: Event) -> tuple[str, bool] | None:
        """Handle an event; return the physical id of the answer and whether it is SUCCESS, or None without one."""
        ...

    def facts(self) -> set[Fact]:
        """Return the mappings and privileges that the database has."""
        ...


def facts_of(grants: Iterable[Grant]) -> set[Fact]:
    """Return what grants ask for."""
    facts: set[Fact] = set()
    for grant in grants:
        facts.add((grant.role, grant.arn))
        if not isinstance(grant.access, Access):
            facts.update(
                (grant.role, name[1], each) for name, given in grant.access.items() for each in given
            )
    return facts


@dataclass
class Rules:
    """The rules alone, with the ledger and the database in memory."""

    grant: Callable[[Ledger, GrantRequest], Change] = ledger.grant
    revoke: Callable[[Ledger, GrantRequest], Change] = ledger.revoke
    rows: dict[str, Row] = field(default_factory=dict)
    database: set[Fact] = field(default_factory=set)

    def send(self, event: Event) -> tuple[str, bool] | None:
        """Handle an event as `grant_resource` does."""
        rule = self.revoke if event.kind == "Delete" else self.grant
        change = rule(self.rows, event.request)
        if change.cancelled:
            return event.request.physical_id or change.id, False
        if change.is_done:
            return change.id, True
        self.rows.update((row.id, row) for row in change.rows)
        if event.failure is Failure.KILLED:
            wanted = facts_of(ledger.desired(self.rows, "main", change.finishes))
            self.database |= set(sorted(wanted - self.database)[:1])
            return None
        refused = event.failure is Failure.REFUSED and change.finishes is not None
        if refused:
            self.rows.update((row.id, row) for row in ledger.unfinished(self.rows, change))
        self._provision(replace(change, finishes=None) if refused else change)
        return (event.request.physical_id or change.id, False) if refused else (change.id, True)

    def _provision(self, change: Change) -> None:
        wanted = facts_of(ledger.desired(self.rows, "main", change.finishes))
        ended = facts_of(ledger.unrevoked(self.rows, "main", change.finishes))
        self.database = wanted if change.revokes else (self.database - ended) | wanted
        self.rows.update((row.id, row) for row in ledger.settle(self.rows, "main", change))

    def facts(self) -> set[Fact]:
        """Return the database."""
        return self.database


class LockedOut(AssertionError):
    """A function in service cannot log in, or lacks a privilege."""


@dataclass
class Resource:
    """A grant as CloudFormation has it."""

    id: str
    grant: Grant


class History:
    """One history. `dated` is whether response URLs have a date, `gives_up` whether some Deletes never arrive."""

    def __init__(self, seed: int, function: Function, *, dated: bool = True, gives_up: bool = True) -> None:
        self._gives_up = gives_up
        self._random = random.Random(seed)
        self._function = function
        self._clock = 1_000_000_000 if dated else None
        self._resources: dict[Owner, Resource] = {}
        self._serving: dict[Owner, Grant] = {}
        self._stable: dict[str, tuple[dict[Owner, Resource], dict[Owner, Grant]]] = {}
        self._extra: dict[str, list[tuple[Owner, Resource]]] = {}
        self._past: list[Event] = []
        self._waiting: list[Event] = []
        self._rolls_back_by_update = self._chance(0.5)
        self._after_failure = self._random.choice(("update", "delete", "both"))
        self._forgets = self._chance(0.5)  # the id before a rollback by Update gets no Delete
        self._forgotten: set[Owner] = set()
        self.trail: list[str] = []
        self.leftovers: set[str] = set()
        """Reasons for which the database may have more than the resources ask for."""

    def run(self, most: int = 9) -> set[Fact]:
        """Deploy the two stacks several times, and return what is left at the end that no resource asks for."""
        names = ("A", "B", "C")
        for _ in range(self._random.randint(2, most)):
            stack = self._random.choice(("One", "Two"))
            self._deploy(stack, {name: self._grant() for name in names if self._chance(0.6)})
        for stack in ("One", "Two"):  # a deploy without change, after a deploy with --no-rollback
            if self._extra.get(stack):
                mine = self._of(stack, self._resources)
                self._deploy(stack, {owner[1]: each.grant for owner, each in mine.items()})
        for owner in sorted(self._forgotten & self._resources.keys()):
            self._change(owner)
        asked = facts_of(each.grant for each in self._resources.values())
        have = self._function.facts()
        if not asked <= have:
            raise LockedOut(self._told(f"missing at the end: {asked - have}"))
        return have - asked if not any(self._extra.values()) else set()

    def _change(self, owner: Owner) -> None:
        """Update a grant in a deploy that ends well, and delete its former id."""
        old = self._resources[owner]
        grant = next(each for each in iter(self._grant, None) if each != old.grant)
        id, succeeded = self._send(self._event("Update", owner, grant, old.id))
        assert succeeded
        self._resources[owner] = Resource(id, grant)
        if owner in self._serving:
            self._serving[owner] = grant
        self._send(self._event("Delete", owner, old.grant, old.id))
        self._forgotten.discard(owner)

    def _chance(self, probability: float) -> bool:
        return self._random.random() < probability

    def _grant(self) -> Grant:
        role, rights = self._random.choice(RIGHTS)
        return Grant(role, rights, self._random.choice(ARNS))

    def _event(self, kind: str, owner: Owner, grant: Grant, id: str | None = None) -> Event:
        signed_at = 0
        if self._clock is not None:
            self._clock += self._random.randint(1, 30)
            signed_at = self._clock
        name = str(uuid.UUID(int=self._random.getrandbits(128)))
        grants = () if kind == "Delete" else (grant,)
        return Event(kind, GrantRequest("main", owner[0], owner[1], name, id, signed_at, grants))

    def _send(self, event: Event) -> tuple[str, bool]:
        self._deliver_others()
        self._past.append(replace(event, failure=Failure.NONE))
        answer = self._deliver("", event)
        while answer is None:
            self._check()
            self._deliver_others()
            answer = self._deliver("after a kill", replace(event, failure=Failure.NONE))
        self._deliver_others()
        self._check()
        return answer

    def _deliver(self, how: str, event: Event) -> tuple[str, bool] | None:
        answer = self._function.send(event)
        request = event.request
        self.trail.append(
            f"{how} {event.kind} {request.stack}.{request.resource} {request.physical_id} at {request.signed_at} "
            f"{event.failure.value} {facts_of(request.grants)} -> {answer}"
        )
        return answer

    def _deliver_others(self) -> None:
        """Deliver events again, and some that CloudFormation has given up or cancelled, for the first time."""
        while self._past and self._chance(0.15):
            self._deliver("twin", self._random.choice(self._past[-25:]))
            self._check()
        if self._waiting and self._chance(0.1):
            event = self._waiting.pop(self._random.randrange(len(self._waiting)))
            self.leftovers.add(f"late {event.kind}")
            self._deliver("late", event)
        self._check()

    def _check(self) -> None:
        have = self._function.facts()
        for owner, grant in self._serving.items():
            if not facts_of([grant]) <= have:
                raise LockedOut(
                    self._told(f"{owner} is locked out of {grant}: {sorted(facts_of([grant]) - have)}")
                )

    def _told(self, what: str) -> str:
        return "\n".join([what, *self.trail[-14:]])

    def _delete(self, owner: Owner, resource: Resource, *, given_up: bool = True) -> None:
        if given_up and self._gives_up and self._chance(0.05):
            self._waiting += [self._event("Delete", owner, resource.grant, resource.id) for _ in range(3)]
            self.leftovers.add("a Delete was given up")
            return
        for _ in range(1 + self._chance(0.1)):  # its answer is lost, and CloudFormation asks again
            self._send(self._event("Delete", owner, resource.grant, resource.id))

    def _of(self, stack: str, what: dict[Owner, Resource]) -> dict[Owner, Resource]:
        return {owner: each for owner, each in what.items() if owner[0] == stack}

    def _deploy(self, stack: str, wanted: dict[str, Grant]) -> None:
        stable = self._stable.setdefault(stack, ({}, {}))
        extra = self._extra.setdefault(stack, [])
        names = list(wanted)
        self._random.shuffle(names)
        failed = False
        for name in names:
            failed = not self._step((stack, name), wanted[name]) or self._chance(0.1)
            if failed:
                break
            self._serving[stack, name] = wanted[name]
            self._check()
        failed = failed or self._chance(0.1)
        if failed and self._chance(0.3):
            return  # --no-rollback: all stays, the old ids wait for the next deploy that ends well
        if failed:
            self._roll_back(stack, stable)
        else:
            for owner in self._of(stack, self._resources):
                if owner[1] not in wanted:
                    self._serving.pop(owner, None)  # the function is updated, or goes first
        kept = {
            each.id
            for owner, each in self._resources.items()
            if failed or owner[0] != stack or owner[1] in wanted
        }
        unused = [*extra] if failed and self._forgets else [*extra, *stable[0].items()]
        made = {each.id: (owner, each) for owner, each in unused if each.id not in kept}
        if not failed:
            for owner in self._of(stack, self._resources):
                if owner[1] not in wanted:
                    del self._resources[owner]
                    if owner in self._forgotten:
                        self.leftovers.add("removed before its next change")
        going = list(made.values())
        self._random.shuffle(going)
        for owner, each in going:
            self._delete(owner, each)
        serving = {owner: grant for owner, grant in self._serving.items() if owner[0] == stack}
        self._stable[stack] = (self._of(stack, self._resources), serving)
        self._extra[stack] = []
        self._check()

    def _step(self, owner: Owner, grant: Grant) -> bool:
        """Create or update one grant; return whether that went well."""
        old = self._resources.get(owner)
        if old is not None and old.grant == grant:
            return True
        event = self._event("Update" if old else "Create", owner, grant, old.id if old else None)
        if self._chance(0.06):
            self._cancel(event, owner, old)
            return False
        event = replace(event, failure=self._random.choices(list(Failure), (0.88, 0.06, 0.06))[0])
        id, succeeded = self._send(event)
        if not succeeded:
            self._after(owner, old, Resource(id, grant))
            return False
        self._resources[owner] = Resource(id, grant)
        if old is None or old.id != id:
            self._extra[owner[0]].append((owner, self._resources[owner]))
        return True

    def _cancel(self, event: Event, owner: Owner, old: Resource | None) -> None:
        """Another resource fails meanwhile: CloudFormation does not wait for the answer to this one."""
        late = self._chance(0.5)
        if not late:
            self._send(event)
        self.leftovers.add("cancelled")
        if old is None:
            made_up = Resource(
                f"{owner[0]}-{owner[1]}-{self._random.getrandbits(32):X}", event.request.grants[0]
            )
            self._delete(owner, made_up, given_up=False)
        else:
            self._update_back(owner, old.grant, old)
        if late:
            self._waiting.append(event)

    def _after(self, owner: Owner, old: Resource | None, failed: Resource) -> None:
        """Do what CloudFormation does after a failed Create or Update of one grant."""
        if old is None:
            self._delete(owner, failed)
            return
        if self._after_failure in ("update", "both"):
            self._update_back(owner, old.grant, old)
        if self._after_failure in ("delete", "both") and failed.id != old.id:
            self._delete(owner, failed)

    def _update_back(self, owner: Owner, grant: Grant, at: Resource) -> Resource:
        id, succeeded = self._send(self._event("Update", owner, grant, at.id))
        if not succeeded:
            raise LockedOut(self._told("an Update of the rollback failed"))
        resource = Resource(id, grant)
        if id != at.id:
            self._resources[owner] = resource
            self._extra[owner[0]].append((owner, resource))
        return resource

    def _roll_back(self, stack: str, stable: tuple[dict[Owner, Resource], dict[Owner, Grant]]) -> None:
        resources, serving = stable
        resources = dict(resources)
        if self._rolls_back_by_update:
            for owner, each in self._of(stack, self._resources).items():
                before = resources.get(owner)
                if before is not None and before.id != each.id:
                    back = self._update_back(owner, before.grant, each)
                    if back.id != before.id and self._after_failure == "update":
                        resources[owner] = back  # CloudFormation stays at the new id
                        if self._forgets:
                            self._forgotten.add(owner)
        self._serving = {owner: each for owner, each in self._serving.items() if owner[0] != stack} | serving
        self._resources = {
            owner: each for owner, each in self._resources.items() if owner[0] != stack
        } | resources
        self._check()
