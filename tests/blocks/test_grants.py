"""Grants: IAM on the exact cluster, the mapping for the migrator, and what a function gets beside."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, cast

import aws_cdk as cdk
import pytest
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk.assertions import Annotations, Match
from constructs import Construct

from blocks import ConstructError, DatabaseRole, DistributedDatabase, Privilege
from blocks.bundling import BundlingError
from blocks_runtime.contract import Access
from tests.support.template_reader import Json, Template, function, logical_id

if TYPE_CHECKING:
    from collections.abc import Callable

    from constructs import IConstruct

CLUSTER = {"Fn::GetAtt": ["main7AD10839", "ResourceArn"]}
IMPORTED_ROLE = "arn:aws:iam::123456789012:role/team/app"


@pytest.fixture
def db(stack: cdk.Stack) -> DistributedDatabase:
    return DistributedDatabase(stack, "main")


def mappings(template: Template) -> list[Json]:
    return template.mappings()


def role(stack: cdk.Stack) -> iam.Role:
    return iam.Role(stack, "Role", assumed_by=iam.ServicePrincipal("ec2.amazonaws.com"))


def made_by_alias(stack: cdk.Stack) -> tuple[iam.IGrantable, IConstruct]:
    fn = function(stack)
    alias = lambda_.Alias(stack, "Live", alias_name="live", version=fn.current_version)
    return alias, fn.role  # type: ignore[return-value]


def made_by_version(stack: cdk.Stack) -> tuple[iam.IGrantable, IConstruct]:
    fn = function(stack)
    return fn.current_version, fn.role  # type: ignore[return-value]


def made_by_function(stack: cdk.Stack) -> tuple[iam.IGrantable, IConstruct]:
    fn = function(stack)
    return fn, fn.role  # type: ignore[return-value]


def made_by_role(stack: cdk.Stack) -> tuple[iam.IGrantable, IConstruct]:
    made = role(stack)
    return made, made


def made_by_lazy_role(stack: cdk.Stack) -> tuple[iam.IGrantable, IConstruct]:
    lazy = iam.LazyRole(stack, "Lazy", assumed_by=iam.ServicePrincipal("ec2.amazonaws.com"))
    return lazy, lazy.node.find_child("Default") if lazy.role_arn else lazy


def made_by_user(stack: cdk.Stack) -> tuple[iam.IGrantable, IConstruct]:
    user = iam.User(stack, "User")
    return user, user


def made_by_task(stack: cdk.Stack) -> tuple[iam.IGrantable, IConstruct]:
    task = ecs.FargateTaskDefinition(stack, "Task")
    return task.task_role, task.task_role


def made_by_instance(stack: cdk.Stack) -> tuple[iam.IGrantable, IConstruct]:
    vpc = ec2.Vpc(stack, "Vpc", max_azs=1, nat_gateways=0)
    instance = ec2.Instance(
        stack,
        "Instance",
        vpc=vpc,
        instance_type=ec2.InstanceType("t4g.nano"),
        machine_image=ec2.MachineImage.generic_linux({"us-east-1": "ami-1"}),
    )
    return instance, instance.role


@pytest.mark.parametrize(
    "make",
    [
        made_by_function,
        made_by_alias,
        made_by_version,
        made_by_role,
        made_by_lazy_role,
        made_by_user,
        made_by_task,
        made_by_instance,
    ],
    ids=lambda make: make.__name__.removeprefix("made_by_"),
)
def test_every_grantee_with_a_role_is_granted_this_cluster_only(
    app: cdk.App, make: Callable[[cdk.Stack], tuple[iam.IGrantable, IConstruct]]
) -> None:
    stack = cdk.Stack(app, "Bank", env=cdk.Environment(region="us-east-1"))
    db = DistributedDatabase(stack, "main")
    grantee, identity = make(stack)
    grant = db.grant_connect(grantee)
    assert grant.success
    template = Template.of(stack)
    holder = logical_id(identity)
    dsql = [
        statement
        for statement in template.statements()
        if statement[0] == holder and "dsql" in str(statement)
    ]
    assert dsql == [(holder, ("dsql:DbConnect",), CLUSTER)]
    assert mappings(template) == [
        {
            "DatabaseRole": "blocks_main_read_write",
            "Access": "READ_WRITE",
            "RoleArn": {"Fn::GetAtt": [holder, "Arn"]},
        }
    ]
    template.order()


def test_an_imported_role_is_mapped_by_its_whole_arn(stack: cdk.Stack, db: DistributedDatabase) -> None:
    db.grant_connect(iam.Role.from_role_arn(stack, "Imported", IMPORTED_ROLE))
    (mapping,) = mappings(Template.of(stack))
    assert mapping["RoleArn"] == IMPORTED_ROLE


def test_an_arn_that_is_a_token_is_mapped(stack: cdk.Stack, db: DistributedDatabase) -> None:
    arn = cdk.Fn.import_value("app-role-arn")
    db.grant_connect(iam.Role.from_role_arn(stack, "Imported", arn))
    (mapping,) = mappings(Template.of(stack))
    assert mapping["RoleArn"] == {"Fn::ImportValue": "app-role-arn"}


def test_grants_are_listed_once_and_whatever_their_order(app: cdk.App) -> None:
    def listed(id: str, order: list[int]) -> Json:
        stack = cdk.Stack(app, id)
        db = DistributedDatabase(stack, "main")
        roles = [iam.Role.from_role_arn(stack, f"R{n}", f"{IMPORTED_ROLE}{n}") for n in (1, 2, 3)]
        for n in order:
            db.grant_connect(roles[n], access=Access.READ_ONLY)
        return mappings(Template.of(stack))

    first = listed("First", [0, 1, 2])
    assert [mapping["RoleArn"][-1] for mapping in first] == ["1", "2", "3"]
    assert first == listed("Second", [2, 1, 0, 0, 2])


def test_grantees_whose_paths_look_alike_have_a_grant_each(app: cdk.App) -> None:
    def below(scope: Construct, *ids: str) -> Construct:
        for id in ids:
            known = scope.node.try_find_child(id)
            scope = Construct(scope, id) if known is None else cast("Construct", known)
        return scope

    home, other = cdk.Stack(app, "Home"), cdk.Stack(app, "Other")
    databases = [
        DistributedDatabase(scope, "main")
        for scope in (home, below(home, "a"), below(home, "Other"), other, below(other, "Home"))
    ]
    roles = [
        iam.Role(below(other, *path), "Role", assumed_by=iam.ServicePrincipal("ec2.amazonaws.com"))
        for path in (("a", "b-c"), ("a-b", "c"), ("a~1b", "c"), ("a-", "b"), ("a", "-b"))
    ]
    for database in databases:
        for role in roles:
            database.grant_connect(role)
    assert len(Template.of(other).grants()) == len(databases) * len(roles)


def test_several_grants_of_one_grantee_are_one_resource(stack: cdk.Stack, db: DistributedDatabase) -> None:
    made = role(stack)
    auditor = DatabaseRole("auditor", {"t": {Privilege.SELECT}})
    fn = function(stack, role=made)
    for grantee, access in (
        (made, Access.READ_WRITE),
        (made, auditor),
        (fn, Access.READ_ONLY),
        (made, auditor),
    ):
        db.grant_connect(grantee, access)
    template = Template.of(stack)
    (grant,) = template.grants()
    assert grant["Roles"] == [
        {"DatabaseRole": "blocks_main__auditor", "Privileges": {"public.t": ["SELECT"]}},
        {"DatabaseRole": "blocks_main_read_only", "Access": "READ_ONLY"},
        {"DatabaseRole": "blocks_main_read_write", "Access": "READ_WRITE"},
    ]
    assert len(template.ids("AWS::IAM::RolePolicy")) == 1


def test_a_policy_has_each_statement_once(stack: cdk.Stack, db: DistributedDatabase) -> None:
    made = role(stack)
    db.grant_connect(made)
    grant = db.grants.of(made)
    assert grant is not None
    for action in ("dsql:GetCluster", "dsql:DbConnect", "dsql:GetCluster"):
        assert grant.allow(action, db.cluster_arn).success
    document = Template.of(stack).the("AWS::IAM::RolePolicy")["Properties"]["PolicyDocument"]
    assert [each["Action"] for each in document["Statement"]] == ["dsql:DbConnect", "dsql:GetCluster"]


def test_grants_may_come_after_others_have_read_the_template(
    stack: cdk.Stack, db: DistributedDatabase
) -> None:
    db.grant_connect(function(stack, "Early"))
    assert len(mappings(Template.of(stack))) == 1
    db.grant_connect(role(stack))
    assert len(mappings(Template.of(stack))) == 2


def test_a_function_gets_variables_layer_and_order(stack: cdk.Stack, db: DistributedDatabase) -> None:
    fn = function(stack)
    db.grant_connect(fn, access=Access.READ_ONLY)
    template = Template.of(stack)
    made = template.named(fn)
    assert made["Properties"]["Environment"]["Variables"] == {
        "BLOCKS_MAIN_ENDPOINT": {"Fn::GetAtt": ["main7AD10839", "Endpoint"]},
        "BLOCKS_MAIN_REGION": {"Ref": "AWS::Region"},
        "BLOCKS_MAIN_ROLE": "blocks_main_read_only",
    }
    assert made["Properties"]["Layers"] == [{"Ref": template.ids("AWS::Lambda::LayerVersion")[0]}]
    (grant,) = template.ids("Custom::DsqlGrant")
    (policy,) = template.ids("AWS::IAM::RolePolicy")
    assert {grant, policy} <= set(made["DependsOn"])
    assert logical_id(db.migrator.migrated) in template.resources[grant]["DependsOn"]
    assert fn.role is not None
    assert "DependsOn" not in template.named(fn.role)


def test_functions_share_a_layer_when_they_run_the_same(stack: cdk.Stack, db: DistributedDatabase) -> None:
    arm = lambda_.Architecture.ARM_64
    for id, runtime, architecture in [
        ("A", lambda_.Runtime.PYTHON_3_14, None),
        ("B", lambda_.Runtime.PYTHON_3_14, arm),
        ("C", lambda_.Runtime.PYTHON_3_12, None),
        ("D", lambda_.Runtime.PYTHON_3_14, arm),
    ]:
        fn = function(stack, id, runtime=runtime, architecture=architecture)
        db.grant_connect(fn)
        db.grant_connect(fn, access=Access.READ_ONLY)
    template = Template.of(stack)
    layers = [template.resources[id]["Properties"] for id in template.ids("AWS::Lambda::LayerVersion")]
    assert sorted((*layer["CompatibleRuntimes"], *layer["CompatibleArchitectures"]) for layer in layers) == [
        ("python3.12", "x86_64"),
        ("python3.14", "arm64"),
        ("python3.14", "x86_64"),
    ]
    for id in template.ids("AWS::Lambda::Function"):
        assert len(template.resources[id]["Properties"]["Layers"]) == 1


@pytest.mark.parametrize("kind", ["node", "image"])
def test_other_languages_get_variables_but_no_layer(
    stack: cdk.Stack, db: DistributedDatabase, kind: str
) -> None:
    if kind == "node":
        fn = function(
            stack, runtime=lambda_.Runtime.NODEJS_22_X, code=lambda_.Code.from_inline("exports.handler")
        )
    else:
        repository = ecr.Repository.from_repository_name(stack, "Images", "images")
        fn = lambda_.DockerImageFunction(stack, "Fn", code=lambda_.DockerImageCode.from_ecr(repository))
    db.grant_connect(fn)
    properties = Template.of(stack).named(fn)["Properties"]
    assert "BLOCKS_MAIN_ENDPOINT" in properties["Environment"]["Variables"]
    assert "Layers" not in properties


@pytest.mark.parametrize(
    ("accesses", "role"),
    [
        ([Access.READ_ONLY], "blocks_main_read_only"),
        ([Access.READ_ONLY, Access.READ_WRITE], "blocks_main_read_write"),
        ([Access.READ_WRITE, Access.READ_ONLY], "blocks_main_read_write"),
        ([None], "admin"),
        ([None, Access.READ_ONLY], "blocks_main_read_only"),
        ([Access.READ_ONLY, None], "blocks_main_read_only"),
    ],
    ids=str,
)
def test_the_role_of_a_function_granted_more_than_once(
    stack: cdk.Stack, db: DistributedDatabase, accesses: list[Access | None], role: str
) -> None:
    fn = function(stack)
    for access in accesses:
        if access is None:
            db.grant_connect_admin(fn)
        else:
            db.grant_connect(fn, access=access)
    variables = Template.of(stack).named(fn)["Properties"]["Environment"]["Variables"]
    assert variables["BLOCKS_MAIN_ROLE"] == role


def test_admin_is_granted_by_its_own_method_without_a_mapping(
    stack: cdk.Stack, db: DistributedDatabase
) -> None:
    made = role(stack)
    db.grant_connect_admin(made)
    template = Template.of(stack)
    assert (logical_id(made), ("dsql:DbConnectAdmin",), CLUSTER) in template.statements()
    assert mappings(template) == []


def test_the_grants_class_and_the_methods_do_the_same(app: cdk.App) -> None:
    def statements(id: str, grant: Callable[[DistributedDatabase, iam.IGrantable], object]) -> Json:
        stack = cdk.Stack(app, id)
        grant(DistributedDatabase(stack, "main"), role(stack))
        template = Template.of(stack)
        return template.statements(), mappings(template)

    assert statements("A", lambda db, it: db.grant_connect(it)) == statements(
        "B", lambda db, it: db.grants.connect(it)
    )
    assert statements("C", lambda db, it: db.grant_connect_admin(it)) == statements(
        "D", lambda db, it: db.grants.connect_admin(it)
    )
    assert statements("E", lambda db, it: db.grant(it, "dsql:GetCluster")) == statements(
        "F", lambda db, it: db.grants.actions(it, "dsql:GetCluster")
    )


def test_environment_is_for_containers_and_instances(stack: cdk.Stack, db: DistributedDatabase) -> None:
    assert stack.resolve(db.environment(Access.READ_ONLY)) == {
        "BLOCKS_MAIN_ENDPOINT": {"Fn::GetAtt": ["main7AD10839", "Endpoint"]},
        "BLOCKS_MAIN_REGION": {"Ref": "AWS::Region"},
        "BLOCKS_MAIN_ROLE": "blocks_main_read_only",
    }


def test_a_nested_stack_may_hold_all_of_it(app: cdk.App, stack: cdk.Stack) -> None:
    nested = cdk.NestedStack(stack, "Data")
    DistributedDatabase(nested, "main").grant_connect(function(nested))
    app.synth()
    template = Template(json.loads(Path(app.outdir, nested.template_file).read_text(encoding="utf-8")))
    assert len(mappings(template)) == 1
    template.order()


@pytest.mark.parametrize(
    "principal",
    [iam.ServicePrincipal("lambda.amazonaws.com"), iam.AccountPrincipal("123456789012")],
    ids=["service", "account"],
)
def test_fails_for_a_grantee_without_a_role(db: DistributedDatabase, principal: iam.IGrantable) -> None:
    with pytest.raises(ConstructError, match="Principal cannot be granted access to a database"):
        db.grant_connect(principal)


def test_fails_for_a_function_imported_without_its_role(stack: cdk.Stack, db: DistributedDatabase) -> None:
    arn = "arn:aws:lambda:us-east-1:123456789012:function:f"
    imported = lambda_.Function.from_function_arn(stack, "Imported", arn)
    with pytest.raises(ConstructError, match="Bank/Imported cannot be granted access") as refused:
        db.grant_connect(imported)
    assert "from_function_attributes(role=" in refused.value.remedy


def test_an_imported_function_gives_a_warning_about_its_variables(
    stack: cdk.Stack, db: DistributedDatabase
) -> None:
    made = role(stack)
    arn = "arn:aws:lambda:us-east-1:123456789012:function:f"
    db.grant_connect(
        lambda_.Function.from_function_attributes(stack, "Imported", function_arn=arn, role=made)
    )
    assert len(mappings(Template.of(stack))) == 1
    Annotations.from_stack(stack).has_warning(
        "/Bank/main",
        Match.string_like_regexp(r"Bank/Imported is not a Function of this app.*variablesByHand"),
    )


def test_fails_for_two_databases_whose_variables_would_be_the_same(stack: cdk.Stack) -> None:
    fn = function(stack)
    DistributedDatabase(stack, "my-db").grant_connect(fn)
    with pytest.raises(ConstructError, match=r"variables are both called BLOCKS_MY_DB_…"):
        DistributedDatabase(stack, "my.db").grant_connect(fn)


def test_a_function_may_use_two_databases(stack: cdk.Stack) -> None:
    fn = function(stack)
    for id in ("left", "right"):
        DistributedDatabase(stack, id).grant_connect(fn)
    template = Template.of(stack)
    assert len(template.named(fn)["Properties"]["Environment"]["Variables"]) == 6
    assert len(template.named(fn)["Properties"]["Layers"]) == 1
    template.order()


@pytest.mark.parametrize(
    ("runtime", "architecture", "error", "message"),
    [
        pytest.param(
            lambda_.Runtime.PYTHON_3_11,
            lambda_.Architecture.ARM_64,
            ConstructError,
            "psycopg does not load in Lambda's python3.11 on arm64",
            id="glibc of Amazon Linux 2",
        ),
        pytest.param(
            lambda_.Runtime.PYTHON_3_10,
            lambda_.Architecture.X86_64,
            BundlingError,
            "no bundle for Python 3.10 on x86_64",
            id="too old",
        ),
    ],
)
def test_fails_for_a_python_the_driver_does_not_load_in(
    stack: cdk.Stack,
    db: DistributedDatabase,
    runtime: lambda_.Runtime,
    architecture: lambda_.Architecture,
    error: type[Exception],
    message: str,
) -> None:
    with pytest.raises(error, match=message):
        db.grant_connect(function(stack, runtime=runtime, architecture=architecture))


@pytest.mark.parametrize(
    ("grant", "level"),
    [
        (lambda db, fn: db.grant_connect(fn, Access.READ_ONLY), "read_only"),
        (lambda db, fn: db.grants.connect(fn, Access.READ_ONLY), "read_only"),
        (lambda db, fn: db.grant_read(fn), "read_only"),
        (lambda db, fn: db.grant_read_write(fn), "read_write"),
        (lambda db, fn: db.grant_connect(fn), "read_write"),
    ],
    ids=["position", "grants", "read", "read_write", "default"],
)
def test_access_by_position_and_by_name(
    stack: cdk.Stack,
    db: DistributedDatabase,
    grant: Callable[[DistributedDatabase, lambda_.Function], iam.Grant],
    level: str,
) -> None:
    fn = function(stack)
    assert grant(db, fn).success
    variables = Template.of(stack).named(fn)["Properties"]["Environment"]["Variables"]
    assert variables["BLOCKS_MAIN_ROLE"] == f"blocks_main_{level}"
