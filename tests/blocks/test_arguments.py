"""Arguments of another kind than an option's: refused by name, with what to write instead."""

from __future__ import annotations

import datetime as dt
import inspect
from typing import TYPE_CHECKING, Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_

from blocks import (
    AtomicTable,
    BackupPolicy,
    ConstructError,
    DatabaseRole,
    DistributedDatabase,
    MultiRegion,
    Privilege,
)
from tests.support.every_option import IDENTIFIER
from tests.support.template_reader import Template

if TYPE_CHECKING:
    from collections.abc import Callable

WRONG: dict[str, list[Any]] = {
    "migrations": [5, "", b"migrations", ["migrations"], cdk.Aws.REGION],
    "removal_policy": ["destroy", True],
    "deletion_protection": ["yes", 1],
    "encryption_key": ["alias/bank", lambda stack: kms.CfnKey(stack, "Key")],
    "resource_policy": [{"Statement": []}, []],
    "tags": [[("team", "payments")], {"team": 1}, {"team": None}],
    "backup": [True],
    "private_endpoint": ["yes", 1],
    "multi_region": [True, {"witness_region": "us-west-2"}],
    "migrator_runtime": ["python3.14", lambda_.Runtime.NODEJS_22_X],
    "migrator_architecture": ["arm64"],
    "migrator_memory": [512],
    "migrator_timeout": [15, dt.timedelta(minutes=5)],
    "migrator_service_timeout": [30, dt.timedelta(minutes=5)],
    "migrator_log_group": ["/aws/lambda/migrator"],
    "migrator_role": ["arn:aws:iam::123456789012:role/migrator"],
    "migrator_tracing": ["Active", True],
    "migrator_reserved_concurrency": ["1", 1.5, True],
    "migrator_vpc": ["vpc-1"],
    "migrator_security_groups": [
        lambda stack: ec2.SecurityGroup.from_security_group_id(stack, "Group", "sg-1")
    ],
}


def a_user() -> iam.User:
    return iam.User(cdk.Stack(), "User")


UNCHECKED = {"dialect", "migrator_vpc_subnets"}
"""A dialect is looked up by its name, and a selection of subnets is what CDK checks itself."""


@pytest.mark.parametrize(
    ("option", "value"),
    [
        pytest.param(option, value, id=f"{option}-{number}")
        for option, values in WRONG.items()
        for number, value in enumerate(values)
    ],
)
def test_fails_for_an_argument_of_another_type(stack: cdk.Stack, option: str, value: Any) -> None:
    given = value(stack) if inspect.isfunction(value) else value
    with pytest.raises(ConstructError, match=f"^{option} is ") as refused:
        DistributedDatabase(stack, "main", **{option: given})
    assert refused.value.why.startswith("it must be ")
    assert refused.value.remedy.startswith(f"write {option}=")


def test_every_option_is_checked() -> None:
    options = set(inspect.signature(DistributedDatabase.__init__).parameters) - {"self", "scope", "id"}
    assert set(WRONG) | UNCHECKED == options


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: BackupPolicy.daily(keep=7), r"keep is 7 \(int\)"),  # type: ignore[arg-type]
        (lambda: BackupPolicy.daily(hour="5"), r"hour is '5' \(str\)"),  # type: ignore[arg-type]
        (lambda: MultiRegion(peer="us-east-2", witness_region="us-west-2"), "peer is 'us-east-2'"),  # type: ignore[arg-type]
        (lambda: MultiRegion(peer=None, witness_region="us-west-2"), "peer is None"),  # type: ignore[arg-type]
        (lambda: MultiRegion(peer=cdk.Stack(), witness_region=None), "witness_region is None"),  # type: ignore[arg-type]
        (lambda: DistributedDatabase(cdk.Stack(), None), "id is None"),  # type: ignore[arg-type]
        (lambda: DistributedDatabase(cdk.Stack(), 5), "id is 5"),  # type: ignore[arg-type]
        (lambda: DistributedDatabase(None, "main"), "scope is None"),  # type: ignore[arg-type]
        (lambda: AtomicTable(cdk.Stack(), None), "id is None"),  # type: ignore[arg-type]
        (lambda: AtomicTable(None, "locks"), "scope is None"),  # type: ignore[arg-type]
        (lambda: DistributedDatabase(cdk.Stack(), "main").run_before(None), "construct is None"),  # type: ignore[arg-type]
        (
            lambda: DistributedDatabase(cdk.Stack(), "main").grant(a_user(), "s3:Get"),
            "s3:Get, which is not one",
        ),
        (lambda: DistributedDatabase(cdk.Stack(), "main").grant(a_user()), "has no actions"),
        (lambda: DistributedDatabase(cdk.Stack(), "main").grant(a_user(), 5), "actions that are not text"),  # type: ignore[arg-type]
        (lambda: AtomicTable(cdk.Stack(), "locks").grant(a_user(), "s3:Get"), "which is not one of dynamodb"),
        (lambda: MultiRegion(peer=cdk.Stack(), witness_region=3), "witness_region is 3"),  # type: ignore[arg-type]
        (lambda: DatabaseRole(5, {"t": {Privilege.SELECT}}), "5 is not a valid name"),  # type: ignore[arg-type]
        (lambda: DatabaseRole("r", ["t"]), r"the privileges of the role 'r' are \['t'\]"),  # type: ignore[arg-type]
        (lambda: DatabaseRole("r", {5: {Privilege.SELECT}}), "gives 5 the privileges"),  # type: ignore[dict-item]
    ],
)
def test_fails_for_a_value_of_another_type(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ConstructError, match=message):
        make()


