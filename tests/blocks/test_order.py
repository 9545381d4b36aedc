"""Order of deployment: constructs that wait for the migrations, and functions that need not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import aws_cdk as cdk
import pytest
from aws_cdk import aws_applicationautoscaling as scaling
from aws_cdk import aws_codebuild as codebuild
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_ecs_patterns as patterns
from aws_cdk import aws_iam as iam
from aws_cdk import aws_stepfunctions as sfn

from blocks import ConstructError, DatabaseGrants, DistributedDatabase
from blocks.shared.functions import main_resources
from blocks.shared.grantees import principals_in
from tests.support.every_option import IDENTIFIER
from tests.support.template_reader import Template, function, logical_id

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from constructs import IConstruct

IMAGE = ecs.ContainerImage.from_registry("worker")


def project(stack: cdk.Stack, db: DistributedDatabase) -> IConstruct:
    spec = codebuild.BuildSpec.from_object({"version": "0.2"})
    made = codebuild.Project(stack, "Project", build_spec=spec)
    db.grant_connect(made)
    return made


def machine(stack: cdk.Stack, db: DistributedDatabase) -> IConstruct:
    body = sfn.DefinitionBody.from_chainable(sfn.Pass(stack, "Pass"))
    made = sfn.StateMachine(stack, "Machine", definition_body=body)
    db.grant_connect(made)
    return made


def instance(stack: cdk.Stack, db: DistributedDatabase) -> IConstruct:
    made = ec2.Instance(
        stack,
        "Instance",
        vpc=ec2.Vpc(stack, "Vpc"),
        instance_type=ec2.InstanceType("t4g.nano"),
        machine_image=ec2.MachineImage.latest_amazon_linux2023(cpu_type=ec2.AmazonLinuxCpuType.ARM_64),
    )
    db.grant_connect(made)
    return made


def service(stack: cdk.Stack, db: DistributedDatabase) -> IConstruct:
    task = ecs.FargateTaskDefinition(stack, "Task")
    task.add_container("Worker", image=IMAGE)
    db.grant_connect(task.task_role)
    cluster = ecs.Cluster(stack, "Cluster")
    return ecs.FargateService(
        stack, "Service", cluster=cluster, task_definition=task, min_healthy_percent=100
    )


def scheduled(stack: cdk.Stack, db: DistributedDatabase) -> IConstruct:
    made = patterns.ScheduledFargateTask(
        stack,
        "Scheduled",
        schedule=scaling.Schedule.rate(cdk.Duration.hours(1)),
        scheduled_fargate_task_image_options=patterns.ScheduledFargateTaskImageOptions(
            image=IMAGE, memory_limit_mib=512
        ),
    )
    db.grant_connect(made.task_definition.task_role)
    return made


def a_function(stack: cdk.Stack, db: DistributedDatabase) -> IConstruct:
    made = function(stack)
    db.grant_connect(made, wait=False)
    return made


KINDS: Mapping[str, tuple[Callable[[cdk.Stack, DistributedDatabase], IConstruct], str]] = {
    "CodeBuild": (project, "AWS::CodeBuild::Project"),
    "StateMachine": (machine, "AWS::StepFunctions::StateMachine"),
    "Instance": (instance, "AWS::EC2::Instance"),
    "FargateService": (service, "AWS::ECS::Service"),
    "ScheduledFargateTask": (scheduled, "AWS::Events::Rule"),
    "Function": (a_function, "AWS::Lambda::Function"),
}


@pytest.mark.parametrize(("make", "type"), KINDS.values(), ids=KINDS)
def test_a_granted_construct_waits_for_the_migrations_without_a_circle(
    stack: cdk.Stack, make: Callable[[cdk.Stack, DistributedDatabase], IConstruct], type: str
) -> None:
    db = DistributedDatabase(stack, "main")
    db.run_before(make(stack, db))
    template = Template.of(stack)
    order = template.order()
    waiting = [
        id
        for id in template.ids(type)
        if logical_id(db.migrator.migrated) in (template.resources[id].get("DependsOn") or [])
    ]
    assert waiting
    assert all(order.index(id) > order.index(logical_id(db.migrator.migrated)) for id in waiting)


@pytest.mark.parametrize("make", [each for each, _ in KINDS.values()], ids=KINDS)
@pytest.mark.parametrize("granted_later", [False, True])
def test_a_construct_waits_for_the_grant_of_its_role(
    stack: cdk.Stack, make: Callable[[cdk.Stack, DistributedDatabase], IConstruct], granted_later: bool
) -> None:
    db = DistributedDatabase(stack, "main")
    if granted_later:
        made = make(stack, DistributedDatabase(stack, "other"))
        db.run_before(made)
        for principal in principals_in([made, *made.node.find_all()]):
            db.grant_connect(principal)
    else:
        made = make(stack, db)
        db.run_before(made)
    template = Template.of(stack)
    template.order()
    grants = {id for id, grant in template.grants_by_id().items() if grant["Database"] == "main"}
    assert grants
    for resource in main_resources(made):
        assert grants <= {*template.resources[logical_id(resource)]["DependsOn"]}


def test_a_service_waits_for_the_grant_of_its_task_role(stack: cdk.Stack) -> None:
    db = DistributedDatabase(stack, "main")
    made = service(stack, db)
    grant = db.grants.of(made)  # type: ignore[arg-type]
    assert grant is db.grants.of(made.task_definition.task_role)  # type: ignore[attr-defined]
    made.node.add_dependency(grant)
    template = Template.of(stack)
    template.order()
    (mapped,) = template.ids("Custom::DsqlGrant")
    assert {mapped, *template.ids("AWS::IAM::RolePolicy")} <= {*template.named(made)["DependsOn"]}


def test_the_grant_of_a_function_is_that_of_its_role_in_its_stack(app: cdk.App, stack: cdk.Stack) -> None:
    db = DistributedDatabase(stack, "main")
    role = iam.Role(stack, "Role", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
    functions = [function(each, role=role) for each in (cdk.Stack(app, "One"), cdk.Stack(app, "Two"))]
    for fn in functions:
        db.grant_connect(fn)
    first, second = (db.grants.of(fn) for fn in functions)
    assert first is not second
    assert [cdk.Stack.of(each) for each in (first, second)] == [cdk.Stack.of(fn) for fn in functions]
    assert db.grants.of(role) in (first, second)
    assert DatabaseGrants.from_database(db).of(functions[0]) is first


def test_fails_to_wait_for_a_grant_that_does_not_exist(stack: cdk.Stack) -> None:
    db = DistributedDatabase(stack, "main")
    with pytest.raises(ConstructError, match="Bank/Fn has no grant on Bank/main") as refused:
        db.grants.of(function(stack))
    assert "grant_connect first" in refused.value.remedy


@pytest.mark.parametrize("make", [project, machine, instance, service, scheduled], ids=lambda it: it.__name__)
def test_a_dependency_on_the_migrator_closes_no_circle(
    stack: cdk.Stack, make: Callable[[cdk.Stack, DistributedDatabase], IConstruct]
) -> None:
    db = DistributedDatabase(stack, "main")
    make(stack, db).node.add_dependency(db.migrator)
    Template.of(stack).order()


def test_fails_without_a_migrator(stack: cdk.Stack) -> None:
    db = DistributedDatabase.from_cluster_identifier(stack, "main", IDENTIFIER)
    with pytest.raises(ConstructError, match="has no migrations to run before anything"):
        db.run_before(function(stack))


@pytest.mark.parametrize("wait", [True, False])
@pytest.mark.parametrize("layer", [True, False])
def test_layer_and_order_of_a_function_can_be_left_out(stack: cdk.Stack, wait: bool, layer: bool) -> None:
    db = DistributedDatabase(stack, "main")
    fn = function(stack)
    db.grant_connect(fn, wait=wait, layer=layer)
    template = Template.of(stack)
    resource = template.named(fn)
    made = {*template.ids("Custom::DsqlGrant"), *template.ids("AWS::IAM::RolePolicy")}
    assert len(made) == 2
    assert made & {*resource["DependsOn"]} == (made if wait else set())
    assert (logical_id(db.migrator.migrated) in template.needs(logical_id(fn))) == wait
    assert ("Layers" in resource["Properties"]) == layer
    assert "BLOCKS_MAIN_ROLE" in resource["Properties"]["Environment"]["Variables"]


@pytest.mark.parametrize("kind", ["inline", "managed"])
def test_a_role_with_a_policy_on_another_granted_function(stack: cdk.Stack, kind: str) -> None:
    """The grant needs the role, which needs the other function; neither needs the grant of the first."""
    db = DistributedDatabase(stack, "main")
    called = function(stack, "Called")
    statement = iam.PolicyStatement(actions=["lambda:InvokeFunction"], resources=[called.function_arn])
    principal = iam.ServicePrincipal("lambda.amazonaws.com")
    if kind == "inline":
        document = iam.PolicyDocument(statements=[statement])
        role = iam.Role(stack, "Role", assumed_by=principal, inline_policies={"Call": document})
    else:
        managed = iam.ManagedPolicy(stack, "Call", statements=[statement])
        role = iam.Role(stack, "Role", assumed_by=principal, managed_policies=[managed])
    caller = function(stack, "Caller", role=role)
    for fn in (called, caller):
        db.grant_connect(fn)
    template = Template.of(stack)
    template.order()
    assert logical_id(called) in template.needs(logical_id(caller))
    assert len(template.grants()) == 2
