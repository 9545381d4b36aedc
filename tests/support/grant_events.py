"""CloudFormation's requests for `Custom::DsqlGrant` and `Custom::DsqlMigrations`, handled in this process.

A grant is written `rw a`: a database role of `ROLES` for the IAM role `a`.
"""

from __future__ import annotations

import time
import uuid
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from blocks_runtime.contract import Access, custom_role, database_role
from dsql_dialect.migrations import compile_folder
from lambda_migrator import handler
from lambda_migrator.grants import Grant, write_grants
from tests.support.cloudformation_stub import response_server
from tests.support.lambda_invocation import Context

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lambda_migrator.grants import Rights
    from tests.lambda_migrator.conftest import Deployment
    from tests.support.cloudformation_stub import CloudFormationStub

ROLES: dict[str, tuple[str, Rights]] = {
    "rw": (database_role("main", Access.READ_WRITE), Access.READ_WRITE),
    "ro": (database_role("main", Access.READ_ONLY), Access.READ_ONLY),
    "select": (custom_role("main", "clerk"), {("public", "t"): ("SELECT",)}),
    "insert": (custom_role("main", "clerk"), {("public", "t"): ("INSERT", "SELECT")}),
    "refused": (custom_role("main", "refused"), {("public", "t"): ("SELECT",)}),
}
"""Database roles; DSQL refuses to map `refused`, which has no LOGIN attribute."""

MAPPINGS = "SELECT pg_role_name, arn FROM sys.iam_pg_role_mappings"
_PREFIX = "arn:aws:iam::123456789012:role/"


def grants_of(text: str) -> list[Grant]:
    """Return the grants of a text such as `rw a, ro b`."""
    pairs = [each.split() for each in text.split(",") if each.strip()]
    return [Grant(*ROLES[role], _PREFIX + name) for role, name in pairs]


def signed(url: str, seconds: int) -> str:
    """Return a response URL with the date at which it was signed."""
    return f"{url}&X-Amz-Date={time.strftime('%Y%m%dT%H%M%SZ', time.gmtime(seconds))}&X-Amz-Expires=7200"


@dataclass
class Stacks:
    """Stacks that use the database `main` of a cluster; each request is signed a second after the one before."""

    deployment: Deployment
    stub: CloudFormationStub
    dated: bool = True
    clock: int = 1_700_000_000
    events: list[dict[str, Any]] = field(default_factory=list)

    def prepare(self) -> None:
        """Migrate, and create the database role that cannot be mapped."""
        self.deployment.run(f"CREATE ROLE {ROLES['refused'][0]} NOLOGIN")
        self.migrations("Create")

    def grant(
        self, kind: str, text: str, id: str | None = None, resource: str = "Orders", stack: str = "Shop"
    ) -> dict[str, Any]:
        """Send a request for one grant, such as `rw a, select a`, and return the answer."""
        return self.deliver(self.grant_event(kind, text, id, resource, stack))

    def grant_event(
        self, kind: str, text: str, id: str | None = None, resource: str = "Orders", stack: str = "Shop"
    ) -> dict[str, Any]:
        """Return the event of a request for one grant."""
        return self._event("Custom::DsqlGrant", kind, stack, resource, grant_properties(grants_of(text)), id)

    def migrations(
        self,
        kind: str,
        id: str | None = None,
        *,
        old: str | None = None,
        grants: str | None = None,
        elsewhere: str = "",
        **more: object,
    ) -> dict[str, Any]:
        """Send a request for the migrations of the stack Data; `grants` and `old` are its `Grants`, as text."""
        if any(self.deployment.folder.glob("*.sql")):
            manifest = compile_folder(self.deployment.folder).canonical_json()
            (self.deployment.folder / "manifest.json").write_bytes(manifest)
        variables = self.deployment.variables()
        properties = {"Database": "main", "Endpoint": variables.endpoint, "Region": variables.region, **more}
        before = dict(properties)
        if grants is not None:
            properties["Grants"] = write_grants(grants_of(grants))
        if elsewhere:
            properties["Elsewhere"] = [
                {"DatabaseRole": each.role, "RoleArn": each.arn} for each in grants_of(elsewhere)
            ]
        event = self._event("Custom::DsqlMigrations", kind, "Data", "Migrations", properties, id)
        if old is not None:
            event["OldResourceProperties"] = before | {"Grants": write_grants(grants_of(old))}
        return self.deliver(event)

    def deliver(self, event: dict[str, Any]) -> dict[str, Any]:
        """Handle an event, and return the answer."""
        handler.handler(dict(event), Context())
        return self.stub.bodies[-1]

    def mapped(self) -> set[str]:
        """Return the mappings in the database, as in `rw a`; both custom privileges of one role are `clerk`."""
        short = {role: name for name, (role, _) in ROLES.items()} | {ROLES["select"][0]: "clerk"}
        return {
            f"{short[str(role)]} {str(arn).removeprefix(_PREFIX)}"
            for role, arn in self.deployment.rows(MAPPINGS)
        }

    def _event(
        self, type: str, kind: str, stack: str, resource: str, properties: dict[str, Any], id: str | None
    ) -> dict[str, Any]:
        self.clock += 1
        event = {
            "RequestType": kind,
            "ResponseURL": signed(self.stub.url, self.clock) if self.dated else self.stub.url,
            "StackId": f"arn:aws:cloudformation:us-east-1:123456789012:stack/{stack}/1",
            "RequestId": str(uuid.uuid4()),
            "ResourceType": type,
            "LogicalResourceId": resource,
            "ResourceProperties": properties,
        } | ({} if id is None else {"PhysicalResourceId": id})
        self.events.append(event)
        return dict(event)


def grant_properties(grants: Sequence[Grant]) -> dict[str, Any]:
    """Return the properties of the resource with these grants, which are of one IAM role."""
    roles = [
        {name: value for name, value in each.items() if name != "RoleArn"} for each in write_grants(grants)
    ]
    return {
        "ServiceToken": "arn:aws:lambda:us-east-1:123456789012:function:Migrator",
        "ServiceTimeout": "3600",
        "Grant": {"Database": "main", "Endpoint": "cluster", "RoleArn": grants[0].arn, "Roles": roles},
    }


@contextmanager
def stacks(deployment: Deployment, *, dated: bool = True) -> Iterator[Stacks]:
    """Return the stacks, with a table and a response URL."""
    deployment.write({"001_t": "CREATE TABLE t (id int PRIMARY KEY);"})
    with response_server() as stub:
        made = Stacks(deployment, stub, dated=dated)
        made.prepare()
        yield made
