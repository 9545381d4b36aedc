"""Deploys over three versions of grants while the deployed function logs in all the time."""

from __future__ import annotations

import contextlib
import json
import sys
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_

from blocks import Access, DistributedDatabase
from blocks.shared.layers import runtime_layer
from blocks_cli.errors import CommandError
from blocks_cli.json_value import text
from blocks_cli.local import LocalDeployment, Report, deployment, reset_detection
from blocks_cli.local.account import LocalAccount
from blocks_runtime.contract import ADMIN_ROLE
from local_dsql import LocalCluster
from tests.end_to_end.conftest import ORDERS, REGION

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from constructs import Construct

    from blocks_cli.local import Change

RUNTIME = lambda_.Runtime(
    f"python{sys.version_info.major}.{sys.version_info.minor}",
    lambda_.RuntimeFamily.PYTHON,
    supports_inline_code=True,
)
LOGIN = """
from blocks_runtime import DistributedDatabase, sql
def handler(event, context):
    db = DistributedDatabase("main")
    try:
        return len(db.query(sql("SELECT 1 AS one")))
    finally:
        db.close()
"""
REFUSE = """
import json, urllib.request
def handler(event, context):
    names = ("StackId", "RequestId", "LogicalResourceId")
    answer = {name: event[name] for name in names} | {
        "Status": "SUCCESS" if event["RequestType"] == "Delete" else "FAILED",
        "Reason": "this one always fails", "PhysicalResourceId": "broken"}
    urllib.request.urlopen(urllib.request.Request(
        event["ResponseURL"], data=json.dumps(answer).encode(), method="PUT"))
"""
PERIOD = 0.1
"""Seconds between two invocations."""


class Service:
    """Invokes the function `Orders` ten times a second, and at each step of a deploy; each time it logs in anew."""

    def __init__(self) -> None:
        self.account: LocalAccount | None = None
        self.step = ""
        self.answers: list[tuple[str, str]] = []
        self.invoking = threading.Lock()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Service:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._end.set()
        self._thread.join()

    @property
    def refused(self) -> list[tuple[str, str]]:
        """Steps and errors of the invocations that failed."""
        return [(step, answer) for step, answer in self.answers if answer != "ok"]

    def invoke(self) -> None:
        """Invoke each deployed version of the function once."""
        with self.invoking:
            self._invoke()

    def _invoke(self) -> None:
        account, step = self.account, self.step
        for arn in _orders(account) if account else ():
            assert account
            if account.functions.get(arn):
                result = account.functions.invoke(arn, None)
                self.answers.append(
                    (step, f"{result.error_type}: {result.error_message}" if result.failed else "ok")
                )

    def _run(self) -> None:
        while not self._end.wait(PERIOD):
            self.invoke()


def _orders(account: LocalAccount) -> list[str]:
    """Return the ARNs of the functions that serve: the deployed `Orders`, in whatever stack it is."""
    return [
        text(resource.attributes["Arn"])
        for resource in account.resources()
        if resource.type == "AWS::Lambda::Function" and resource.path.endswith("/Orders")
    ]


