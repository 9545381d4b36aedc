"""IAM permissions while a deploy runs, and after it: policies change in place, or are replaced."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psycopg
import pytest

from blocks_cli.assembly.template import Resource
from blocks_cli.errors import CommandError
from blocks_cli.local import LocalDeployment, Report
from blocks_cli.local.checks import check_roles
from blocks_cli.local.state import DeployedResource
from blocks_runtime.contract import ADMIN_ROLE
from blocks_runtime.signing import Credentials, token
from local_dsql import LocalCluster
from local_dsql.access import LOCAL_ACCOUNT
from local_dsql.storage.folder import Folder
from tests.support.handler_app import HandlerApp, Thing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from blocks_cli.json_value import Json
    from blocks_cli.local import Change

Resources = dict[str, "Json"]

LOGIN: Json = {
    "Statement": [{"Effect": "Allow", "Action": "dsql:DbConnectAdmin", "Resource": "*"}],
}
NOTHING: Json = {"Statement": []}
NAME: Json = {"Ref": "Role"}


def role(name: str, **properties: Json) -> Json:
    return {"Type": "AWS::IAM::Role", "Properties": {"RoleName": name, **properties}}


def policy(document: Json = LOGIN) -> Json:
    """Return a policy as CDK's grants write it: it changes in place."""
    roles: Json = [NAME]
    properties: Json = {"PolicyName": "login", "Roles": roles, "PolicyDocument": document}
    return {"Type": "AWS::IAM::Policy", "Properties": properties}


def role_policy(document: Json = LOGIN, name: str = "login") -> Json:
    """Return a policy whose names are create-only."""
    properties: Json = {"PolicyName": name, "RoleName": NAME, "PolicyDocument": document}
    return {"Type": "AWS::IAM::RolePolicy", "Properties": properties}


@dataclass(frozen=True)
class Case:
    """Two versions; the roles that can log in when the last resource of the second is updated, and after the deploy."""

    before: Resources
    after: Resources
    meanwhile: str
    finally_: str
    rollback: str = "none"


CASES = {
    "a renamed role loses a policy in place": Case(
        {"Role": role("old"), "Policy": policy()},
        {"Role": role("new"), "Policy": policy()},
        meanwhile="new",
        finally_="new",
    ),
    "a renamed role keeps a role policy until the cleanup": Case(
        {"Role": role("old"), "RolePolicy": role_policy()},
        {"Role": role("new"), "RolePolicy": role_policy()},
        meanwhile="new old",
        finally_="new",
    ),
    "a renamed role keeps an inline policy until the cleanup": Case(
        {"Role": role("old", Policies=[{"PolicyName": "login", "PolicyDocument": LOGIN}])},
        {"Role": role("new")},
        meanwhile="old",
        finally_="",
    ),
    "a statement is taken out of a policy in place": Case(
        {"Role": role("old"), "Policy": policy()},
        {"Role": role("old"), "Policy": policy(NOTHING)},
        meanwhile="",
        finally_="",
    ),
    "a statement is taken out of a role policy in place, too": Case(
        {"Role": role("old"), "RolePolicy": role_policy()},
        {"Role": role("old"), "RolePolicy": role_policy(NOTHING)},
        meanwhile="",
        finally_="",
    ),
    "a role policy under another name gives what it gave until the cleanup": Case(
        {"Role": role("old"), "RolePolicy": role_policy()},
        {"Role": role("old"), "RolePolicy": role_policy(NOTHING, "other")},
        meanwhile="old",
        finally_="",
    ),
    "a removed role policy": Case(
        {"Role": role("old"), "RolePolicy": role_policy()},
        {"Role": role("old")},
        meanwhile="old",
        finally_="",
    ),
    "a removed role": Case(
        {"Role": role("old", Policies=[{"PolicyName": "login", "PolicyDocument": LOGIN}])},
        {"Second": role("new")},
        meanwhile="old",
        finally_="",
    ),
    **{
        f"a rollback takes the new role's permission away ({mode})": Case(
            {"Role": role("old"), "RolePolicy": role_policy()},
            {"Role": role("new"), "RolePolicy": role_policy()},
            meanwhile="new old",
            finally_="old",
            rollback=mode,
        )
        for mode in ("delete", "update")
    },
}


