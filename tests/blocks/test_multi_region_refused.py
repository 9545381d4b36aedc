"""Refusals and warnings at synth for a database in two Regions."""

from __future__ import annotations

import json

import aws_cdk as cdk
import pytest
from aws_cdk import aws_backup as backup
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk.assertions import Annotations, Match

from blocks import BackupPolicy, ConstructError
from blocks_settings.regions import REGION_SETS, SINGLE
from tests.support.template_reader import Template, function
from tests.support.two_regions import ACCOUNT, EAST, OHIO, WEST, database, refusing, stack_in


def test_every_set_of_three_regions_is_accepted(app: cdk.App) -> None:
    for name, regions in REGION_SETS.items():
        first, second, witness = regions[-3:]
        prefix = name.replace(" ", "")
        database(
            stack_in(app, first, id=f"{prefix}1"),
            stack_in(app, second, id=f"{prefix}2"),
            witness,
        )
    assert not {region for regions in REGION_SETS.values() for region in regions} & set(SINGLE)


REFUSED_REGIONS = {
    "the witness is the primary": (EAST, OHIO, EAST, "are not three different Regions"),
    "the witness is the peer": (EAST, OHIO, OHIO, "are not three different Regions"),
    "peer in the same Region": (EAST, EAST, WEST, "are not three different Regions"),
    "witness of another set": (EAST, OHIO, "eu-west-1", "do not belong to one Region set"),
    "peer of another set": (EAST, "eu-west-1", WEST, "do not belong to one Region set"),
    "single-Region only": (EAST, "sa-east-1", WEST, "do not belong to one Region set"),
}


@pytest.mark.parametrize(("home", "peer", "witness", "what"), REFUSED_REGIONS.values(), ids=REFUSED_REGIONS)
def test_regions_that_do_not_belong_together_are_refused(
    app: cdk.App, home: str, peer: str, witness: str, what: str
) -> None:
    with pytest.raises(ConstructError, match=what) as refused:
        database(stack_in(app, home, id="Home"), stack_in(app, peer, id="Peer"), witness)
    assert f"the database in {home}, its peer in {peer} and the witness in {witness}" in str(refused.value)
    assert "US: us-east-1, us-east-2, us-west-2" in refused.value.remedy


@pytest.mark.parametrize(
    ("account", "region", "missing"),
    [(None, None, "account and region"), (ACCOUNT, None, "region"), (None, OHIO, "account")],
)
@pytest.mark.parametrize("side", ["home", "peer"])
def test_an_environment_that_is_not_explicit_is_refused(
    app: cdk.App, virginia: cdk.Stack, account: str | None, region: str | None, missing: str, side: str
) -> None:
    vague = stack_in(app, region, account, id="Vague")
    home, peer = (vague, virginia) if side == "home" else (virginia, vague)
    with pytest.raises(ConstructError, match=f"the stack Vague has no explicit {missing}") as refused:
        database(home, peer)
    assert "cdk.Environment(account=" in refused.value.remedy


def test_two_accounts_are_refused(app: cdk.App, virginia: cdk.Stack) -> None:
    with pytest.raises(ConstructError, match="is in account 123456789012, Other in 210987654321"):
        database(virginia, stack_in(app, OHIO, "210987654321", id="Other"))


def test_another_app_is_refused(virginia: cdk.Stack) -> None:
    with pytest.raises(ConstructError, match="is a stack of another app or stage"):
        database(virginia, stack_in(cdk.App(), OHIO, id="Other"))


def test_another_stage_is_refused(app: cdk.App) -> None:
    home, peer = (stack_in(cdk.Stage(app, f"For-{region}"), region) for region in (EAST, OHIO))
    with pytest.raises(ConstructError, match="is a stack of another app or stage"):
        database(home, peer)


def test_two_stacks_of_one_stage_are_accepted(app: cdk.App) -> None:
    stage = cdk.Stage(app, "Prod")
    database(stack_in(stage, EAST), stack_in(stage, OHIO))
    assert len(stage.synth().stacks) == 2


def test_the_stack_of_the_database_itself_is_refused(virginia: cdk.Stack) -> None:
    with pytest.raises(ConstructError, match="Virginia is the stack of the database and that of its peer"):
        database(virginia, virginia)