class Steps(Report):
    """Tells the service the step of the deploy, and lets it invoke the function before and after each."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)

    def started(self, stack: str, change: Change) -> None:
        self.service.step = f"{stack}: {change.action.value} {change.logical_id}"
        self.service.invoke()

    def finished(self, stack: str, change: Change, seconds: float) -> None:
        self.service.step = f"{stack}: after {change.action.value} {change.logical_id}"
        self.service.invoke()


@dataclass(frozen=True)
class Version:
    """One version of the app.

    `role` is the id of the function's IAM role; `granted` is the construct that is granted: the function or its role.
    `fails` adds a resource that always fails: `early`, before the function, or `late`, after it. `released` is a
    template as the release before the ledger of grants wrote it. `admin` grants `admin` in place of an access.
    """

    access: Access = Access.READ_WRITE
    role: str = "RoleA"
    granted: str = "function"
    stack: str = "Data"
    fails: str = ""
    released: bool = False
    admin: bool = False


@dataclass(frozen=True)
class Case:
    """Three versions in turn; the failing ones are deployed with `rollback`."""

    versions: tuple[Version, ...]
    rollbacks: tuple[str, ...] = ("none",)


READ, WRITE, ADMIN = Version(Access.READ_ONLY), Version(), Version(admin=True)
OTHER = "RoleB"


def shop(**fields: object) -> Version:
    return Version(stack="Shop", **fields)  # type: ignore[arg-type]


ROLLBACKS = ("none", "delete", "update")
CASES = {
    "access": Case((WRITE, READ, WRITE)),
    "role": Case((WRITE, Version(role=OTHER), WRITE)),
    "role and access": Case((WRITE, Version(Access.READ_ONLY, OTHER), WRITE)),
    "granted construct": Case((Version(granted="role"), WRITE, Version(granted="role"))),
    "another stack": Case((shop(), shop(access=Access.READ_ONLY), shop(role=OTHER))),
    "admin and access": Case((ADMIN, WRITE, READ)),
    "access and admin": Case((WRITE, ADMIN, WRITE)),
    "admin, another role": Case((ADMIN, Version(admin=True, role=OTHER), WRITE)),
    "admin, granted role": Case(
        (Version(admin=True, granted="role"), WRITE, Version(admin=True, granted="role"))
    ),
    "admin, another stack": Case((shop(admin=True), shop(), shop(admin=True, role=OTHER))),
    "admin, fails late": Case((ADMIN, Version(fails="late"), READ), ROLLBACKS),
    "access, fails early": Case((WRITE, Version(Access.READ_ONLY, fails="early"), READ), ROLLBACKS),
    "access, fails late": Case((WRITE, Version(Access.READ_ONLY, fails="late"), READ), ROLLBACKS),
    "role, fails early": Case((WRITE, Version(role=OTHER, fails="early"), READ), ROLLBACKS),
    "role, fails late": Case((WRITE, Version(role=OTHER, fails="late"), READ), ROLLBACKS),
    "another stack, fails late": Case(
        (shop(), shop(access=Access.READ_ONLY, role=OTHER, fails="late"), shop(access=Access.READ_ONLY)),
        ROLLBACKS,
    ),
}
CASES |= {
    "upgrade": Case((Version(released=True), WRITE, READ)),
    "upgrade that changes the access": Case((Version(released=True), READ, Version(role=OTHER))),
    "upgrade, fails early": Case((Version(released=True), Version(fails="early"), READ), ROLLBACKS),
    "upgrade, fails late": Case((Version(released=True), Version(fails="late"), READ), ROLLBACKS),
}
FAST = {"admin and access"}
"""The run of `make test`; the others are among the slow tests."""

RUNS = {
    f"{name}{'' if rollback == 'none' else f' ({rollback})'}": (case.versions, rollback)
    for name, case in CASES.items()
    for rollback in case.rollbacks
}


def synthesize(version: Version, root: Path) -> Path:
    """Synthesize one version of the app."""
    output = root / f"cdk.out.{len(list(root.glob('cdk.out.*')))}"
    app = cdk.App(outdir=str(output))
    data = cdk.Stack(app, "Data")
    db = DistributedDatabase(data, "main", migrations=root / "migrations", migrator_runtime=RUNTIME)
    scope = data if version.stack == "Data" else cdk.Stack(app, version.stack)
    role = iam.Role(scope, version.role, assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
    role.add_to_policy(iam.PolicyStatement(actions=["s3:ListAllMyBuckets"], resources=["*"]))
    orders = _function(scope, "Orders", LOGIN, role)
    granted = orders if version.granted == "function" else role
    variables = db.environment(version.access)
    if version.admin:
        db.grant_connect_admin(granted)
        variables["BLOCKS_MAIN_ROLE"] = ADMIN_ROLE
    else:
        db.grant_connect(granted, access=version.access)
    if version.granted == "role":
        for name, value in variables.items():
            orders.add_environment(name, value)
        orders.add_layers(runtime_layer(scope, RUNTIME, lambda_.Architecture.X86_64))
        db.run_before(orders)
    if version.fails:
        _failing(scope, version, orders)
    app.synth()
    if version.released:
        _release(output / "Data.template.json")
    return output


def _release(file: Path) -> None:
    """Rewrite a template to the shape before the ledger: one resource for all grants, permissions in CDK's policy."""
    template = json.loads(file.read_text("utf-8"))
    resources = template["Resources"]
    (migrations,) = _of_type(resources, "Custom::DsqlMigrations")
    renamed, grants = {}, []
    for name in _of_type(resources, "Custom::DsqlGrant"):
        grant = resources.pop(name)["Properties"]["Grant"]
        grants += [{**role, "RoleArn": grant["RoleArn"]} for role in grant["Roles"]]
        renamed[name] = migrations
    resources[migrations]["Properties"]["Grants"] = grants
    for name in _of_type(resources, "AWS::IAM::RolePolicy"):
        policy = resources.pop(name)["Properties"]
        renamed[name] = next(
            each
            for each in _of_type(resources, "AWS::IAM::Policy")
            if resources[each]["Properties"]["Roles"] == [policy["RoleName"]]
        )
        document = resources[renamed[name]]["Properties"]["PolicyDocument"]
        document["Statement"] += policy["PolicyDocument"]["Statement"]
    for name, resource in resources.items():
        needs = {renamed.get(each, each) for each in resource.get("DependsOn", [])}
        resource["DependsOn"] = sorted(needs - {name})
    file.write_text(json.dumps(template), "utf-8")


