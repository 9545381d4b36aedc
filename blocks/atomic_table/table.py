"""The table construct: a DynamoDB table for items with versions and optimistic locks."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, cast

from aws_cdk import Annotations, PhysicalName, RemovalPolicy, Stack, Tags, Token
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam

from blocks.atomic_table.imported import ImportedTable
from blocks.atomic_table.interface import IAtomicTable
from blocks.atomic_table.protection import TABLE, protect
from blocks.shared.arguments import KEY, POLICY, REMOVAL_POLICY, SWITCH, TAGS, Kind, check, checked
from blocks.shared.errors import ConstructError
from blocks.shared.protection import check_protection
from blocks.shared.tags import check_tags

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aws_cdk import aws_kms as kms
    from constructs import Construct

PARTITION_KEY, SORT_KEY, TTL = "pk", "sk", "ttl"
"""Attributes that the runtime writes: the key, and the time at which DynamoDB may delete an item."""

_REGION = re.compile(r"[a-z]{2,}(-[a-z]+)+-\d")


def _are_regions(value: object) -> bool:
    return isinstance(value, (list, tuple)) and all(
        isinstance(each, str) and (Token.is_unresolved(each) or _REGION.fullmatch(each)) for each in value
    )


_REGIONS = Kind("a list of Regions", '["us-west-2"]', _are_regions)

_IMPORT: Mapping[str, Kind] = {
    "table_name": Kind(
        "the name of a table", '"orders"', lambda value: isinstance(value, str) and value != ""
    ),
    "encryption_key": KEY,
    "replicas": _REGIONS,
}

_OPTIONS: Mapping[str, Kind] = {
    "removal_policy": REMOVAL_POLICY,
    "deletion_protection": SWITCH,
    "encryption_key": KEY,
    "resource_policy": POLICY,
    "replicas": _REGIONS,
    "replica_keys": Kind(
        "the ARN of a KMS key for each replica Region",
        '{"us-west-2": "arn:…"}',
        lambda value: isinstance(value, dict),
    ),
    "tags": TAGS,
}


class AtomicTable(IAtomicTable):
    """A DynamoDB table for items with versions, atomic writes and optimistic locks.

    `grant_read_write` grants access. The id is the name in application code: `AtomicTable("locks")` of
    `blocks_runtime` opens the table with the id `locks`.
    """

    table: dynamodb.TableV2
    """CDK's L2 table, for what has no argument here: streams, contributor insights, throughput limits."""

    @checked(_OPTIONS)
    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        removal_policy: RemovalPolicy | None = None,
        deletion_protection: bool | None = None,
        encryption_key: kms.IKey | None = None,
        resource_policy: iam.PolicyDocument | None = None,
        replicas: Sequence[str] = (),
        replica_keys: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        """Create the table: billed by request, with point-in-time recovery of 35 days.

        Args:
            scope: parent construct, usually the stack.
            id: name of the table in application code, with at least one letter or digit.
            removal_policy: removal policy of the table.
                Default: RETAIN, it is kept with its items.
            deletion_protection: whether DynamoDB refuses to delete the table.
                Default: on, unless the removal policy is DESTROY.
            encryption_key: KMS key of the data at rest, in the Region of the stack; grantees may use it.
                Default: a key that DynamoDB owns.
            resource_policy: resource policy of the table in its home Region.
                Default: no policy; IAM policies decide.
            replicas: further Regions, in which the table is read; the stack must have an explicit Region. All writes go
                to the Region of the stack, as replication is eventual. Default: one Region.
            replica_keys: with `encryption_key`, the ARN of the key of each replica.
                Default: no keys; without `encryption_key` they are not needed.
            tags: tags of the table. Default: those of the scope.

        Raises:
            ConstructError: the arguments contradict each other, or cannot be deployed.
            ValueError: the id has no letter or digit.
        """
        super().__init__(scope, id)
        check_tags(tags, empty_values=True, distinct_in_lower_case=False)
        policy = removal_policy or RemovalPolicy.RETAIN
        check_protection(TABLE, policy, deletion_protection)
        self._replicas = tuple(replicas)
        self._key = encryption_key
        _check_replicas(self, self._replicas, encryption_key, replica_keys or {})
        recovery = dynamodb.PointInTimeRecoverySpecification(point_in_time_recovery_enabled=True)
        self.table = dynamodb.TableV2(
            self,
            "Table",
            # Named by the CDK only if another account or Region refers to it.
            table_name=PhysicalName.GENERATE_IF_NEEDED,
            partition_key=dynamodb.Attribute(name=PARTITION_KEY, type=dynamodb.AttributeType.STRING),
            sort_key=dynamodb.Attribute(name=SORT_KEY, type=dynamodb.AttributeType.STRING),
            time_to_live_attribute=TTL,
            billing=dynamodb.Billing.on_demand(),
            encryption=_encryption(self, encryption_key, replica_keys),
            point_in_time_recovery_specification=recovery,
            deletion_protection=deletion_protection,
            removal_policy=policy,
            resource_policy=resource_policy,
            replicas=[
                dynamodb.ReplicaTableProps(
                    region=region,
                    deletion_protection=deletion_protection,
                    point_in_time_recovery_specification=recovery,
                )
                for region in self._replicas
            ],
        )
        protect(self.table)
        if encryption_key is not None and Token.is_unresolved(self.home_region):
            _encrypt_anywhere(self.table, encryption_key)
        for key, value in (tags or {}).items():
            Tags.of(self).add(key, value)

    @property
    def table_name(self) -> str:
        return self.table.table_name

    @property
    def table_arn(self) -> str:
        return self.table.table_arn

    @property
    def encryption_key(self) -> kms.IKey | None:
        return self._key

    @property
    def replica_regions(self) -> tuple[str, ...]:
        return self._replicas

    def apply_removal_policy(self, policy: RemovalPolicy) -> None:
        """Apply a removal policy to the table; without a choice, its deletion protection follows."""
        self.table.apply_removal_policy(policy)

    def arn_in(self, region: str) -> str:
        return self.table_arn if region == self.home_region else super().arn_in(region)

    @staticmethod
    def from_table_name(
        scope: Construct,
        id: str,
        table_name: str,
        *,
        encryption_key: kms.IKey | None = None,
        replicas: Sequence[str] = (),
    ) -> IAtomicTable:
        """Import an existing table in the Region and account of the stack.

        Args:
            scope: parent construct.
            id: name of the table in application code.
            table_name: name of the table, with the string keys `pk` and `sk`.
            encryption_key: its customer managed key, which grantees may then use.
                Default: a key that DynamoDB owns.
            replicas: Regions of its replicas. Default: one Region.

        Raises:
            ConstructError: an argument is of another type.
            ValueError: the id has no letter or digit.
        """
        given = {"table_name": table_name, "encryption_key": encryption_key, "replicas": replicas}
        check(_IMPORT, given)
        return ImportedTable(
            scope, id, table_name=table_name, encryption_key=encryption_key, replicas=replicas
        )


