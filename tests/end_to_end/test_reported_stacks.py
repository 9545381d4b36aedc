"""Stacks as people report them: own roles in later stacks, functions that call each other, constructs with a role."""

from __future__ import annotations

from typing import TYPE_CHECKING

import aws_cdk as cdk
import psycopg
import pytest
from aws_cdk import aws_codebuild as codebuild
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sqs as sqs
from aws_cdk import aws_stepfunctions as stepfunctions

from blocks import Access, DistributedDatabase
from blocks_cli.local import LocalDeployment
from local_dsql import LocalCluster
from tests.end_to_end.conftest import ORDERS, REGION
from tests.end_to_end.test_uninterrupted_access import LOGIN, RUNTIME

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

EVERY = ("Orders", "Called", "ByInline", "ByManaged", "Build")
"""Constructs of the stack `Shop` that can be granted."""


def function(scope: cdk.Stack, id: str, role: iam.IRole | None = None) -> lambda_.Function:
    return lambda_.Function(
        scope,
        id,
        runtime=RUNTIME,
        handler="index.handler",
        code=lambda_.Code.from_inline(LOGIN),
        role=role,
        timeout=cdk.Duration.seconds(30),
    )


def caller(scope: cdk.Stack, id: str, called: lambda_.Function, *, managed: bool) -> lambda_.Function:
    """Return a function whose role may call another one, by an inline policy or by a managed policy."""
    statement = iam.PolicyStatement(actions=["lambda:InvokeFunction"], resources=[called.function_arn])
    document = iam.PolicyDocument(statements=[statement])
    role = iam.Role(
        scope,
        f"{id}Role",
        assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
        inline_policies=None if managed else {"call": document},
        managed_policies=[iam.ManagedPolicy(scope, f"{id}Policy", document=document)] if managed else None,
    )
    return function(scope, id, role)


def synthesize(root: Path, granted: Iterable[str]) -> Path:
    """Synthesize the app with grants for these constructs of the later stack."""
    output = root / f"cdk.out.{len(list(root.glob('cdk.out.*')))}"
    app = cdk.App(outdir=str(output))
    db = DistributedDatabase(
        cdk.Stack(app, "Data"), "main", migrations=root / "migrations", migrator_runtime=RUNTIME
    )
    shop = cdk.Stack(app, "Shop")
    shop.add_stack_dependency(cdk.Stack.of(db))
    orders, called = function(shop, "Orders"), function(shop, "Called")
    sqs.Queue(shop, "Queue").grant_send_messages(orders)
    build = codebuild.Project(
        shop, "Build", build_spec=codebuild.BuildSpec.from_object({"version": "0.2", "phases": {}})
    )
    machine = stepfunctions.StateMachine(
        shop,
        "Machine",
        definition_body=stepfunctions.DefinitionBody.from_chainable(stepfunctions.Pass(shop, "Pass")),
    )
    callers = [caller(shop, id, called, managed=id == "ByManaged") for id in ("ByInline", "ByManaged")]
    grantees: list[iam.IGrantable] = [orders, called, *callers, build]
    for construct in grantees:
        if construct.node.id in granted:  # type: ignore[attr-defined]
            db.grant_connect(construct, access=Access.READ_ONLY)
    if granted:
        for waiting in (build, machine):
            db.run_before(waiting)
    app.synth()
    return output


def roles(deployment: LocalDeployment) -> int:
    """Return the number of IAM roles that are mapped to roles of the database."""
    with psycopg.connect(deployment.clusters[0].dsn()) as connection:
        row = connection.execute("SELECT count(DISTINCT arn) FROM sys.iam_pg_role_mappings").fetchone()
    assert row
    return int(row[0])


@pytest.mark.slow
def test_grants_of_a_later_stack_are_made_and_taken_away(tmp_path: Path) -> None:
    (tmp_path / "migrations").mkdir()
    (tmp_path / "migrations" / "001_orders.sql").write_text(ORDERS, encoding="utf-8")
    with LocalDeployment.deploy(synthesize(tmp_path, EVERY), tmp_path, region=REGION) as deployment:
        with LocalCluster(tmp_path / ".blocks" / "local" / "main"):  # PostgreSQL starts once
            for id in EVERY[:4]:
                result = deployment.invoke(f"Shop/{id}")
                assert result.payload == 1, f"{id}: {result.error_message}"
            assert roles(deployment) == len(EVERY)
            deployment.close()
            for left in (("Called",), ()):
                # The last grant goes, and with it the last reference to the stack of the database.
                with LocalDeployment.deploy(synthesize(tmp_path, left), tmp_path, region=REGION) as later:
                    assert roles(later) == len(left)
    with LocalDeployment.open(tmp_path) as last:
        assert [*last.destroy()] == ["Shop", "Data"]
