"""The app of these tests, deployed with one version of its migrations and of its context after another."""

from __future__ import annotations

import json
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.cloudformation.servers import MiniStack, Run

ORDERS = "CREATE TABLE orders (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), amount integer NOT NULL);\n"
NOTE = "ALTER TABLE orders ADD COLUMN note text;\n"
INDEX = "CREATE INDEX ASYNC orders_amount ON orders (amount);\n"
FUNCTION = "Shop-orders"


class Shop:
    """The app with the migrations and the context of its last deploy."""

    def __init__(self, ministack: MiniStack, migrations: Path) -> None:
        self.ministack = ministack
        self.migrations = migrations
        self.context: dict[str, str] = {}

    def add(self, name: str, statement: str) -> None:
        (self.migrations / name).write_text(statement, "utf-8")

    def run(self, command: str, *arguments: str) -> Run:
        return self.ministack.cdk(command, *arguments, migrations=self.migrations, **self.context)

    def deploy(self) -> Run:
        return self.run("deploy", "--all", "--require-approval", "never")

    def deployed(self, **context: str) -> str:
        """Deploy, and return the output; fail if the deploy fails."""
        self.context |= context
        done = self.deploy()
        assert done.code == 0, done.output + "\n".join(self.ministack.events("Shop"))
        return done.output

    def order(self, amount: int | None = None) -> int:
        event = {} if amount is None else {"amount": amount}
        found: int = self.ministack.invoke(FUNCTION, event)
        return found

    def statements(self, role: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
        """Yield IAM role, name of an inline policy and statement, of the role whose name begins so."""
        iam = self.ministack.client("iam")
        [name] = [each["RoleName"] for each in iam.list_roles()["Roles"] if each["RoleName"].startswith(role)]
        for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]:
            document = iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]
            for statement in document["Statement"]:
                yield name, policy, statement

    def actions(self, role: str) -> set[str]:
        """Return all actions that a role is allowed."""
        return {action for _, _, statement in self.statements(role) for action in actions_of(statement)}

    @contextmanager
    def without(self, role: str, action: str) -> Iterator[None]:
        """Take one action from a role for the duration of a block; its other statements stay."""
        iam = self.ministack.client("iam")
        [(name, policy)] = {
            (name, policy)
            for name, policy, statement in self.statements(role)
            if action in actions_of(statement)
        }
        document = iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]
        rest = [each for each in map(partial(_without, action), document["Statement"]) if each["Action"]]
        if rest:
            _put(iam, name, policy, document | {"Statement": rest})
        else:
            iam.delete_role_policy(RoleName=name, PolicyName=policy)
        try:
            yield
        finally:
            _put(iam, name, policy, document)


def actions_of(statement: dict[str, Any]) -> list[str]:
    """Return the actions of a statement."""
    actions = statement["Action"]
    return [actions] if isinstance(actions, str) else actions


def _without(action: str, statement: dict[str, Any]) -> dict[str, Any]:
    return statement | {"Action": [each for each in actions_of(statement) if each != action]}


def _put(iam: Any, role: str, policy: str, document: dict[str, Any]) -> None:
    iam.put_role_policy(RoleName=role, PolicyName=policy, PolicyDocument=json.dumps(document))