def _encryption(
    table: IAtomicTable, key: kms.IKey | None, replicas: Mapping[str, str] | None
) -> dynamodb.TableEncryptionV2:
    if key is None or Token.is_unresolved(table.home_region):
        return dynamodb.TableEncryptionV2.dynamo_owned_key()
    return dynamodb.TableEncryptionV2.customer_managed_key(key, replicas)


def _encrypt_anywhere(table: dynamodb.TableV2, key: kms.IKey) -> None:
    """Encrypt the table of a stack without explicit Region, for which CDK's L2 does not render a key."""
    resource = cast("dynamodb.CfnGlobalTable", table.node.default_child)
    resource.add_property_override("SSESpecification", {"SSEEnabled": True, "SSEType": "KMS"})
    resource.add_property_override("Replicas.0.SSESpecification", {"KMSMasterKeyId": key.key_arn})


def _check_replicas(
    table: IAtomicTable, replicas: tuple[str, ...], key: kms.IKey | None, keys: Mapping[str, str]
) -> None:
    if not replicas:
        return
    home = Stack.of(table).region
    if Token.is_unresolved(home):
        raise ConstructError(
            f"{table.node.path} has replicas, but its stack has no explicit Region",
            "CloudFormation lists the home Region among the replicas of a table",
            'give the stack its Region: Stack(app, id, env=Environment(account="…", region="us-east-1"))',
        )
    if home in replicas or len(set(replicas)) != len(replicas):
        raise ConstructError(
            f"{table.node.path} has the replicas {', '.join(replicas)}",
            f"each is another Region than {home}, and named once",
            "name each further Region once",
        )
    if set(keys) != (set(replicas) if key is not None else set()):
        raise ConstructError(
            f"{table.node.path} has keys for the replicas {', '.join(sorted(keys)) or 'none'}",
            "with encryption_key= each replica needs a key of its own Region, and without it none has one",
            'pass replica_keys={"us-west-2": "arn:aws:kms:…"} for each replica, or leave both out',
        )
    Annotations.of(table).add_warning_v2(
        "@blocks/table:eventualReplication",
        f"{table.node.path} is replicated, and replication is eventual: locks, transactions and leases hold in {home} "
        "only. grant_read_write names that Region in every function; a program that writes in "
        f"{' or '.join(replicas)} overwrites newer items, and the last writer wins",
    )
