"""A database in two Regions as templates: what each stack holds, who may do what, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk.assertions import Annotations, Match
from syrupy.extensions.json import JSONSnapshotExtension

from blocks import BackupPolicy, ConstructError
from blocks_cli.control_plane.authorization import required_permissions
from blocks_cli.control_plane.cluster import ClusterId
from blocks_runtime.contract import Access
from examples.two_regions.stacks import add_hotel
from tests.support.template_reader import Template, function, logical_id, readable
from tests.support.two_regions import ACCOUNT, EAST, OHIO, WEST, database, refusing, stack_in

if TYPE_CHECKING:
    from syrupy.assertion import SnapshotAssertion

    from blocks_cli.json_value import Json

ROOT = Path(__file__).parents[2]


def templates(*stacks: cdk.Stack) -> list[Template]:
    """Synthesize the app once and return the templates of its stacks."""
    app = stacks[0].node.root
    assert isinstance(app, cdk.App)
    assembly = app.synth(force=True)
    return [Template(assembly.get_stack_by_name(stack.stack_name).template) for stack in stacks]


# --- the templates ----------------------------------------------------------------------------------


def test_the_templates_of_the_example(app: cdk.App, snapshot: SnapshotAssertion) -> None:
    add_hotel(app, ACCOUNT)
    for name in ("HotelOhio", "HotelVirginia"):
        template = app.synth().get_stack_by_name(name).template
        outputs = {"Outputs": template["Outputs"]} if "Outputs" in template else {}
        assert readable(template) | outputs == snapshot(name=name, extension_class=JSONSnapshotExtension)


def test_there_is_one_migrator_one_peering_and_no_resource_for_the_witness(
    app: cdk.App, virginia: cdk.Stack, ohio: cdk.Stack
) -> None:
    database(virginia, ohio)
    home, peer = templates(virginia, ohio)
    assert set(home.ids("Custom::DsqlMigrations") + home.ids("Custom::DsqlPeering")) == {
        "mainMigrator38D43FA1",
        "mainPeering5FEB7F77",
    }
    assert [resource["Type"] for resource in peer.resources.values()] == ["AWS::DSQL::Cluster"]
    regions = {stack.environment.region for stack in app.synth().stacks}
    assert regions == {EAST, OHIO}


def test_the_peer_has_its_witness_and_the_primary_its_peer(virginia: cdk.Stack, ohio: cdk.Stack) -> None:
    db = database(virginia, ohio)
    assert db.peer is not None
    home, peer = templates(virginia, ohio)
    assert peer.named(db.peer.cluster)["Properties"]["MultiRegionProperties"] == {"WitnessRegion": WEST}
    (output,) = [
        name
        for name, value in peer.document["Outputs"].items()
        if "ResourceArn" in str(value) and "Export" not in value
    ]
    assert home.named(db.cluster)["Properties"]["MultiRegionProperties"] == {
        "WitnessRegion": WEST,
        "Clusters": [
            {"Fn::GetStackOutput": {"StackName": "Ohio", "Region": OHIO, "OutputName": output}},
        ],
    }


def test_the_peer_is_deployed_first_and_the_migrations_wait_for_the_peering(
    app: cdk.App, virginia: cdk.Stack, ohio: cdk.Stack
) -> None:
    db = database(virginia, ohio)
    assert db.peering is not None
    order = Template.of(virginia).order()
    assert order.index(logical_id(db.peering.peered)) < order.index(logical_id(db.migrator.migrated))
    depends = [stack.id for stack in app.synth().get_stack_by_name("Virginia").dependencies]
    assert "Ohio" in depends


def test_ids_are_frozen_because_a_changed_one_replaces_a_cluster_or_ends_the_peering(
    virginia: cdk.Stack, ohio: cdk.Stack
) -> None:
    database(virginia, ohio)
    home, peer = templates(virginia, ohio)
    assert list(peer.resources) == ["main7AD10839"]
    assert {id for id in home.resources if "Peering" in id} == {
        "mainPeering5FEB7F77",
        "mainPeeringContinue83DCB9FE",
        "mainPeeringFunctionBA913E30",
        "mainPeeringLogGroup718C9A76",
        "mainPeeringPermissions0CD0783D",
        "mainPeeringRoleB91BC0E7",
        "mainPeeringRoleDefaultPolicy341B0869",
    }


def test_no_custom_resource_of_cdk_is_needed_to_read_across_regions(
    app: cdk.App, virginia: cdk.Stack, ohio: cdk.Stack
) -> None:
    db = database(virginia, ohio)
    db.grant_connect(function(ohio))
    types = {
        resource["Type"] for template in templates(virginia, ohio) for resource in template.resources.values()
    }
    assert not any("Export" in type or "SSM" in type for type in types)
    for stack in (virginia, ohio):
        assert Annotations.from_stack(stack).find_warning("*", Match.any_value()) == []


@pytest.mark.parametrize(
    ("policy", "on_delete", "protected"),
    [
        (None, "RETAIN", True),
        (cdk.RemovalPolicy.RETAIN, "RETAIN", True),
        (cdk.RemovalPolicy.DESTROY, "DELETE", False),
    ],
)
def test_both_clusters_are_kept_or_deleted(
    virginia: cdk.Stack, ohio: cdk.Stack, policy: cdk.RemovalPolicy | None, on_delete: str, protected: bool
) -> None:
    db = database(virginia, ohio, removal_policy=policy)
    assert db.peer is not None and db.peering is not None
    home, peer = templates(virginia, ohio)
    for cluster in (home.named(db.cluster), peer.named(db.peer.cluster)):
        assert cluster["DeletionPolicy"] == ("Retain" if protected else "Delete")
        assert cluster["Properties"]["DeletionProtectionEnabled"] is protected
    assert home.named(db.peering.peered)["Properties"]["OnDelete"] == on_delete
    assert ("dsql:DeleteCluster" in json.dumps(home.document)) is not protected


def test_apply_removal_policy_changes_both(virginia: cdk.Stack, ohio: cdk.Stack) -> None:
    db = database(virginia, ohio)
    db.apply_removal_policy(cdk.RemovalPolicy.DESTROY)
    assert db.peer is not None and db.peering is not None
    home, peer = templates(virginia, ohio)
    assert (
        home.named(db.cluster)["DeletionPolicy"] == peer.named(db.peer.cluster)["DeletionPolicy"] == "Delete"
    )
    assert home.named(db.peering.peered)["Properties"]["OnDelete"] == "DELETE"


def test_each_region_has_its_own_key(virginia: cdk.Stack, ohio: cdk.Stack) -> None:
    key = kms.Key(ohio, "Key")
    db = database(virginia, ohio, peer_key=key)
    assert db.peer is not None
    home, peer = templates(virginia, ohio)
    cluster = peer.named(db.peer.cluster)
    assert cluster["Properties"]["KmsEncryptionKey"] == {"Fn::GetAtt": [logical_id(key), "Arn"]}
    statements = peer.named(key)["Properties"]["KeyPolicy"]["Statement"]
    services = [statement["Principal"].get("Service") for statement in statements]
    assert "dsql.amazonaws.com" in services
    assert "KmsEncryptionKey" not in home.named(db.cluster)["Properties"]


def test_each_region_has_its_own_policy(virginia: cdk.Stack, ohio: cdk.Stack) -> None:
    db = database(virginia, ohio, resource_policy=refusing("Home"), peer_policy=refusing("Peer"))
    assert db.peer is not None
    home, peer = templates(virginia, ohio)
    for template, cluster, sid in ((home, db.cluster, "Home"), (peer, db.peer.cluster, "Peer")):
        document = json.loads(template.named(cluster)["Properties"]["PolicyDocument"])
        assert [statement["Sid"] for statement in document["Statement"]] == [sid]
    for stack in (virginia, ohio):
        assert Annotations.from_stack(stack).find_warning("*", Match.any_value()) == []


def test_tags_reach_both_regions(virginia: cdk.Stack, ohio: cdk.Stack) -> None:
    db = database(virginia, ohio, tags={"team": "hotel"})
    assert db.peer is not None and db.peering is not None
    tag = {"Key": "team", "Value": "hotel"}
    home, peer = templates(virginia, ohio)
    assert tag in peer.named(db.peer.cluster)["Properties"]["Tags"]
    for construct in (db.cluster, db.peering.function):
        assert tag in home.named(construct)["Properties"]["Tags"]


# --- grants -----------------------------------------------------------------------------------------


def test_functions_of_both_stacks_get_their_own_endpoint_and_permission(
    virginia: cdk.Stack, ohio: cdk.Stack
) -> None:
    db = database(virginia, ohio)
    assert db.peer is not None
    functions = [function(stack, "Fn") for stack in (virginia, ohio)]
    for fn in functions:
        db.grant_connect(fn)
    places = ((db.cluster, EAST), (db.peer.cluster, OHIO))
    for fn, template, (cluster, region) in zip(functions, templates(virginia, ohio), places, strict=True):
        variables = template.named(fn)["Properties"]["Environment"]["Variables"]
        assert variables == {
            "BLOCKS_MAIN_ENDPOINT": {"Fn::GetAtt": [logical_id(cluster), "Endpoint"]},
            "BLOCKS_MAIN_REGION": region,
            "BLOCKS_MAIN_ROLE": "blocks_main_read_write",
        }
        connects = [row for row in template.statements() if row[1] == ("dsql:DbConnect",)]
        assert [row[2] for row in connects] == [{"Fn::GetAtt": [logical_id(cluster), "ResourceArn"]}]


def test_a_role_of_the_peers_stack_is_read_from_there(virginia: cdk.Stack, ohio: cdk.Stack) -> None:
    db = database(virginia, ohio)
    fn = function(ohio)
    db.grant_connect(fn, access=Access.READ_ONLY)
    db.grant_connect(fn, access=Access.READ_ONLY)
    home, peer = templates(virginia, ohio)
    outputs = peer.document["Outputs"]
    (grant,) = home.grants()
    place = grant["RoleArn"]["Fn::GetStackOutput"]
    assert (place["StackName"], place["Region"]) == ("Ohio", OHIO)
    assert fn.role is not None
    assert outputs[place["OutputName"]]["Value"] == {"Fn::GetAtt": [logical_id(fn.role), "Arn"]}


def test_functions_of_both_stacks_may_share_an_imported_role(virginia: cdk.Stack, ohio: cdk.Stack) -> None:
    db = database(virginia, ohio)
    role = iam.Role.from_role_arn(ohio, "Role", f"arn:aws:iam::{ACCOUNT}:role/app")
    for stack in (virginia, ohio):
        db.grant_connect(function(stack, role=role))
    home, peer = templates(virginia, ohio)
    assert [grant["RoleArn"] for grant in home.grants()] == [f"arn:aws:iam::{ACCOUNT}:role/app"] * 2
    assert [len(each.ids("AWS::IAM::RolePolicy")) for each in (home, peer)] == [1, 1]


@pytest.mark.parametrize("own_role", [True, False])
def test_a_function_nested_in_the_peers_stack_belongs_to_it(
    virginia: cdk.Stack, ohio: cdk.Stack, own_role: bool
) -> None:
    nested = cdk.NestedStack(ohio, "Nested")
    made = iam.Role(ohio, "Role", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
    fn = function(nested) if own_role else function(nested, role=made)
    database(virginia, ohio).grant_connect(fn)
    home, peer = templates(virginia, ohio)
    (grant,) = home.grants()
    told = grant["RoleArn"]["Fn::GetStackOutput"]
    assert told["StackName"] == "Ohio"
    assert told["OutputName"] in peer.document["Outputs"]
    assert virginia not in ohio.dependencies
    peer.order()


def test_a_renamed_role_is_another_output_so_that_the_migrator_reads_it_again(app: cdk.App) -> None:
    names = set()
    for number, role_name in enumerate(("first", "second")):
        home = stack_in(app, EAST, id=f"Home{number}")
        peer = stack_in(app, OHIO, id=f"Peer{number}")
        role = iam.Role(
            peer, "Role", assumed_by=iam.ServicePrincipal("ec2.amazonaws.com"), role_name=role_name
        )
        db = database(home, peer)
        db.grant_connect(role)
        (grant,) = Template.of(home).grants()
        names.add(grant["RoleArn"]["Fn::GetStackOutput"]["OutputName"])
    assert len(names) == 2


def test_a_later_stack_of_the_peers_region_waits_for_the_migrations(
    app: cdk.App, virginia: cdk.Stack, ohio: cdk.Stack
) -> None:
    db = database(virginia, ohio)
    later = stack_in(app, OHIO, id="Later")
    named = iam.Role(
        later,
        "Named",
        assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
        role_name=cdk.PhysicalName.GENERATE_IF_NEEDED,
    )
    made_before = iam.Role(ohio, "Made", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
    for id, role in (("A", named), ("B", made_before)):
        db.grant_connect(function(later, id, role=role))
    grants = Template.of(virginia).grants()
    kinds = sorted(next(iter(grant["RoleArn"])) for grant in grants)
    assert kinds == ["Fn::GetStackOutput", "Fn::Join"]
    depends = {stack.id for stack in app.synth().get_stack_by_name("Later").dependencies}
    assert {"Virginia", "Ohio"} <= depends


def test_an_unnamed_role_of_a_later_stack_is_refused_with_two_remedies(
    app: cdk.App, virginia: cdk.Stack, ohio: cdk.Stack
) -> None:
    db = database(virginia, ohio)
    with pytest.raises(ConstructError, match="which is deployed after the migrations") as refused:
        db.grant_connect(function(stack_in(app, OHIO, id="Later")))
    assert "create the role in Ohio" in refused.value.remedy
    assert "PhysicalName.GENERATE_IF_NEEDED" in refused.value.remedy


@pytest.mark.parametrize(("region", "place"), [("eu-west-1", "eu-west-1"), (None, "no explicit Region")])
def test_a_function_elsewhere_is_refused(
    app: cdk.App, virginia: cdk.Stack, ohio: cdk.Stack, region: str | None, place: str
) -> None:
    db = database(virginia, ohio)
    with pytest.raises(
        ConstructError, match=f"is in {place}, where Virginia/main has no endpoint"
    ) as refused:
        db.grant_connect(function(stack_in(app, region, None if region is None else ACCOUNT, id="Elsewhere")))
    assert refused.value.why == f"the database has endpoints in {EAST} and {OHIO}"


def test_a_container_gets_its_variables_from_the_peer(virginia: cdk.Stack, ohio: cdk.Stack) -> None:
    db = database(virginia, ohio)
    assert db.peer is not None
    assert ohio.resolve(db.peer.environment(Access.READ_ONLY)) == {
        "BLOCKS_MAIN_ENDPOINT": {"Fn::GetAtt": ["main7AD10839", "Endpoint"]},
        "BLOCKS_MAIN_REGION": OHIO,
        "BLOCKS_MAIN_ROLE": "blocks_main_read_only",
    }


# --- permissions ------------------------------------------------------------------------------------


def granted(statements: Any, arns: dict[str, str]) -> set[tuple[str, str]]:
    """Return every (action, ARN) that the statements allow, tokens replaced by `arns`."""

    def resolve(resource: object) -> str:
        text = json.dumps(resource)
        found = [arn for token, arn in arns.items() if token in text]
        if WEST in text:
            return ClusterId(WEST, ClusterId.parse(found[0]).identifier, ACCOUNT).arn
        return found[0] if found else "the service-linked role"

    pairs = set()
    for statement in statements:
        actions, resources = (
            value if isinstance(value := statement[key], list) else [value] for key in ("Action", "Resource")
        )
        pairs |= {(action, resolve(resource)) for action in actions for resource in resources}
    return pairs


@pytest.mark.parametrize("policy", [cdk.RemovalPolicy.RETAIN, cdk.RemovalPolicy.DESTROY])
def test_the_peering_has_exactly_the_permissions_it_needs(
    virginia: cdk.Stack, ohio: cdk.Stack, policy: cdk.RemovalPolicy
) -> None:
    """Allowed actions and ARNs equal those that the calls are authorized for."""
    database(virginia, ohio, removal_policy=policy)
    home, peer = ClusterId(EAST, "a" * 26, ACCOUNT), ClusterId(OHIO, "p" * 26, ACCOUNT)
    properties: dict[str, Json] = {"witnessRegion": WEST, "clusters": [home.arn, peer.arn]}
    needed = {("iam:CreateServiceLinkedRole", "the service-linked role")}
    for place in (home, peer):
        needed |= {*required_permissions("GetCluster", place, frozenset(), {})}
        needed |= {
            *required_permissions("UpdateCluster", place, frozenset(), {"multiRegionProperties": properties})
        }
    if policy is cdk.RemovalPolicy.DESTROY:
        needed |= {*required_permissions("DeleteCluster", peer, frozenset({home.arn}), {})}
    document = Template.of(virginia).resources["mainPeeringPermissions0CD0783D"]["Properties"][
        "PolicyDocument"
    ]
    (identifier,) = [
        part
        for part in Template.of(ohio).document["Outputs"]["mainWitnessedArn78E31681"]["Value"]["Fn::Join"][1]
        if "Fn::GetAtt" in part
    ]
    assert identifier == {"Fn::GetAtt": ["main7AD10839", "Identifier"]}
    witnessed = ClusterId(WEST, peer.identifier, ACCOUNT).arn
    arns = {
        "mainClusterArn2151BC67": peer.arn,
        "mainWitnessedArn78E31681": witnessed,
        "main7AD10839": home.arn,
    }
    assert granted(document["Statement"], arns) == needed
    assert "*" not in json.dumps(document)
    conditions = {
        statement["Action"]: statement["Condition"]
        for statement in document["Statement"]
        if "Condition" in statement
    }
    assert conditions == {
        "dsql:PutWitnessRegion": {"StringEquals": {"dsql:WitnessRegion": WEST}},
        "iam:CreateServiceLinkedRole": {"StringEquals": {"iam:AWSServiceName": "dsql.amazonaws.com"}},
    }


def test_the_peering_logs_in_to_nothing(virginia: cdk.Stack, ohio: cdk.Stack) -> None:
    database(virginia, ohio)
    actions = {
        action
        for role, names, _ in Template.of(virginia).statements()
        if "Peering" in role
        for action in names
    }
    assert not {action for action in actions if "Connect" in action}


def test_the_peer_has_metrics_alarms_and_a_backup_of_its_own(virginia: cdk.Stack, ohio: cdk.Stack) -> None:
    db = database(virginia, ohio, peer_backup=BackupPolicy.daily(keep=cdk.Duration.days(7)))
    assert db.peer is not None
    db.peer.recommended_alarms()
    cloudwatch.Dashboard(ohio, "Board").add_widgets(*db.peer.dashboard_widgets())
    home, peer = templates(virginia, ohio)
    identifier = {"Fn::GetAtt": [logical_id(db.peer.cluster), "Identifier"]}
    (timeouts,) = [
        alarm
        for id in peer.ids("AWS::CloudWatch::Alarm")
        if (alarm := peer.resources[id]["Properties"]).get("MetricName") == "QueryTimeouts"
    ]
    assert timeouts["Dimensions"] == [{"Name": "ClusterId", "Value": identifier}]
    selection = peer.the("AWS::Backup::BackupSelection")["Properties"]["BackupSelection"]
    assert selection["Resources"] == [{"Fn::GetAtt": [logical_id(db.peer.cluster), "ResourceArn"]}]
    assert home.ids("AWS::Backup::BackupSelection") == []
    assert home.ids("AWS::CloudWatch::Alarm") == []
