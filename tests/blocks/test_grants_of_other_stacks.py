"""Grants of functions with roles of their own in other stacks, and in stacks within stacks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, cast

import aws_cdk as cdk
import jsii
import pytest
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_lambda_event_sources as sources
from aws_cdk import aws_sqs as sqs

from blocks import Access, ConstructError, DistributedDatabase
from tests.support.template_reader import Json, Template, function, logical_id

if TYPE_CHECKING:
    from collections.abc import Callable

    from constructs import IConstruct

MIGRATIONS = Path(__file__).parent / "migrations"
LAMBDA = iam.ServicePrincipal("lambda.amazonaws.com")


@pytest.fixture
def data(app: cdk.App) -> cdk.Stack:
    return cdk.Stack(app, "Data")


@pytest.fixture
def shop(app: cdk.App) -> cdk.Stack:
    return cdk.Stack(app, "Shop")


@pytest.fixture
def db(data: cdk.Stack) -> DistributedDatabase:
    return DistributedDatabase(data, "main", migrations=MIGRATIONS)


def written(app: cdk.App, stack: cdk.Stack) -> Template:
    """Return the template as the assembly has it, which is also how a nested stack is known."""
    return Template(json.loads(Path(app.outdir, stack.template_file).read_text(encoding="utf-8")))


def role(stack: cdk.Stack, id: str = "Role") -> iam.Role:
    return iam.Role(stack, id, assumed_by=LAMBDA)


def exported(template: Template) -> set[str]:
    return {
        output["Export"]["Name"] for output in template.document["Outputs"].values() if "Export" in output
    }


def imported(template: Template) -> set[str]:
    return set(_values_of("Fn::ImportValue", template.document))


def _values_of(key: str, value: Json) -> list[Json]:
    if isinstance(value, dict):
        own = [value[key]] if key in value else []
        return own + [each for inner in value.values() for each in _values_of(key, inner)]
    return [each for inner in value for each in _values_of(key, inner)] if isinstance(value, list) else []


def test_a_function_with_its_own_role_is_granted_in_its_own_stack(
    data: cdk.Stack, shop: cdk.Stack, db: DistributedDatabase
) -> None:
    fn = function(shop)
    db.grant_connect(fn, access=Access.READ_ONLY)
    template, home = Template.of(shop), Template.of(data)
    assert home.grants() == []
    assert fn.role is not None
    (grant,) = template.grants()
    assert grant["RoleArn"] == {"Fn::GetAtt": [logical_id(fn.role), "Arn"]}
    (policy,) = (template.resources[id]["Properties"] for id in template.ids("AWS::IAM::RolePolicy"))
    assert policy["RoleName"] == {"Ref": logical_id(fn.role)}
    assert {*template.ids("Custom::DsqlGrant"), *template.ids("AWS::IAM::RolePolicy")} <= {
        *template.named(fn)["DependsOn"]
    }
    assert shop.dependencies == [data]
    assert "Elsewhere" not in home.named(db.migrator.migrated)["Properties"]
    template.order()
    home.order()


def test_the_role_may_be_granted_resources_of_its_own_stack(
    data: cdk.Stack, shop: cdk.Stack, db: DistributedDatabase
) -> None:
    fn = function(shop)
    db.grant_connect(fn)
    key = dynamodb.Attribute(name="id", type=dynamodb.AttributeType.STRING)
    dynamodb.TableV2(shop, "Table", partition_key=key).grant_read_data(fn)
    fn.add_event_source(sources.SqsEventSource(sqs.Queue(shop, "Queue")))
    Template.of(shop).order()
    assert data.dependencies == []


def as_itself(shop: cdk.Stack, made: iam.Role) -> iam.IRole:
    del shop
    return made


def as_imported(shop: cdk.Stack, made: iam.Role) -> iam.IRole:
    return iam.Role.from_role_arn(shop, "Imported", made.role_arn)


@pytest.mark.parametrize("use", [as_itself, as_imported])
@pytest.mark.parametrize("path", [None, "/team/shop/"])
def test_a_role_of_the_databases_stack_is_granted_in_the_functions_stack(
    data: cdk.Stack,
    shop: cdk.Stack,
    db: DistributedDatabase,
    use: Callable[[cdk.Stack, iam.Role], iam.IRole],
    path: str | None,
) -> None:
    made = iam.Role(data, "Role", assumed_by=LAMBDA, path=path)
    db.grant_connect(function(shop, role=use(shop, made)))
    home, template = Template.of(data), Template.of(shop)
    arn = {"Fn::GetAtt": [logical_id(made), "Arn"]}
    assert home.grants() == []
    (grant,) = template.grants()
    assert list(grant["RoleArn"]) == ["Fn::ImportValue"]
    # The migrator keeps the mapping of the earlier release until this stack is deployed.
    assert home.named(db.migrator.migrated)["Properties"]["Elsewhere"] == [
        {"DatabaseRole": "blocks_main_read_write", "RoleArn": arn}
    ]
    for each in (home, template):
        each.order()
    names = [holder for holder, actions, _ in template.statements() if actions == ("dsql:DbConnect",)]
    assert names
    # The function imports the ARN with or without the grant; an export of the name could not be deleted with it.
    assert {value for value in imported(template) if "Role" in value} == {grant["RoleArn"]["Fn::ImportValue"]}


@jsii.implements(cdk.IAspect)
class MovesRoles:
    def visit(self, node: IConstruct) -> None:
        if isinstance(node, iam.CfnRole):
            node.path = "/team/x/"


def by_aspect(app: cdk.App, made: iam.Role) -> None:
    cdk.Aspects.of(app).add(MovesRoles())


def by_override(app: cdk.App, made: iam.Role) -> None:
    cast("iam.CfnRole", made.node.default_child).add_property_override("Path", "/team/x/")


def by_nothing(app: cdk.App, made: iam.Role) -> None:
    pass


@pytest.mark.parametrize("of", ["a grantee", "the migrator"])
@pytest.mark.parametrize("move", [by_nothing, by_aspect, by_override])
def test_a_policy_names_the_role_of_another_stack_wherever_its_path_is_from(
    app: cdk.App, of: str, move: Callable[[cdk.App, iam.Role], None]
) -> None:
    roles, home = cdk.Stack(app, "Roles"), cdk.Stack(app, "Home")
    made = iam.Role(roles, "Role", assumed_by=LAMBDA)
    if of == "a grantee":
        DistributedDatabase(home, "main").grant_connect(function(home, role=made))
    else:
        DistributedDatabase(home, "main", migrator_role=made)
    move(app, made)
    outputs, template = Template.of(roles).document["Outputs"], Template.of(home).resources
    named = [
        name
        for each in template.values()
        if each["Type"] in {"AWS::IAM::RolePolicy", "AWS::IAM::Policy"}
        for name in each["Properties"].get("Roles", [each["Properties"].get("RoleName")])
        if "Ref" not in name
    ]
    assert named
    for name in named:
        read = name["Fn::GetStackOutput"]
        assert (read["StackName"], outputs[read["OutputName"]]["Value"]) == (
            "Roles",
            {"Ref": logical_id(made)},
        )
        assert "Export" not in outputs[read["OutputName"]]


REPLACED: tuple[dict[str, str], ...] = ({}, {"path": "/team/"}, {"role_name": "renamed"})
"""Properties with which CloudFormation replaces a role."""


@pytest.mark.parametrize("of", ["a grantee", "the migrator"])
def test_a_replaced_role_has_another_output_so_that_the_policy_is_read_again(of: str) -> None:
    names = set()
    for properties in REPLACED * 2:
        app = cdk.App()
        roles, home = cdk.Stack(app, "Roles"), cdk.Stack(app, "Home")
        made = iam.Role(roles, "Role", assumed_by=LAMBDA, **properties)  # type: ignore[arg-type]
        if of == "a grantee":
            DistributedDatabase(home, "main").grant_connect(function(home, role=made))
        else:
            DistributedDatabase(home, "main", migrator_role=made)
        read = _values_of("Fn::GetStackOutput", Template.of(home).document)
        names.add(frozenset(str(each["OutputName"]) for each in read if isinstance(each, dict)))
    assert len(names) == len(REPLACED), "and it is the same for the same role"


def test_the_statement_stays_in_a_role_of_the_databases_stack(
    data: cdk.Stack, shop: cdk.Stack, db: DistributedDatabase
) -> None:
    """The stack of the database is deployed first, when the policy in the function's stack is not there yet."""
    made = role(data)
    db.grant_connect(function(shop, role=made))
    for template in (Template.of(data), Template.of(shop)):
        assert ("dsql:DbConnect",) in [actions for _, actions, _ in template.statements()]


