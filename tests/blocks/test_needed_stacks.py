"""Grantees in stacks that the database needs, nested ones included: no template has a circular dependency."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import aws_cdk as cdk
import pytest
from aws_cdk import aws_codebuild as codebuild
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs

from blocks import ConstructError, DistributedDatabase
from tests.support.template_reader import Template, function

if TYPE_CHECKING:
    from collections.abc import Callable

    from constructs import IConstruct

LAMBDA = iam.ServicePrincipal("lambda.amazonaws.com")

NEEDS: dict[str, Callable[[cdk.Stack, cdk.Stack], DistributedDatabase]] = {
    "VPC": lambda home, needed: DistributedDatabase(
        home, "main", migrator_vpc=ec2.Vpc(needed, "V", max_azs=1)
    ),
    "key": lambda home, needed: DistributedDatabase(home, "main", encryption_key=kms.Key(needed, "Key")),
    "log group": lambda home, needed: DistributedDatabase(
        home, "main", migrator_log_group=logs.LogGroup(needed, "Log")
    ),
    "role": lambda home, needed: DistributedDatabase(
        home, "main", migrator_role=iam.Role(needed, "Migrates", assumed_by=LAMBDA)
    ),
}
"""Databases in one stack that need something in another one."""

LAYOUTS: dict[str, tuple[str, str, str, bool]] = {
    # stacks of the database, of what it needs, and of the grantee; whether the grantee is deployed first
    "another stack": ("A", "B", "B", True),
    "nested in another stack": ("A", "B/N", "B", True),
    "another stack around": ("A", "B", "B/N", True),
    "nested": ("A", "A/N", "A/N", True),
    "nested in a nested stack": ("A", "A/N/M", "A/N", True),
    "around it": ("A", "A/N", "A/N/M", True),
    "beside it": ("A/D", "A/N", "A/N", True),
    "beside it, deeper": ("A/D", "A/N/M", "A/N/L", True),
    "of the parent": ("A/D", "A", "A", False),
    "nested in the parent": ("A/D", "A", "A/N", False),
    "parent of what is needed": ("A/D", "A/D/N", "A", False),
    "home of what is needed": ("A", "A/N", "A", False),
    "another nested stack": ("A", "A/N", "A/O", False),
}


def stack_at(app: cdk.App, path: str) -> cdk.Stack:
    """Return the stack of a path, such as `A/N`: the stack N nested in A; create what is missing."""
    outer, *inner = path.split("/")
    stack: cdk.Stack = app.node.try_find_child(outer) or cdk.Stack(app, outer)  # type: ignore[assignment]
    for id in inner:
        stack = stack.node.try_find_child(id) or cdk.NestedStack(stack, id)  # type: ignore[assignment]
    return stack


def check(app: cdk.App) -> int:
    """Look for a circle in all templates; return their number of grants."""
    folder = Path(app.synth().directory)
    templates = [Template(json.loads(file.read_text("utf-8"))) for file in folder.glob("*.template.json")]
    for template in templates:
        template.order()
    return sum(len(template.grants()) for template in templates)


def a_role(stack: cdk.Stack) -> iam.IGrantable:
    return iam.Role(stack, "Role", assumed_by=LAMBDA)


def a_user(stack: cdk.Stack) -> iam.IGrantable:
    return iam.User(stack, "User")


@pytest.fixture
def app(tmp_path: Path) -> cdk.App:
    return cdk.App(outdir=str(tmp_path))


EVERY_NEED = {f"{name}, nested": (make, *LAYOUTS["nested"]) for name, make in NEEDS.items()}
EVERY_LAYOUT = {f"VPC, {name}": (NEEDS["VPC"], *layout) for name, layout in LAYOUTS.items()}
CASES = EVERY_NEED | EVERY_LAYOUT


@pytest.mark.parametrize(("make", "home", "needed", "place", "first"), CASES.values(), ids=CASES)
def test_a_function_is_refused_where_it_would_close_a_circle_and_nowhere_else(
    app: cdk.App,
    make: Callable[[cdk.Stack, cdk.Stack], DistributedDatabase],
    home: str,
    needed: str,
    place: str,
    first: bool,
) -> None:
    db = make(stack_at(app, home), stack_at(app, needed))
    fn = function(stack_at(app, place))
    for grant in (db.grant_connect, db.grant_connect_admin):
        if first:
            with pytest.raises(
                ConstructError, match=f"{place}, which is deployed before {home} with"
            ) as refused:
                grant(fn)
            assert "one that the database does not need" in refused.value.remedy
        else:
            grant(fn)
    assert check(app) == (0 if first else 1)


@pytest.mark.parametrize("grantee", [a_role, a_user])
@pytest.mark.parametrize(("home", "needed", "place", "first"), LAYOUTS.values(), ids=LAYOUTS)
def test_a_role_or_user_is_granted_in_every_layout(
    app: cdk.App,
    grantee: Callable[[cdk.Stack], iam.IGrantable],
    home: str,
    needed: str,
    place: str,
    first: bool,
) -> None:
    db = NEEDS["VPC"](stack_at(app, home), stack_at(app, needed))
    made = grantee(stack_at(app, place))
    db.grant_connect(made)
    db.grant_connect_admin(made)
    db.grant(made, "dsql:GetCluster")
    assert check(app) == 1
    here = home if first else place
    file = Path(app.outdir, stack_at(app, here).template_file).read_text("utf-8")
    for action in ("dsql:DbConnect", "dsql:DbConnectAdmin", "dsql:GetCluster"):
        assert f'"{action}"' in file


def of_a_dependency(app: cdk.App, home: cdk.Stack) -> cdk.Stack:
    del home
    needed, between = stack_at(app, "A/N"), stack_at(app, "A/B")
    stack_at(app, "A/D").add_stack_dependency(between)
    between.add_stack_dependency(needed)
    return needed


def of_the_parents_dependency(app: cdk.App, home: cdk.Stack) -> cdk.Stack:
    del home
    stack_at(app, "A").add_stack_dependency(stack_at(app, "B"))
    return stack_at(app, "B/N")


@pytest.mark.parametrize("make", [of_a_dependency, of_the_parents_dependency])
def test_a_stack_that_a_nested_stack_depends_on_is_needed(
    app: cdk.App, make: Callable[[cdk.App, cdk.Stack], cdk.Stack]
) -> None:
    home = stack_at(app, "A/D")
    needed = make(app, home)
    db = DistributedDatabase(home, "main")
    with pytest.raises(ConstructError, match="which is deployed before A/D"):
        db.grant_connect(function(needed))
    db.grant_connect(iam.Role(needed, "Role", assumed_by=LAMBDA))
    assert check(app) == 1


def a_project(stack: cdk.Stack) -> IConstruct:
    spec = codebuild.BuildSpec.from_object({"version": "0.2"})
    return codebuild.Project(stack, "Project", build_spec=spec)


@pytest.mark.parametrize(("home", "needed", "place", "first"), LAYOUTS.values(), ids=LAYOUTS)
def test_a_construct_that_waits_is_refused_where_it_would_close_a_circle(
    app: cdk.App, home: str, needed: str, place: str, first: bool
) -> None:
    db = NEEDS["key"](stack_at(app, home), stack_at(app, needed))
    project = a_project(stack_at(app, place))
    if first:
        with pytest.raises(ConstructError, match=r"Project is in the stack .* which is deployed before"):
            db.run_before(project)
    else:
        db.run_before(project)
    check(app)
