"""Random apps: whatever else functions are granted, a grant on a database closes no circular dependency.

Each app is made twice. Without the grants it may have a circle of its own, then it says nothing. With the grants, it
must have none: neither in a template nor between stacks, where the CDK refuses it.
"""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, field
from graphlib import CycleError
from typing import TYPE_CHECKING

import aws_cdk as cdk
import pytest
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_lambda_event_sources as sources
from aws_cdk import aws_sqs as sqs

from blocks import Access, DistributedDatabase
from tests.support.template_reader import Template, function

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LAMBDA = iam.ServicePrincipal("lambda.amazonaws.com")
CIRCULAR = ("DependencyCycle", "cyclic", "circular", "depends on")


@dataclass
class RandomApp:
    """One app: a database, and functions in its stack, in a later one and in nested ones, that call each other."""

    seed: int
    folder: Path
    granted: bool
    functions: list[lambda_.Function] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self.app = cdk.App(outdir=str(self.folder))
        data = cdk.Stack(self.app, "Data")
        later = cdk.Stack(self.app, "Later")
        home = data if self.random.random() < 0.8 else cdk.NestedStack(data, "Home")
        self.databases = [DistributedDatabase(home, "main")]
        if self.random.random() < 0.3:
            self.databases.append(DistributedDatabase(data, "other"))
        self.stacks = [data, cdk.NestedStack(data, "Nested"), later, cdk.NestedStack(later, "Nested")]
        self.extra = iam.Role(data, "Shared", assumed_by=LAMBDA)

    def build(self) -> None:
        for number, stack in enumerate(sorted(self.random.choices(range(4), k=self.random.randint(2, 5)))):
            self.functions.append(self._function(self.stacks[stack], f"Fn{number}"))
        for number in range(self.random.randint(1, 6)):
            self.random.choice(_OTHER_GRANTS)(self, f"Extra{number}")
        for fn in self.functions:
            for db in self.databases:
                # Drawn in both apps, so that the rest is the same.
                access, waits, draw = (
                    self.random.choice(list(Access)),
                    self.random.random() < 0.9,
                    self.random.random(),
                )
                if self.granted and draw < 0.8:
                    db.grant_connect(fn, access=access, wait=waits, layer=False)
                elif draw < 0.8:
                    for name, value in db.environment(access).items():
                        fn.add_environment(name, value)

    def _function(self, stack: cdk.Stack, id: str) -> lambda_.Function:
        kind = self.random.choice(("own", "own", "own", "inline", "inline", "managed", "managed", "shared"))
        called = [
            iam.PolicyStatement(actions=["lambda:InvokeFunction"], resources=[fn.function_arn])
            for fn in self._some()
        ]
        if kind == "own" or (kind in ("inline", "managed") and not called):
            return function(stack, id)
        if kind == "shared":
            return function(stack, id, role=self.extra)
        if kind == "inline":
            policies = {"Call": iam.PolicyDocument(statements=called)}
            return function(
                stack, id, role=iam.Role(stack, f"{id}Role", assumed_by=LAMBDA, inline_policies=policies)
            )
        managed = [iam.ManagedPolicy(stack, f"{id}Call", statements=called)]
        return function(
            stack, id, role=iam.Role(stack, f"{id}Role", assumed_by=LAMBDA, managed_policies=managed)
        )

    def _some(self) -> list[lambda_.Function]:
        return self.random.sample(self.functions, self.random.randint(0, len(self.functions)))

    def pair(self) -> tuple[lambda_.Function, lambda_.Function]:
        """Return a function and one that it uses: mostly one made before it, which closes no circle by itself."""
        one, other = sorted(
            self.random.sample(range(len(self.functions)), 2), reverse=self.random.random() < 0.9
        )
        return self.functions[one], self.functions[other]

    def check(self) -> None:
        """Synthesize the app, and look for a circle in each template.

        Raises:
            CycleError: there is one in a template.
            RuntimeError: the CDK refuses the app, for example for a circle between stacks.
        """
        self.app.synth()
        for path in sorted(self.folder.glob("*.template.json")):
            Template(json.loads(path.read_text(encoding="utf-8"))).order()


def invoke(app: RandomApp, id: str) -> None:
    del id
    caller, called = app.pair()
    called.grant_invoke(caller)


def table(app: RandomApp, id: str) -> None:
    fn, other = app.pair()
    key = dynamodb.Attribute(name="id", type=dynamodb.AttributeType.STRING)
    made = dynamodb.TableV2(cdk.Stack.of(fn), id, partition_key=key)
    made.grant_read_data(fn)
    other.add_environment(f"TABLE_{id.upper()}", made.table_name)


def queue(app: RandomApp, id: str) -> None:
    fn, sender = app.pair()
    made = sqs.Queue(cdk.Stack.of(fn), id)
    fn.add_event_source(sources.SqsEventSource(made))
    made.grant_send_messages(sender)


def environment(app: RandomApp, id: str) -> None:
    one, other = app.pair()
    one.add_environment(f"CALLS_{id.upper()}", other.function_arn)


def alias(app: RandomApp, id: str) -> None:
    caller, called = app.pair()
    lambda_.Alias(cdk.Stack.of(called), id, alias_name=id, version=called.current_version).grant_invoke(
        caller
    )


def dependency(app: RandomApp, id: str) -> None:
    del id
    one, other = app.pair()
    one.node.add_dependency(other)


def after_the_migrations(app: RandomApp, id: str) -> None:
    del id
    app.random.choice(app.functions).node.add_dependency(app.databases[0].migrator)


_OTHER_GRANTS: list[Callable[[RandomApp, str], None]] = [
    *(invoke, table, queue, environment, alias, dependency, after_the_migrations),
]


def has_circle(app: RandomApp) -> bool:
    try:
        app.build()
        app.check()
    except CycleError:
        return True
    except RuntimeError as error:  # jsii's class for an error of the CDK
        assert any(word in str(error) for word in CIRCULAR), error
        return True
    return False


def compare(folder: Path, seed: int) -> bool | None:
    """Return whether the app has a circle with the grants only; None if it has one without them."""
    if has_circle(RandomApp(seed, folder / f"{seed}-without", granted=False)):
        return None
    return has_circle(RandomApp(seed, folder / f"{seed}-with", granted=True))


APPS = 30


@pytest.mark.slow
def test_a_grant_closes_no_circle(tmp_path: Path) -> None:
    found = {seed: compare(tmp_path, seed) for seed in range(APPS)}
    assert [seed for seed, closes in found.items() if closes] == []
    assert sum(closes is False for closes in found.values()) >= APPS // 3, (
        "most apps have circles of their own"
    )


@pytest.mark.slow
def test_a_grant_closes_no_circle_in_more_apps(tmp_path: Path) -> None:
    assert [seed for seed in range(APPS, 400) if compare(tmp_path, seed)] == []