def test_two_stacks_with_one_role_have_a_grant_and_a_policy_each(
    app: cdk.App, data: cdk.Stack, db: DistributedDatabase
) -> None:
    made = role(data)
    names = set()
    for id in ("One", "Two"):
        stack = cdk.Stack(app, id)
        for number in (1, 2):
            db.grant_connect(function(stack, f"Fn{number}", role=made))
        template = Template.of(stack)
        assert len(template.grants()) == 1
        names.add(str(template.the("AWS::IAM::RolePolicy")["Properties"]["PolicyName"]))
    assert len(names) == 2


def test_removing_the_last_grant_removes_no_export(app: cdk.App, assembly: Path) -> None:
    def templates(app: cdk.App, *, granted: bool) -> tuple[Template, Template]:
        data, shop = cdk.Stack(app, "Data"), cdk.Stack(app, "Shop")
        db = DistributedDatabase(data, "main")
        made = role(data)
        functions = [
            function(shop, "A", role=iam.Role.from_role_arn(shop, "RoleA", made.role_arn)),
            function(shop, "B", role=made),
            function(shop, "C"),
        ]
        for fn in functions if granted else ():
            db.grant_connect(fn)
        return Template.of(data), Template.of(shop)

    before, after = (
        templates(cdk.App(outdir=str(assembly / name)), granted=name == "with")
        for name in ("with", "without")
    )
    assert imported(before[1]) <= exported(before[0])
    # The stack of the database is deployed first, while the other one still imports what it did.
    assert imported(before[1]) <= exported(after[0])
    assert after[1].grants() == []