def _of_type(resources: dict[str, Any], type_name: str) -> list[str]:
    return [name for name, resource in resources.items() if resource["Type"] == type_name]


def _failing(scope: Construct, version: Version, orders: lambda_.Function) -> None:
    """Add a resource that fails before the function's update, or after it."""
    handler = _function(scope, "Handler", REFUSE)
    broken = cdk.CustomResource(scope, "Broken", service_token=handler.function_arn)
    own = orders.node.default_child
    assert isinstance(own, cdk.CfnResource)
    if version.fails == "late":
        broken.node.add_dependency(own)
    else:
        own.add_resource_dependency(broken.node.default_child)  # type: ignore[arg-type]
        for construct in scope.node.find_all():
            if isinstance(construct, cdk.CfnResource) and construct.cfn_resource_type == "Custom::DsqlGrant":
                broken.node.add_dependency(construct)


def _function(scope: Construct, id: str, code: str, role: iam.IRole | None = None) -> lambda_.Function:
    return lambda_.Function(
        scope,
        id,
        runtime=RUNTIME,
        handler="index.handler",
        code=lambda_.Code.from_inline(code),
        role=role,
        timeout=cdk.Duration.seconds(30),
    )


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "migrations").mkdir()
    (tmp_path / "migrations" / "001_orders.sql").write_text(ORDERS, encoding="utf-8")
    return tmp_path


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    """A service that invokes the functions of the account of the newest deploy."""
    service = Service()

    class ServingAccount(LocalAccount):
        def close(self) -> None:
            with service.invoking:  # closing ends the functions
                service.account = None if service.account is self else service.account
            super().close()

    monkeypatch.setattr(deployment, "LocalAccount", ServingAccount)
    original = reset_detection.migrate_reset_databases

    def opened(account: LocalAccount, chosen: object) -> None:
        """Serve from here on: everything deployed before runs again."""
        original(account, chosen)  # type: ignore[arg-type]
        service.account = account

    monkeypatch.setattr(deployment, "migrate_reset_databases", opened)
    with service:
        yield service


@pytest.mark.parametrize(
    ("versions", "rollback"),
    [
        pytest.param(*run, id=name, marks=() if name in FAST else pytest.mark.slow)
        for name, run in RUNS.items()
    ],
)
def test_no_login_is_refused(
    root: Path, service: Service, versions: tuple[Version, ...], rollback: str
) -> None:
    with contextlib.ExitStack() as running:  # PostgreSQL starts once
        for number, version in enumerate(versions, 1):
            report = Steps(service)
            service.step = f"version {number}"
            assembly = synthesize(version, root)
            try:
                with LocalDeployment.deploy(assembly, root, region=REGION, report=report, rollback=rollback):
                    service.step = f"version {number} is deployed"
                    service.invoke()
                    time.sleep(3 * PERIOD)
                    running.enter_context(LocalCluster(root / ".blocks" / "local" / "main"))
                assert not version.fails
            except CommandError as error:
                assert version.fails, error
            assert not service.refused, f"version {number}"
            assert not [note for note in report.notes if "could not be deleted" in note]
    deployed = {f"version {n} is deployed" for n, version in enumerate(versions, 1) if not version.fails}
    assert {step for step, _ in service.answers} >= deployed