MEANT = {
    "vpc": "migrator_vpc",
    "timeout": "migrator_timeout",
    "kms_key": "encryption_key",
    "cluster_name": "tags",
    "deletion_protection_enabled": "deletion_protection",
    "multi_region_properties": "multi_region",
    "migrations_path": "migrations",
    "backup_retention": "backup",
    "removal_polcy": "removal_policy",
}


@pytest.mark.parametrize(("guess", "meant"), MEANT.items(), ids=MEANT)
def test_fails_for_an_unknown_option_and_names_the_near_one(stack: cdk.Stack, guess: str, meant: str) -> None:
    options: dict[str, Any] = {guess: 1}
    with pytest.raises(ConstructError, match=f"there is no option {guess}") as refused:
        DistributedDatabase(stack, "main", **options)
    assert refused.value.remedy == f"did you mean {meant}?"


@pytest.mark.parametrize(
    ("make", "meant"),
    [
        (
            lambda stack, **options: DistributedDatabase.from_cluster_attributes(
                stack, "main", cluster_identifier=IDENTIFIER, **options
            ),
            "migrator_vpc",
        ),
        (
            lambda stack, **options: DistributedDatabase.from_cluster_arn(stack, "main", "x", **options),
            "migrator_vpc",
        ),
        (lambda _, **options: BackupPolicy.daily(**options), None),
    ],
    ids=["attributes", "arn", "backup"],
)
def test_every_constructor_refuses_unknown_options(
    stack: cdk.Stack, make: Callable[..., object], meant: str | None
) -> None:
    with pytest.raises(ConstructError, match="there is no option vpc") as refused:
        make(stack, vpc=1)
    assert (meant or "leave it out") in refused.value.remedy


@pytest.mark.parametrize(
    "identifier",
    [
        f"arn:aws:dsql:us-east-1:123456789012:cluster/{IDENTIFIER}",
        f"{IDENTIFIER}.dsql.us-east-1.on.aws",
        "",
        None,
    ],
)
def test_fails_for_an_invalid_cluster_identifier(stack: cdk.Stack, identifier: Any) -> None:
    with pytest.raises(ConstructError, match="26 small letters and digits"):
        DistributedDatabase.from_cluster_identifier(stack, "main", identifier)


def test_an_identifier_may_be_known_on_deploy_only(stack: cdk.Stack) -> None:
    db = DistributedDatabase.from_cluster_identifier(stack, "main", cdk.Fn.import_value("cluster"))
    assert stack.resolve(db.cluster_identifier) == {"Fn::ImportValue": "cluster"}


@pytest.mark.parametrize("mebibytes", [64, 10_241])
def test_fails_for_an_invalid_memory_size(stack: cdk.Stack, mebibytes: int) -> None:
    with pytest.raises(ConstructError, match="not 128 to 10,240 MiB"):
        DistributedDatabase(stack, "main", migrator_memory=cdk.Size.mebibytes(mebibytes))


def test_an_id_may_be_as_long_as_the_cdk_allows(stack: cdk.Stack) -> None:
    DistributedDatabase(stack, "m" * 255)
    template = Template.of(stack)
    functions = [template.resources[id]["Properties"] for id in template.ids("AWS::Lambda::Function")]
    assert [len(each["Description"]) for each in functions] == [256]