@pytest.mark.parametrize("strength", ["strong", "weak", "both"])
def test_every_strength_of_references_between_stacks(assembly: Path, strength: str) -> None:
    context = {"@aws-cdk/core:defaultCrossStackReferences": strength}
    app = cdk.App(outdir=str(assembly / strength), context=context)
    data, shop = cdk.Stack(app, "Data"), cdk.Stack(app, "Shop")
    db = DistributedDatabase(data, "main")
    db.grant_connect(function(shop))
    db.grant_connect(function(shop, "Old", role=role(data)))
    for stack in (data, shop):
        Template.of(stack).order()
    assert len(Template.of(shop).grants()) == 2
    assert shop.dependencies == [data]


def test_an_exported_resource_can_get_another_logical_id(data: cdk.Stack, db: DistributedDatabase) -> None:
    db.cluster.override_logical_id("Cluster")
    assert "Cluster" in Template.of(data).resources


LAYOUTS = {
    "database nested": ("Data", ""),
    "function nested": ("", "Code"),
    "both nested": ("Data", "Code"),
    "together": ("Data", "Data"),
}


@pytest.mark.parametrize("own_role", [True, False], ids=["own role", "role of the parent"])
@pytest.mark.parametrize(("home", "place"), LAYOUTS.values(), ids=LAYOUTS)
def test_nested_stacks(app: cdk.App, stack: cdk.Stack, home: str, place: str, own_role: bool) -> None:
    nested = {"": stack} | {id: cdk.NestedStack(stack, id) for id in sorted({home, place} - {""})}
    db = DistributedDatabase(nested[home], "main", migrations=MIGRATIONS)
    fn = function(nested[place]) if own_role else function(nested[place], role=role(stack))
    db.grant_connect(fn)
    if own_role:  # the policy of a role of the parent cannot name what is in the nested stack that needs it
        key = dynamodb.Attribute(name="id", type=dynamodb.AttributeType.STRING)
        dynamodb.TableV2(nested[place], "Table", partition_key=key).grant_read_data(fn)
    app.synth()
    templates = {id: written(app, each) for id, each in nested.items()}
    for template in templates.values():
        template.order()
    assert {id: len(template.grants()) for id, template in templates.items() if template.grants()} == {
        place: 1
    }
    (grant,) = templates[place].ids("Custom::DsqlGrant")
    assert grant in templates[place].needs(logical_id(fn))
    migrated = logical_id(db.migrator.migrated)
    if home == place:
        assert migrated in templates[place].needs(grant)
        return
    outer = templates[""]
    ids = {id: logical_id(each.nested_stack_resource) for id, each in nested.items() if id}  # type: ignore[arg-type]
    first, then = ids.get(home, migrated), ids.get(place, grant)
    assert first in outer.needs(then)


