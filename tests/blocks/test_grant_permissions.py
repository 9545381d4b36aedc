"""The IAM permission of a grant: a policy of its own for roles of the app, and what the CDK does for others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import aws_cdk as cdk
import pytest
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk.assertions import Annotations, Match

from blocks import Access, AtomicTable, DistributedDatabase
from tests.blocks.test_fixed_roles import WARNING
from tests.support.template_reader import Template, function, logical_id

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.template_reader import Json

CLUSTER = {"Fn::GetAtt": ["main7AD10839", "ResourceArn"]}
EC2 = iam.ServicePrincipal("ec2.amazonaws.com")
ARN = "arn:aws:iam::123456789012:role/team/app"


@pytest.fixture
def db(stack: cdk.Stack) -> DistributedDatabase:
    return DistributedDatabase(stack, "main")


def own_policies(template: Template) -> list[str]:
    return template.ids("AWS::IAM::RolePolicy")


def a_role(stack: cdk.Stack) -> iam.IGrantable:
    return iam.Role(stack, "Role", assumed_by=EC2)


def a_lazy_role(stack: cdk.Stack) -> iam.IGrantable:
    return iam.LazyRole(stack, "Role", assumed_by=EC2)


def an_imported_role(stack: cdk.Stack) -> iam.IGrantable:
    return iam.Role.from_role_arn(stack, "Role", ARN)


def an_immutable_role(stack: cdk.Stack) -> iam.IGrantable:
    return iam.Role.from_role_arn(stack, "Role", ARN, mutable=False)


def a_role_without_policy_updates(stack: cdk.Stack) -> iam.IGrantable:
    return iam.Role(stack, "Role", assumed_by=EC2).without_policy_updates()


def a_user(stack: cdk.Stack) -> iam.IGrantable:
    return iam.User(stack, "User")


def an_imported_user(stack: cdk.Stack) -> iam.IGrantable:
    return iam.User.from_user_arn(stack, "User", ARN.replace("role/", "user/"))


@pytest.mark.parametrize(
    ("make", "own", "others", "warned"),
    [
        (a_role, 1, 0, False),
        (a_lazy_role, 1, 0, False),
        (an_imported_role, 1, 0, False),
        (an_immutable_role, 0, 0, True),
        (a_role_without_policy_updates, 0, 0, True),
        (a_user, 0, 1, False),
        (an_imported_user, 0, 1, False),
    ],
    ids=lambda value: value.__name__ if callable(value) else None,
)
def test_each_kind_of_grantee_has_its_permission(
    stack: cdk.Stack,
    db: DistributedDatabase,
    make: Callable[[cdk.Stack], iam.IGrantable],
    own: int,
    others: int,
    warned: bool,
) -> None:
    assert db.grant_connect(make(stack)).success
    template = Template.of(stack)
    template.order()
    found = [row for row in template.statements() if row[1] == ("dsql:DbConnect",)]
    assert len(own_policies(template)) == own
    assert len(found) == own + others
    assert all(resource == CLUSTER for _, _, resource in found)
    assert len(template.grants()) == 1
    entries = Annotations.from_stack(stack).find_warning("*", WARNING)
    assert bool(entries) is warned
    for entry in entries:
        assert '"Action": "dsql:DbConnect"' in str(entry.entry.data)
        assert '"Resource": "(main7AD10839.ResourceArn)"' in str(entry.entry.data)


def a_principal_without_policies(stack: cdk.Stack) -> iam.IGrantable:
    return iam.ArnPrincipal(ARN)


def a_role_of_another_account(stack: cdk.Stack) -> iam.IGrantable:
    return iam.Role.from_role_arn(stack, "Role", ARN.replace("123456789012", "210987654321"))


def a_group(stack: cdk.Stack) -> iam.IGrantable:
    return iam.Group(stack, "Group")


def a_managed_policy(stack: cdk.Stack) -> iam.IGrantable:
    statement = iam.PolicyStatement(actions=["s3:ListAllMyBuckets"], resources=["*"])
    return iam.ManagedPolicy(stack, "Managed", statements=[statement])


CHANGEABLE = (a_role, an_imported_role, a_user, an_imported_user)
FIXED = (an_immutable_role, a_role_without_policy_updates, a_role_of_another_account)
OF_A_TABLE = {"grant_read": ("BatchGetItem", "GetItem", "Query"), "grant_read_write": ("PutItem",)}
WARNED: dict[str, tuple[Callable[[cdk.Stack], iam.IGrantable], str, bool]] = {
    **{
        f"{make.__name__}, {call}": (make, call, False)
        for make in CHANGEABLE
        for call in ("actions", *OF_A_TABLE)
    },
    **{
        f"{make.__name__}, {call}": (make, call, True)
        for make in FIXED
        for call in ("actions", "admin", *OF_A_TABLE)
    },
    **{f"{make.__name__}, table": (make, "grant_read", False) for make in (a_group, a_managed_policy)},
    "principal": (a_principal_without_policies, "grant_read", True),
}


@pytest.mark.parametrize(("make", "call", "warned"), WARNED.values(), ids=WARNED)
def test_a_permission_is_given_or_listed(
    app: cdk.App, make: Callable[[cdk.Stack], iam.IGrantable], call: str, warned: bool
) -> None:
    stack = cdk.Stack(app, "Own", env=cdk.Environment(account="123456789012", region="us-east-1"))
    grantee = make(stack)
    block = "table" if call in OF_A_TABLE else "dsql"
    if block == "table":
        key = kms.Key(stack, "Key")
        getattr(AtomicTable(stack, "locks", encryption_key=key), call)(grantee)
        wanted = [*(f"dynamodb:{action}" for action in OF_A_TABLE[call]), "kms:Decrypt"]
    else:
        db = DistributedDatabase(stack, "main")
        wanted = ["dsql:GetCluster" if call == "actions" else "dsql:DbConnectAdmin"]
        if call == "actions":
            db.grant(grantee, *wanted)
        else:
            db.grant_connect_admin(grantee)
    template = Template.of(stack)
    policies = [each for each in template.resources.values() if "Policy" in each["Type"]]
    entries = Annotations.from_stack(stack).find_warning("*", WARNING)
    assert bool(entries) is warned
    text = " ".join(str(each.entry.data) for each in entries) if warned else json.dumps(policies)
    assert not [action for action in wanted if f'"{action}"' not in text]
    if warned:
        assert f"@blocks/{block}:permissionsByHand" in text
        assert "imported" not in text
        assert "in place of each name in parentheses write its value, a resource of the stack Own" in text
    others = Annotations.from_stack(stack).find_warning(
        "*", Match.string_like_regexp(f"blocks/{block}:otherAccount")
    )
    assert bool(others) is (make is a_role_of_another_account)


def test_a_policy_is_replaced_with_its_role_and_has_a_name_of_its_own(stack: cdk.Stack) -> None:
    made = iam.Role(stack, "Role", assumed_by=EC2)
    for id in ("left", "right"):
        DistributedDatabase(stack, id).grant_connect(made)
    template = Template.of(stack)
    properties = [template.resources[id]["Properties"] for id in own_policies(template)]
    assert [each["RoleName"] for each in properties] == [{"Ref": logical_id(made)}] * 2
    names = {each["PolicyName"] for each in properties}
    assert len(names) == 2
    assert all(name.isalnum() and len(name) <= 128 for name in names)


def test_another_imported_role_gets_a_policy_of_its_own(assembly: Path) -> None:
    """The former role keeps its permission until the cleanup, since the former code still runs as it."""

    def made(name: str) -> dict[str, Json]:
        stack = cdk.Stack(cdk.App(outdir=str(assembly / name)), "Bank")
        role = iam.Role.from_role_arn(stack, "Role", f"{ARN}-{name}")
        DistributedDatabase(stack, "main").grant_connect(function(stack, role=role))
        template = Template.of(stack)
        return {id: template.resources[id]["Properties"] for id in own_policies(template)}

    (before,), (after,) = made("a").values(), made("b").values()
    assert (before["RoleName"], after["RoleName"]) == ("app-a", "app-b")


def test_policies_of_two_deploys_on_one_role_have_names_of_their_own(assembly: Path) -> None:
    """The same app in another Region, or under another stack name, must not overwrite or delete the policy."""
    app = cdk.App(outdir=str(assembly / "names"))
    made, roles = cdk.Stack(app, "Bank"), cdk.Stack(app, "Roles")
    db = DistributedDatabase(made, "main")
    db.grant_connect(function(made, "Imported", role=iam.Role.from_role_arn(made, "Role", ARN)))
    shared = iam.Role(roles, "Shared", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
    db.grant_connect(function(made, "Shared", role=shared))
    template = Template.of(made)
    of_the_stack = {"Fn::Select": [2, {"Fn::Split": ["/", {"Ref": "AWS::StackId"}]}]}
    for id in own_policies(template):
        _, (beginning, stack_id) = template.resources[id]["Properties"]["PolicyName"]["Fn::Join"]
        assert stack_id == of_the_stack
        assert beginning.endswith("-")
        assert len(beginning) + 36 <= 128
    assert len(own_policies(template)) == 2


def test_no_removal_policy_retains_a_grant(app: cdk.App, stack: cdk.Stack, db: DistributedDatabase) -> None:
    fn = function(stack)
    db.grant_connect(fn)
    db.grant_connect_admin(fn)
    cdk.RemovalPolicies.of(app).retain()
    template = Template.of(stack)
    for type in ("Custom::DsqlGrant", "AWS::IAM::RolePolicy"):
        assert template.ids(type)
        for id in template.ids(type):
            assert template.resources[id]["DeletionPolicy"] == "Delete"
            assert template.resources[id]["UpdateReplacePolicy"] == "Delete"


def test_the_access_changes_neither_policy_nor_logical_id(assembly: Path) -> None:
    def made(access: Access, name: str) -> Template:
        stack = cdk.Stack(cdk.App(outdir=str(assembly / name)), "Bank")
        DistributedDatabase(stack, "main").grant_connect(function(stack), access=access)
        return Template.of(stack)

    reader, writer = (made(access, access.value) for access in (Access.READ_ONLY, Access.READ_WRITE))
    changed = {id for id in reader.resources if reader.resources[id] != writer.resources[id]}
    assert {reader.resources[id]["Type"] for id in changed} == {"Custom::DsqlGrant", "AWS::Lambda::Function"}


def test_the_default_policy_loses_the_statement_of_an_earlier_release_after_the_policy_is_there(
    stack: cdk.Stack, db: DistributedDatabase
) -> None:
    fn = function(stack)
    db.grant_connect(fn)
    s3.Bucket(stack, "Bucket").grant_read(fn)
    template = Template.of(stack)
    template.order()
    (default,) = [id for id in template.ids("AWS::IAM::Policy") if id.startswith("FnServiceRole")]
    assert template.resources[default]["DependsOn"] == own_policies(template)
    assert "dsql" not in json.dumps(template.resources[default])


def test_admin_has_a_policy_of_its_own_and_other_actions_are_added_as_the_cdk_does(
    stack: cdk.Stack, db: DistributedDatabase
) -> None:
    made = iam.Role(stack, "Role", assumed_by=EC2)
    db.grant_connect(made)
    db.grant_connect_admin(made)
    db.grant(made, "dsql:GetCluster")
    template = Template.of(stack)
    template.order()
    documents = [template.resources[id]["Properties"]["PolicyDocument"] for id in own_policies(template)]
    actions = sorted(statement["Action"] for each in documents for statement in each["Statement"])
    assert actions == ["dsql:DbConnect", "dsql:DbConnectAdmin"]
    assert len(documents) == 2
    (default,) = [each for id, each in template.resources.items() if id.startswith("RoleDefault")]
    assert sorted(default["DependsOn"]) == sorted(own_policies(template))
    assert "dsql:GetCluster" in str(default)
    assert "DbConnect" not in str(default)


Grants = tuple[str, ...]
CHANGES: dict[str, tuple[Grants, Grants]] = {
    "admin to connect": (("grant_connect_admin",), ("grant_connect",)),
    "connect to admin": (("grant_connect",), ("grant_connect_admin",)),
    "admin to reading": (("grant_connect_admin",), ("grant_read",)),
    "both to connect": (("grant_connect_admin", "grant_connect"), ("grant_connect",)),
    "both to admin": (("grant_connect_admin", "grant_connect"), ("grant_connect_admin",)),
}


@pytest.mark.parametrize(("first", "then"), CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize("path", ["", "nested", "beside"])
def test_no_change_of_a_grant_takes_a_permission_before_the_function_changes(
    tmp_path: Path, first: Grants, then: Grants, path: str
) -> None:
    """Permissions are in resources that are deleted, in the cleanup; none is changed in place."""

    def made(methods: Grants, name: str) -> tuple[Template, str]:
        app = cdk.App(outdir=str(tmp_path / name))
        stack = cdk.Stack(app, "Bank")
        where = stack
        if path:
            where = cdk.NestedStack(stack, "Nested") if path == "nested" else cdk.Stack(app, "Beside")
        db, fn = DistributedDatabase(stack, "main"), function(where)
        db.grant(fn, "dsql:GetCluster")
        for method in methods:
            getattr(db, method)(fn)
        app.synth()
        template = Template(json.loads(Path(app.outdir, where.template_file).read_text("utf-8")))
        return template, logical_id(fn)

    (before, fn), (after, _) = made(first, "before"), made(then, "after")
    for template in (before, after):
        waits = {*own_policies(template), *template.ids("Custom::DsqlGrant")}
        assert waits <= {*template.resources[fn]["DependsOn"]}
        template.order()
    common = before.resources.keys() & after.resources.keys()
    changed = {id for id in common if before.resources[id] != after.resources[id]}
    assert {before.resources[id]["Type"] for id in changed} <= {
        *("AWS::Lambda::Function", "Custom::DsqlGrant", "AWS::IAM::Policy"),
    }
    for id in changed & {*before.ids("AWS::IAM::Policy")}:  # which waits for other policies
        assert before.resources[id]["Properties"] == after.resources[id]["Properties"]


def test_a_returned_grant_can_be_waited_for(stack: cdk.Stack, db: DistributedDatabase) -> None:
    grant = db.grant_connect(iam.Role(stack, "Role", assumed_by=EC2))
    bucket = s3.Bucket(stack, "Bucket")
    grant.apply_before(bucket)
    grant.assert_success()
    template = Template.of(stack)
    assert template.named(bucket)["DependsOn"] == own_policies(template)


def test_a_role_that_customize_roles_replaces_is_reported_and_mapped(tmp_path: Path) -> None:
    app = cdk.App(outdir=str(tmp_path))
    stack = cdk.Stack(app, "S", env=cdk.Environment(account="123456789012", region="us-east-1"))
    names = {"S/main/Migrator/Role": "corp-migrator", "S/Fn/ServiceRole": "corp-fn"}
    iam.Role.customize_roles(stack, use_precreated_roles=names)
    DistributedDatabase(stack, "main").grant_connect(function(stack))
    template = Template.of(stack)
    template.order()
    assert not [type for type in ("Policy", "Role", "RolePolicy") if template.ids(f"AWS::IAM::{type}")]
    (grant,) = template.grants()
    assert json.dumps(grant["RoleArn"]).endswith(':role/corp-fn"]]}')
    report = json.loads((tmp_path / "iam-policy-report.json").read_text(encoding="utf-8"))
    statements = {each["roleConstructPath"]: each["identityPolicyStatements"] for each in report["roles"]}
    assert "dsql:DbConnect" in str(statements["S/Fn/ServiceRole"])
    Annotations.from_stack(stack).has_no_warning("*", WARNING)
    Annotations.from_stack(stack).has_no_error("*", Match.any_value())