@pytest.mark.parametrize("kept", ["home", "peer"])
def test_a_pair_of_which_one_is_kept_is_refused(
    app: cdk.App, virginia: cdk.Stack, ohio: cdk.Stack, kept: str
) -> None:
    """The other one's deletion would wait for it, and its stack with that."""
    database(virginia, ohio, removal_policy=cdk.RemovalPolicy.DESTROY)
    cdk.RemovalPolicies.of({"home": virginia, "peer": ohio}[kept]).retain()
    with pytest.raises(RuntimeError, match="deletes both of a pair or none"):
        app.synth(force=True)


def test_a_nested_stack_is_refused(virginia: cdk.Stack, ohio: cdk.Stack) -> None:
    with pytest.raises(ConstructError, match="is a nested stack"):
        database(virginia, cdk.NestedStack(ohio, "Nested"))


def test_a_witness_that_is_only_known_on_deploy_is_refused(virginia: cdk.Stack, ohio: cdk.Stack) -> None:
    with pytest.raises(ConstructError, match="witness_region is not known at synth"):
        database(virginia, ohio, cdk.CfnParameter(virginia, "Witness").value_as_string)


@pytest.mark.parametrize("witness", ["", "US-WEST-2", "us-west-2a", "Oregon"])
def test_an_invalid_region_name_is_refused(virginia: cdk.Stack, ohio: cdk.Stack, witness: str) -> None:
    with pytest.raises(ConstructError, match="witness_region is ") as refused:
        database(virginia, ohio, witness)
    assert refused.value.remedy == 'write witness_region="us-west-2"'


def test_a_key_of_another_region_is_refused(virginia: cdk.Stack, ohio: cdk.Stack) -> None:
    with pytest.raises(ConstructError, match=f"the encryption_key of Ohio/main is in {EAST}"):
        database(virginia, ohio, peer_key=kms.Key(virginia, "Key"))


def test_a_function_of_the_peers_stack_with_a_role_of_the_databases_is_refused(
    virginia: cdk.Stack, ohio: cdk.Stack
) -> None:
    role = iam.Role(virginia, "Role", role_name="r", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
    db = database(virginia, ohio)
    with pytest.raises(ConstructError, match="Ohio/Fn runs as a role of the stack Virginia") as refused:
        db.grant_connect(function(ohio, role=role))
    assert refused.value.remedy == "create the role in Ohio, or leave role= out"


def test_an_id_that_the_peers_stack_has_already_is_refused(virginia: cdk.Stack, ohio: cdk.Stack) -> None:
    function(ohio, "main")
    with pytest.raises(ConstructError, match="Ohio already has a construct called main"):
        database(virginia, ohio)


def test_a_policy_on_one_endpoint_only_gives_a_warning(virginia: cdk.Stack, ohio: cdk.Stack) -> None:
    database(virginia, ohio, resource_policy=refusing("Home"))
    found = Annotations.from_stack(virginia).find_warning("*", Match.string_like_regexp("has none"))
    assert len(found) == 1


@pytest.mark.parametrize("copied", [False, True])
def test_backups_of_one_region_only_give_a_warning(
    virginia: cdk.Stack, ohio: cdk.Stack, copied: bool
) -> None:
    arn = f"arn:aws:backup:{OHIO}:{ACCOUNT}:backup-vault:v"
    vaults = [backup.BackupVault.from_backup_vault_arn(virginia, "Vault", arn)] if copied else []
    database(virginia, ohio, backup=BackupPolicy.daily(copy_to=vaults))
    warnings = Annotations.from_stack(virginia).find_warning(
        "*", Match.string_like_regexp("backupWithoutCopy")
    )
    assert bool(warnings) is not copied


@pytest.mark.parametrize("partition", ["us-gov-east-1", "cn-north-1"])
def test_unknown_regions_are_accepted_with_a_warning(app: cdk.App, partition: str) -> None:
    """Any partition: no ARN is written out, and a Region that AWS adds does not need a release of ours."""
    home, peer = stack_in(app, partition, id="Home"), stack_in(app, partition.replace("1", "2"), id="Peer")
    database(home, peer, partition.replace("1", "3"))
    assert '"arn:aws:' not in json.dumps(Template.of(home).document)
    warnings = Annotations.from_stack(home).find_warning(
        "*", Match.string_like_regexp("this release does not know")
    )
    assert len(warnings) == 1