def test_a_database_and_a_nested_function_of_another_stack(
    app: cdk.App, data: cdk.Stack, shop: cdk.Stack, db: DistributedDatabase
) -> None:
    nested = cdk.NestedStack(shop, "Code")
    db.grant_connect(function(nested))
    app.synth()
    for stack in (data, shop, nested):
        written(app, stack).order()
    assert len(written(app, nested).grants()) == 1
    assert shop.dependencies == [data]


def test_a_nested_database_exports_for_other_stacks(app: cdk.App, data: cdk.Stack, shop: cdk.Stack) -> None:
    db = DistributedDatabase(cdk.NestedStack(data, "Nested"), "main")
    fn = function(shop)
    names = exported(written_after_synth(app, data))
    db.grant_connect(fn)
    assert imported(Template.of(shop)) <= names


def written_after_synth(app: cdk.App, stack: cdk.Stack) -> Template:
    app.synth()
    return written(app, stack)


def test_stages_have_the_same_logical_ids(app: cdk.App) -> None:
    ids = []
    for name in ("Beta", "Prod"):
        stage = cdk.Stage(app, name)
        data, shop = cdk.Stack(stage, "Data"), cdk.Stack(stage, "Shop")
        DistributedDatabase(data, "main").grant_connect(function(shop))
        template = Template(stage.synth().get_stack_by_name(shop.stack_name).template)
        ids.append(sorted(template.resources))
        template.order()
    assert ids[0] == ids[1]


def test_a_grantee_in_a_stack_that_the_database_needs_is_granted_beside_the_database(app: cdk.App) -> None:
    network, data = cdk.Stack(app, "Network"), cdk.Stack(app, "Data")
    vpc = ec2.Vpc(network, "Vpc", max_azs=1)
    db = DistributedDatabase(data, "main", migrator_vpc=vpc)
    made = role(network)
    db.grant_connect(made)
    template = Template.of(data)
    assert len(template.grants()) == len(template.ids("AWS::IAM::RolePolicy")) == 1
    assert network.dependencies == []


def test_admin_is_granted_to_a_role_of_a_stack_that_the_database_needs(app: cdk.App) -> None:
    """Such as a bastion host in the stack of the VPC: its policies are in the stack of the database."""
    network, data = cdk.Stack(app, "Network"), cdk.Stack(app, "Data")
    db = DistributedDatabase(data, "main", migrator_vpc=ec2.Vpc(network, "Vpc", max_azs=1))
    made = role(network)
    assert db.grant_connect_admin(made).success
    assert db.grant(made, "dsql:GetCluster").success
    template = Template.of(data)
    granted = {"dsql:DbConnectAdmin", "dsql:GetCluster"}
    named = [(holder, actions) for holder, actions, _ in template.statements() if granted & {*actions}]
    elsewhere = {action for holder, (action,) in named if "Fn::GetStackOutput" in holder}
    assert elsewhere == granted
    assert network.dependencies == []


def test_a_grantee_in_a_stack_that_the_database_needs_by_way_of_another_is_granted_beside_it(
    app: cdk.App, data: cdk.Stack, db: DistributedDatabase
) -> None:
    network, between = cdk.Stack(app, "Network"), cdk.Stack(app, "Between")
    between.add_stack_dependency(network)
    data.add_stack_dependency(between)
    db.grant_connect(role(network))
    assert len(Template.of(data).grants()) == 1


@pytest.mark.parametrize("method", ["grant_connect", "grant_connect_admin"])
def test_fails_for_a_function_in_a_stack_that_the_database_needs(
    app: cdk.App, data: cdk.Stack, db: DistributedDatabase, method: str
) -> None:
    network = cdk.Stack(app, "Network")
    data.add_stack_dependency(network)
    with pytest.raises(
        ConstructError, match="Network/Fn is in the stack Network, which is deployed before Data"
    ):
        getattr(db, method)(function(network))


def test_fails_for_a_function_in_another_stage(app: cdk.App) -> None:
    data, shop = (cdk.Stack(cdk.Stage(app, id), id) for id in ("Data", "Shop"))
    db = DistributedDatabase(data, "main")
    with pytest.raises(ConstructError, match="Shop/Shop/Fn and Data/Data with the database are in different"):
        db.grant_connect(function(shop))


