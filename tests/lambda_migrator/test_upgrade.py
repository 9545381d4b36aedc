"""The upgrade from the release whose one resource had `Grants`, as sequences of requests on a local cluster.

A step is the method to call with its arguments, the name for the id of the answer (empty: not kept), and the mappings
afterwards.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest

from lambda_migrator.ledger import GrantRequest, Row, State, revoke
from lambda_migrator.upgrade import adopt, adopted_id, end_adopted, end_claimed, grant_old, list_elsewhere
from tests.support.grant_events import grants_of, stacks

if TYPE_CHECKING:
    from collections.abc import Callable

    from lambda_migrator.ledger import Change, Ledger
    from tests.lambda_migrator.conftest import Deployment
    from tests.support.grant_events import Stacks

Step: TypeAlias = "tuple[Callable[[Stacks, dict[str, str]], dict[str, Any]], str, str]"


def migrations(kind: str, id: str = "main/migrations", **options: Any) -> Callable[..., dict[str, Any]]:
    return lambda stacks, ids: stacks.migrations(kind, ids.get(id, id), **options)


def grant(
    kind: str, text: str, id: str = "", resource: str = "Orders", stack: str = "Data"
) -> Callable[..., dict[str, Any]]:
    return lambda stacks, ids: stacks.grant(kind, text, ids.get(id, id) or None, resource, stack)


OLD: Step = (migrations("Update", grants="rw a, ro b"), "", "ro b, rw a")
ADOPT: Step = (migrations("Update", old="rw a, ro b"), "S", "ro b, rw a")
CLEAN_UP: Step = (migrations("Delete"), "", "rw a")

SEQUENCES: dict[str, list[Step]] = {
    "all grants": [
        OLD,
        ADOPT,
        (grant("Create", "rw a"), "A", "ro b, rw a"),
        (grant("Create", "ro b", resource="Bills"), "B", "ro b, rw a"),
        (migrations("Delete"), "", "ro b, rw a"),
        (migrations("Update", "S"), "S", "ro b, rw a"),
        (grant("Delete", "rw a", "A"), "", "ro b"),
    ],
    "one grant is removed in the upgrade": [OLD, ADOPT, (grant("Create", "rw a"), "A", "ro b, rw a"), CLEAN_UP],
    "an access is changed in the upgrade": [
        OLD,
        ADOPT,
        (grant("Create", "ro a"), "A", "ro a, ro b, rw a"),
        (grant("Create", "ro b", resource="Bills"), "B", "ro a, ro b, rw a"),
        (migrations("Delete"), "", "ro a, ro b"),
    ],
    "rolled back by Delete, then again without one": [
        OLD,
        ADOPT,
        (grant("Create", "rw a"), "A", "ro b, rw a"),
        (grant("Create", "rw c", resource="Carts"), "C", "ro b, rw a, rw c"),
        (migrations("Delete", "S"), "", "ro b, rw a, rw c"),  # the old function deletes the grants, and nothing happens
        (migrations("Update", old="rw a, ro b"), "S2", "ro b, rw a"),
        (grant("Create", "rw a", resource="Again"), "A2", "ro b, rw a"),
        CLEAN_UP,
    ],
    "rolled back by Update of the new function": [
        OLD,
        ADOPT,
        (migrations("Update", "S", grants="rw a, ro b"), "", "ro b, rw a"),
        (migrations("Delete"), "", "ro b, rw a"),
        (migrations("Update", "S", old="rw a, ro b"), "S2", "ro b, rw a"),
        (grant("Create", "rw a"), "A", "ro b, rw a"),
        (migrations("Delete", "S"), "", "rw a"),
    ],
    "roles here, functions in a stack that is deployed later": [
        OLD,
        (migrations("Update", old="rw a, ro b", elsewhere="rw a, ro b"), "S", "ro b, rw a"),
        (migrations("Delete"), "", "ro b, rw a"),
        (grant("Create", "rw a", stack="Shop"), "A", "ro b, rw a"),
        (grant("Create", "ro b", resource="Bills", stack="Shop"), "B", "ro b, rw a"),
        # Then one grant is removed from the app.
        (migrations("Update", "S", elsewhere="rw a"), "S", "ro b, rw a"),
        (grant("Delete", "ro b", "B", "Bills", "Shop"), "", "rw a"),
    ],
    "the later stack is rolled back": [
        OLD,
        (migrations("Update", old="rw a, ro b", elsewhere="rw a"), "S", "ro b, rw a"),
        (grant("Create", "ro b", resource="Bills"), "B", "ro b, rw a"),
        (migrations("Delete"), "", "ro b, rw a"),
        (grant("Create", "rw a", stack="Shop"), "A", "ro b, rw a"),
        (grant("Delete", "rw a", "A", stack="Shop"), "", "ro b, rw a"),
    ],
    "the access changes in the upgrade of a later stack": [
        OLD,
        (migrations("Update", old="rw a, ro b", elsewhere="ro a, ro b"), "S", "ro b, rw a"),
        (migrations("Delete"), "", "ro b, rw a"),
        (grant("Create", "ro a", stack="Shop"), "A", "ro a, ro b, rw a"),
        (grant("Delete", "ro a", "A", stack="Shop"), "", "ro b, rw a"),
    ],
    "an old template reaches the new function": [
        OLD,
        (migrations("Update", grants="rw a"), "", "ro b, rw a"),
        (grant("Create", "ro c"), "C", "ro b, ro c, rw a"),
        (grant("Delete", "ro c", "C"), "", "ro b, rw a"),
    ],
    "nothing was granted": [
        (migrations("Create", ""), "", ""),
        (migrations("Update", old=""), "S", ""),
        (migrations("Delete"), "", ""),
    ],
}  # fmt: skip


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize("steps", SEQUENCES.values(), ids=SEQUENCES)
def test_sequence(deployment: Deployment, steps: list[Step]) -> None:
    with stacks(deployment) as cloudformation:
        ids: dict[str, str] = {"": ""}
        for number, (send, name, mapped) in enumerate(steps):
            answer = send(cloudformation, ids)
            assert answer["Status"] == "SUCCESS", (number, answer["Reason"])
            id = answer["PhysicalResourceId"]
            if name in ids and name:
                assert ids[name] == id, number
            elif name:
                assert id not in ids.values() and id != "main/migrations", number
                ids[name] = id
            assert ", ".join(sorted(cloudformation.mapped())) == mapped, number
            if cloudformation.events[-1]["ResourceType"] == "Custom::DsqlMigrations" and name:
                assert answer["Data"]["Status"] == "up to date: 001_t"


@pytest.mark.usefixtures("environment")
def test_a_failed_upgrade_is_answered_with_the_id_there_was(deployment: Deployment) -> None:
    """CloudFormation replaces nothing then, and the next deploy adopts."""
    with stacks(deployment) as cloudformation:
        cloudformation.migrations("Update", "main/migrations", grants="rw a")
        deployment.write({"002_bad": "INSERT INTO t VALUES ('x');"})
        answer = cloudformation.migrations("Update", "main/migrations", old="rw a")
        assert (answer["Status"], answer["PhysicalResourceId"]) == ("FAILED", "main/migrations")
        deployment.write({"002_bad": "INSERT INTO t VALUES (1);"})
        answer = cloudformation.migrations("Update", "main/migrations", old="rw a")
        assert answer["Status"] == "SUCCESS"
        assert answer["PhysicalResourceId"].startswith("main/schema/")
        assert cloudformation.migrations("Delete", "main/migrations")["Status"] == "SUCCESS"
        assert cloudformation.mapped() == set()


def asked(
    name: str, at: int, grants: str = "", id: str = "main/migrations", stack: str = "Data"
) -> GrantRequest:
    return GrantRequest("main", stack, "Migrations", name, id, at, tuple(grants_of(grants)))


def written(ledger: Ledger, change: Change) -> dict[str, Row]:
    return {**ledger, **{row.id: row for row in change.rows}}


def live(ledger: Ledger) -> set[str]:
    return {f"{grant.role} {grant.arn}" for row in ledger.values() if row.is_live for grant in row.grants}


def names(text: str) -> set[str]:
    return {f"{grant.role} {grant.arn}" for grant in grants_of(text)}


def pairs(text: str) -> set[tuple[str, str]]:
    return {(grant.role, grant.arn) for grant in grants_of(text)}


def made(id: str, grants: str, at: int, stack: str = "Data") -> Row:
    return Row(id, "main", tuple(grants_of(grants)), State.LIVE, stack, f"owner of {id}", id, None, at)


@pytest.mark.parametrize("dated", [True, False], ids=["dated", "without dates"])
def test_a_late_upgrade_that_was_rolled_back_ends_no_newer_grant(dated: bool) -> None:
    first, second = asked("first", 10 * dated, "rw a"), asked("second", 20 * dated, "rw a, ro b")
    ledger = written({}, adopt({}, second, ()))
    ledger["A"] = made("A", "rw c", 21 * dated)
    for late in (first, second):
        ledger = written(ledger, adopt(ledger, late, ()))
        assert live(ledger) >= names("rw a, ro b, rw c")


def test_rows_of_an_upgrade_that_was_rolled_back_are_dropped() -> None:
    ledger = {"A": made("A", "rw c", 5), "B": made("B", "rw a", 5, stack="Shop")}
    ledger = written(ledger, adopt(ledger, asked("again", 20, "ro b"), ()))
    assert live(ledger) == names("ro b, rw a")


def test_a_late_event_of_the_old_template_grants_nothing() -> None:
    ledger = written({}, adopt({}, asked("upgrade", 20, "rw a"), ()))
    ledger = written(ledger, end_adopted(ledger, asked("clean-up", 30)))
    assert live(ledger) == set()
    ledger = written(ledger, grant_old(ledger, asked("late", 10, "rw a")))
    assert live(ledger) == set()


def test_a_late_clean_up_does_not_end_what_was_adopted_since() -> None:
    """The resource was removed, and created again under the same old id."""
    ledger = written({}, adopt({}, asked("first", 20, "rw a"), ()))
    ledger = written(ledger, end_adopted(ledger, asked("clean-up", 30)))
    ledger = written(ledger, adopt(ledger, asked("second", 40, "rw a"), ()))
    assert end_adopted(ledger, asked("clean-up", 30)).rows == ()
    assert live(ledger) == names("rw a")


def test_two_stacks_adopt_under_the_same_old_id() -> None:
    """Two apps may call their database the same, on one cluster."""
    ledger = written({}, adopt({}, asked("one", 20, "rw a"), ()))
    ledger = written(ledger, adopt(ledger, asked("two", 21, "ro b", stack="Other"), ()))
    assert adopted_id(asked("one", 20)) != adopted_id(asked("two", 21, stack="Other"))
    ledger = written(ledger, end_adopted(ledger, asked("clean-up", 30)))
    assert live(ledger) == names("ro b")


ENDS: dict[str, tuple[str, int, str, str]] = {
    "unlisted, in another stack": ("", 60, "Shop", ""),
    "still listed": ("rw a", 60, "Shop", "rw a"),
    "in the stack that adopted": ("", 60, "Data", "rw a"),
    "by a Delete from before the property changed": ("", 45, "Shop", "rw a"),
    "by a Delete without a date": ("", 0, "Shop", "rw a"),
}


@pytest.mark.parametrize(("listed", "at", "stack", "left"), ENDS.values(), ids=ENDS)
def test_the_end_of_a_mapping_that_was_adopted_for_a_later_stack(
    listed: str, at: int, stack: str, left: str
) -> None:
    ledger = written({}, adopt({}, asked("upgrade", 20, "rw a"), pairs("rw a")))
    ledger = written(ledger, end_adopted(ledger, asked("clean-up", 30)))
    ledger["A"] = made("A", "rw a", 40, stack)
    ledger = written(ledger, list_elsewhere(ledger, asked("update", 50, id="S"), pairs(listed)))
    request = replace(asked("delete", at, id="A", stack=stack), resource="Orders")
    ledger = written(ledger, end_claimed(ledger, request, revoke(ledger, request)))
    assert live(ledger) == names(left)