class Office:
    """An app with a cluster, and logins to it by the credentials of a role."""

    def __init__(self, folder: Path) -> None:
        self.app = HandlerApp(folder)
        self.template: Resources = {
            "Cluster": {"Type": "AWS::DSQL::Cluster", "Properties": {"DeletionProtectionEnabled": False}}
        }
        assert self.deploy({}) is None
        self.path = folder / ".blocks" / "local" / "cluster"
        self.cluster = LocalCluster(self.path).start()

    def deploy(
        self,
        resources: Resources,
        last: Thing | None = None,
        rollback: str = "none",
        report: Report | None = None,
    ) -> object:
        more = {**self.template, **resources}
        return self.app.deploy({"Last": last} if last else {}, more=more, rollback=rollback, report=report)

    def logins(self) -> str:
        """Return the roles that can log in."""
        identities = json.loads(Folder.at(self.path).identities_file.read_text())["identities"]
        known = {row["arn"]: Credentials(**row["credentials"]) for row in identities}
        arn = f"arn:aws:iam::{LOCAL_ACCOUNT}:role/"
        return " ".join(
            name
            for name in ("new", "old")
            if f"{arn}{name}" in known and self._logs_in(known[f"{arn}{name}"])
        )

    def _logs_in(self, credentials: Credentials) -> bool:
        host, port = self.cluster.endpoint().split(":")
        try:
            psycopg.connect(
                host=host,
                port=int(port),
                user=ADMIN_ROLE,
                password=token(host, self.cluster.regions[0], ADMIN_ROLE, credentials),
                dbname="postgres",
                sslmode="verify-full",
                sslrootcert=str(self.cluster.ca_file),
            ).close()
        except psycopg.OperationalError as error:
            assert "access denied" in str(error)
            return False
        return True


class Probe(Report):
    """Records the roles that can log in when the resource `Last` is deployed."""

    def __init__(self, office: Office) -> None:
        self.office = office
        self.meanwhile: str | None = None

    def started(self, stack: str, change: Change) -> None:
        if change.logical_id == "Last":
            self.meanwhile = self.office.logins()


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    office = Office(tmp_path_factory.mktemp("office"))
    yield office
    office.cluster.close()


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_permissions_during_and_after_a_deploy(office: Office, case: Case) -> None:
    needs = tuple(case.after)
    assert office.deploy(case.before, Thing("1", "same", needs=("Role",))) is None
    assert office.logins() == "old"
    probe = Probe(office)
    last = Thing("2", "same", "known" if case.rollback != "none" else "", needs)
    failed = office.deploy(case.after, last, case.rollback, probe)
    assert bool(failed) is (case.rollback != "none")
    assert probe.meanwhile == case.meanwhile
    assert office.logins() == case.finally_
    with LocalDeployment.open(office.app.folder):
        assert office.logins() == case.finally_, "in a later process, too"


TEAM: Json = {"Fn::Select": [1, {"Fn::Split": ["/", {"Fn::GetAtt": ["Role", "Arn"]}]}]}
NAMES: dict[str, tuple[Json, bool]] = {
    "of the role": ({"Ref": "Role"}, True),
    "a part of the path of the role": (TEAM, False),
    "written in the template, as of a role of another app": ("elsewhere", True),
    "of a parameter": ({"Ref": "Given"}, True),
}


@pytest.mark.parametrize("kind", ["RolePolicy", "Policy"])
@pytest.mark.parametrize(("name", "exists"), NAMES.values(), ids=NAMES)
def test_a_policy_of_a_role_that_does_not_exist_is_refused(name: Json, exists: bool, kind: str) -> None:
    made = DeployedResource(
        "Role",
        "AWS::IAM::Role",
        "S/Role",
        "the-role",
        attributes={"Arn": "arn:aws:iam::1:role/team/the-role"},
    )
    value = name if isinstance(name, str) else "the-role" if name == NAME else "team"
    key, wrap = ("RoleName", lambda each: each) if kind == "RolePolicy" else ("Roles", lambda each: [each])
    resource = Resource("P", f"AWS::IAM::{kind}", {key: wrap(name)}, (), None, False, "S/P")
    with contextlib.nullcontext() if exists else pytest.raises(CommandError, match="there is no role team"):
        check_roles(resource, {key: wrap(value)}, {"Given"}, [made])
