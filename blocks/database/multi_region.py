"""Options of a database in two Regions, and their validation."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aws_cdk import Annotations, Stack, Stage, Token

from blocks.database.backups import BACKUP_KIND, BackupPolicy
from blocks.shared.arguments import KEY, POLICY, Kind, check, one_of, required
from blocks.shared.errors import ConstructError
from blocks_settings.regions import REGION_SETS, is_known, set_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aws_cdk import aws_iam as iam
    from aws_cdk import aws_kms as kms
    from constructs import Construct


def _is_region(value: object) -> bool:
    """Return whether a value looks like the name of a Region, known here or not."""
    return isinstance(value, str) and (
        Token.is_unresolved(value) or re.fullmatch(r"[a-z]+(-[a-z]+)+-\d+", value) is not None
    )


_REQUIRED: Mapping[str, Kind] = {
    "peer": Kind("the stack in the second Region", 'Stack(app, "Peer", env=…)', one_of(Stack)),
    "witness_region": Kind("the name of a Region", '"us-west-2"', _is_region),
}
_KINDS: Mapping[str, Kind] = {
    "encryption_key": KEY,
    "resource_policy": POLICY,
    "backup": BACKUP_KIND,
}


@dataclass(frozen=True, kw_only=True)
class MultiRegion:
    """The second Region of a database and its witness.

    Args:
        peer: stack in the second Region; it has a cluster of its own, and is deployed first. Both stacks need an
            explicit account, the same one, and an explicit Region.
        witness_region: third Region, which stores the log of both and has no endpoint, such as `us-west-2`. All
            three belong to one Region set.
        encryption_key: KMS key of the peer's data at rest, in the peer's Region; DSQL is allowed to use it.
            Default: a key that DSQL owns.
        resource_policy: resource policy of the peer's cluster; statements can be added later. The policy of the
            database applies to its own Region only. Default: no policy.
        backup: schedule for AWS Backup in the peer's Region. Default: no backups there.

    Raises:
        ConstructError: an argument has the wrong type.
    """

    peer: Stack
    witness_region: str
    encryption_key: kms.IKey | None = None
    resource_policy: iam.PolicyDocument | None = None
    backup: BackupPolicy | None = None

    def __post_init__(self) -> None:
        required(_REQUIRED, vars(self))
        check(_KINDS, vars(self))


def check_regions(database: Construct, wanted: MultiRegion) -> None:
    """Refuse Regions and stacks that cannot be peered or deployed.

    Raises:
        ConstructError: an environment is not explicit, the accounts differ, or the three Regions are not different
            Regions of one set.
    """
    home, peer = Stack.of(database), wanted.peer
    if peer is home:
        raise ConstructError(
            f"{peer.node.path} is the stack of the database and that of its peer",
            "a stack is deployed in one Region",
            "create a second Stack with the other Region in its env, and pass it as the peer",
        )
    for stack in (home, peer):
        _check_environment(stack)
    if Stage.of(peer) is not Stage.of(home):
        raise ConstructError(
            f"{peer.node.path} is a stack of another app or stage than {home.node.path}",
            "the order of deployment of two stacks is defined within one stage only",
            f"create both stacks in the app or stage of {home.node.path}",
        )
    if home.account != peer.account:
        raise ConstructError(
            f"{home.node.path} is in account {home.account}, {peer.node.path} in {peer.account}",
            "DSQL peers clusters of one account",
            "give both stacks the same account",
        )
    if peer.node.try_find_child(database.node.id) is not None:
        raise ConstructError(
            f"{peer.node.path} already has a construct called {database.node.id}",
            "the peer's cluster has the id of the database there",
            "give one of the two another id",
        )
    _check_region_set(database, home.region, peer.region, wanted.witness_region)


def warn_about_peer_without_policy(database: Construct, peer: Stack) -> None:
    """Warn that a policy on one cluster does not apply to the other endpoint of the same data."""
    Annotations.of(database).add_warning_v2(
        "@blocks/dsql:peerWithoutPolicy",
        f"{database.node.path} has a resource policy, its cluster in {peer.node.path} has none, and both have the "
        "same data: pass one for the peer's Region as MultiRegion(resource_policy=…), or an empty one",
    )


def warn_about_backup_without_copy(database: Construct, peer: Stack) -> None:
    """Warn that backups in one Region restore one Region only.

    Source: AWS Backup developer guide, "Amazon Aurora DSQL backups": a multi-Region restore takes a recovery point in
    one Region and a copy of it in another one.
    """
    Annotations.of(database).add_warning_v2(
        "@blocks/dsql:backupWithoutCopy",
        f"{database.node.path} is backed up in its own Region only, and a database in two Regions is restored from a "
        f"backup and its copy in the other one: pass a vault in {peer.region} as BackupPolicy.daily(copy_to=[…])",
    )


def _check_environment(stack: Stack) -> None:
    missing = [
        name
        for name, value in (("account", stack.account), ("region", stack.region))
        if Token.is_unresolved(value)
    ]
    if missing:
        raise ConstructError(
            f"the stack {stack.node.path} has no explicit {' and '.join(missing)}",
            "both Regions of a database must be known at synth",
            'pass env=cdk.Environment(account="123456789012", region="us-east-1") to the stack',
        )
    if stack.nested_stack_parent is not None:
        raise ConstructError(
            f"{stack.node.path} is a nested stack",
            "a nested stack is deployed in its parent's Region and has no outputs of its own to read",
            "use a Stack",
        )


def _check_region_set(database: Construct, home: str, peer: str, witness: str) -> None:
    if Token.is_unresolved(witness):
        raise ConstructError(
            "witness_region is not known at synth",
            "the three Regions are checked before the deploy",
            'write it out, such as witness_region="us-west-2"',
        )
    regions = {"the database": home, "its peer": peer, "the witness": witness}
    if len(set(regions.values())) < len(regions):
        raise ConstructError(
            f"{_described(regions)} are not three different Regions",
            "DSQL keeps the database in two Regions and its log in a third",
            f"choose three of one set: {_sets()}",
        )
    unknown = [region for region in regions.values() if not is_known(region)]
    if unknown:
        Annotations.of(database).add_warning_v2(
            "@blocks/dsql:unknownRegionSet",
            f"this release does not know whether {' and '.join(unknown)} can share a database with the other Regions; "
            f"{_described(regions)}",
        )
    elif len({set_of(region) for region in regions.values()} - {None}) > 1 or None in map(
        set_of, regions.values()
    ):
        raise ConstructError(
            f"{_described(regions)} do not belong to one Region set",
            "DSQL peers clusters, and places the witness, within one Region set",
            f"choose three of one set: {_sets()}",
        )


def _described(regions: dict[str, str]) -> str:
    *first, last = (f"{name} in {region}" for name, region in regions.items())
    return f"{', '.join(first)} and {last}"


def _sets() -> str:
    return "; ".join(f"{name}: {', '.join(regions)}" for name, regions in REGION_SETS.items())