@pytest.mark.parametrize("region", ["eu-west-1", None])
def test_fails_for_a_function_in_another_environment(app: cdk.App, region: str | None) -> None:
    account = "123456789012"
    data = cdk.Stack(app, "Data", env=cdk.Environment(account=account, region="us-east-1"))
    shop = cdk.Stack(app, "Shop", env=cdk.Environment(account=account, region=region))
    db = DistributedDatabase(data, "main")
    with pytest.raises(
        ConstructError, match=r"Shop/Fn is in the stack Shop \(aws://123456789012/"
    ) as refused:
        db.grant_connect(function(shop))
    assert "multi_region=" in refused.value.remedy


def test_an_imported_role_of_another_environment_is_granted_beside_the_database(app: cdk.App) -> None:
    data = cdk.Stack(app, "Data", env=cdk.Environment(account="123456789012", region="us-east-1"))
    other = cdk.Stack(app, "Other", env=cdk.Environment(account="123456789012", region="eu-west-1"))
    arn = "arn:aws:iam::123456789012:role/app"
    DistributedDatabase(data, "main").grant_connect(iam.Role.from_role_arn(other, "Role", arn, mutable=False))
    (grant,) = Template.of(data).grants()
    assert grant["RoleArn"] == arn


def test_the_runtime_of_the_function_may_be_any(shop: cdk.Stack, db: DistributedDatabase) -> None:
    code = lambda_.Code.from_inline("exports.handler")
    db.grant_connect(function(shop, runtime=lambda_.Runtime.NODEJS_22_X, code=code))
    assert len(Template.of(shop).grants()) == 1


def leaf(data: cdk.Stack, called: lambda_.Function) -> iam.Role:
    del called
    return role(data)


def with_an_inline_policy(data: cdk.Stack, called: lambda_.Function) -> iam.Role:
    statement = iam.PolicyStatement(actions=["lambda:InvokeFunction"], resources=[called.function_arn])
    document = iam.PolicyDocument(statements=[statement])
    return iam.Role(data, "Role", assumed_by=LAMBDA, inline_policies={"Call": document})


def with_a_managed_policy(data: cdk.Stack, called: lambda_.Function) -> iam.Role:
    statement = iam.PolicyStatement(actions=["lambda:InvokeFunction"], resources=[called.function_arn])
    managed = iam.ManagedPolicy(data, "Call", statements=[statement])
    return iam.Role(data, "Role", assumed_by=LAMBDA, managed_policies=[managed])


def with_a_dependency(data: cdk.Stack, called: lambda_.Function) -> iam.Role:
    made = role(data)
    made.node.add_dependency(called)
    return made


@pytest.mark.parametrize(
    ("make", "is_named"),
    [
        (leaf, True),
        (with_an_inline_policy, False),
        (with_a_managed_policy, False),
        (with_a_dependency, False),
    ],
)
def test_the_migrations_name_only_roles_that_depend_on_nothing(
    data: cdk.Stack,
    shop: cdk.Stack,
    db: DistributedDatabase,
    make: Callable[[cdk.Stack, lambda_.Function], iam.Role],
    is_named: bool,
) -> None:
    called = function(data, "Called")
    db.grant_connect(called)
    db.grant_connect(function(shop, role=make(data, called)))
    template = Template.of(data)
    template.order()
    assert ("Elsewhere" in template.named(db.migrator.migrated)["Properties"]) == is_named


def test_a_role_that_is_a_text_is_named_as_well(
    data: cdk.Stack, shop: cdk.Stack, db: DistributedDatabase
) -> None:
    arn = "arn:aws:iam::123456789012:role/app"
    db.grant_connect(iam.Role.from_role_arn(shop, "Role", arn))
    db.grant_connect(iam.Role.from_role_name(shop, "Named", "shop-orders"), access=Access.READ_ONLY)
    migrations = Template.of(data).named(db.migrator.migrated)
    assert [row["DatabaseRole"] for row in migrations["Properties"]["Elsewhere"]] == [
        "blocks_main_read_only",
        "blocks_main_read_write",
    ]
    assert migrations["Properties"]["Elsewhere"][1]["RoleArn"] == arn
