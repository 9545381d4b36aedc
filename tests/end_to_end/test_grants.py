"""Changes of grants over several deploys: granted, reduced, replaced, revoked."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import aws_cdk as cdk
import psycopg
import pytest
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_

from blocks import Access, DatabaseRole, DistributedDatabase, Privilege
from blocks.shared.layers import runtime_layer
from blocks_cli.local import LocalDeployment
from tests.end_to_end.conftest import ORDERS, REGION
from tests.end_to_end.shop.stack import RUNTIME

if TYPE_CHECKING:
    from collections.abc import Iterator

    from blocks.database.roles import Rights

SELECT, INSERT, UPDATE, DELETE = (
    *(Privilege.SELECT, Privilege.INSERT),
    *(Privilege.UPDATE, Privilege.DELETE),
)
REFUNDS = "CREATE TABLE refunds (id UUID PRIMARY KEY DEFAULT gen_random_uuid(), item TEXT NOT NULL);\n"


@dataclass
class Office:
    """An app with one database and two functions, which keep IAM permissions and variables without their grant."""

    root: Path
    grants: dict[str, Rights] = field(default_factory=dict)
    roles: dict[str, str] = field(default_factory=lambda: {"App": "AppRole", "Clerk": "ClerkRole"})
    versions: int = 0

    def write(self, name: str, text: str) -> None:
        (self.root / "migrations").mkdir(exist_ok=True)
        (self.root / "migrations" / name).write_text(text, encoding="utf-8")

    def deploy(self) -> LocalDeployment:
        self.versions += 1
        outdir = self.root / f"cdk.out.{self.versions}"
        app = cdk.App(outdir=str(outdir))
        self._fill(cdk.Stack(app, "Office"))
        app.synth()
        return LocalDeployment.deploy(outdir, self.root, region=REGION)

    def _fill(self, stack: cdk.Stack) -> None:
        db = DistributedDatabase(stack, "main", migrations=self.root / "migrations")
        for id, role in self.roles.items():
            function = self._function(stack, id, role)
            if id in self.grants:
                db.grant_connect(function, access=self.grants[id])
                continue
            db.grant(function, "dsql:DbConnect")
            function.add_layers(runtime_layer(stack, RUNTIME, lambda_.Architecture.X86_64))
            for name, value in db.environment(LAST[id]).items():
                function.add_environment(name, value)

    def _function(self, stack: cdk.Stack, id: str, role: str) -> lambda_.Function:
        return lambda_.Function(
            stack,
            id,
            runtime=RUNTIME,
            code=lambda_.Code.from_asset(
                str(Path(__file__).parent / "shop" / "functions"), exclude=["**/__pycache__"]
            ),
            handler="statement.handler",
            timeout=cdk.Duration.seconds(30),
            role=iam.Role.from_role_arn(stack, f"{id}Imported", role)
            if role.startswith("arn:")
            else iam.Role(
                stack, role, path="/team/", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com")
            ),
        )


CLERK = DatabaseRole("clerk", {"orders": [SELECT, INSERT]})
NARROW = DatabaseRole("clerk", {"orders": [SELECT], "refunds": [SELECT, INSERT, UPDATE, DELETE]})
LAST: dict[str, Rights] = {"App": Access.READ_WRITE, "Clerk": CLERK}

ADD = "INSERT INTO {} (item) VALUES ('tea') RETURNING item"
COUNT = "SELECT count(*) AS n FROM {}"


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    office = Office(tmp_path)
    office.write("001_orders.sql", ORDERS)
    yield office


def answer(deployment: LocalDeployment, function: str, statement: str) -> str:
    """Return `ok`, or the end of the function's error message."""
    result = deployment.invoke(function, {"sql": statement})
    return "ok" if result.error_type is None else f"{result.error_type}: {result.error_message}"


def ask(deployment: LocalDeployment, query: str) -> list[tuple[str, ...]]:
    """Return the rows of a query as admin."""
    with psycopg.connect(deployment.clusters[0].dsn()) as connection:
        return [tuple(map(str, row)) for row in connection.execute(query.encode()).fetchall()]


def mappings(deployment: LocalDeployment) -> list[tuple[str, str]]:
    """Return the mappings of IAM ARNs (their last part) to our database roles."""
    query = "SELECT pg_role_name, arn FROM sys.iam_pg_role_mappings ORDER BY 1, 2"
    return [(role, arn.partition(":role/")[2]) for role, arn in ask(deployment, query)]


def test_a_grant_is_made_reduced_moved_and_revoked(office: Office) -> None:
    office.grants = {"App": Access.READ_WRITE, "Clerk": CLERK}
    with office.deploy() as first:
        assert answer(first, "App", ADD.format("orders")) == "ok"
        assert answer(first, "Clerk", ADD.format("orders")) == "ok"
        assert "permission denied for table orders" in answer(first, "Clerk", "DELETE FROM orders")
        for function in ("App", "Clerk"):
            assert "permission denied for table _migrations" in answer(
                first, function, COUNT.format("_migrations")
            )
            assert "permission denied for schema public" in answer(
                first, function, "CREATE TABLE mine (id INT PRIMARY KEY)"
            )
        was = mappings(first)
        assert [role for role, _ in was] == ["blocks_main__clerk", "blocks_main_read_write"]
        assert all(arn.startswith("team/") for _, arn in was)

    # A new table, a role with fewer privileges, a lower access level, and another IAM role for the same function.
    office.write("002_refunds.sql", REFUNDS)
    office.grants = {"App": Access.READ_ONLY, "Clerk": NARROW}
    office.roles["App"] = "OtherRole"
    with office.deploy() as second:
        assert answer(second, "App", COUNT.format("refunds")) == "ok"
        assert "permission denied for table refunds" in answer(second, "App", ADD.format("refunds"))
        assert answer(second, "Clerk", ADD.format("refunds")) == "ok"
        assert answer(second, "Clerk", COUNT.format("orders")) == "ok"
        assert "permission denied for table orders" in answer(second, "Clerk", ADD.format("orders"))
        now = mappings(second)
        assert [role for role, _ in now] == ["blocks_main__clerk", "blocks_main_read_only"]
        assert not {arn for role, arn in was if role == "blocks_main_read_write"} & {arn for _, arn in now}
        left = "SELECT has_table_privilege('blocks_main_read_write', 'orders', 'SELECT')"
        assert ask(second, left) == [("False",)]

    # IAM permissions and variables are kept, the grants are removed: the database refuses the login.
    office.grants = {}
    with office.deploy() as third:
        for function in ("App", "Clerk"):
            assert "unable to accept connection, access denied" in answer(third, function, "SELECT 1")
        assert mappings(third) == []
        assert ask(third, "SELECT count(*) FROM orders") == [("2",)]


@pytest.mark.slow
def test_imported_roles_log_in_and_are_replaced(office: Office) -> None:
    office.roles = {"App": "arn:aws:iam::123456789012:role/team/First"}
    office.grants = {"App": Access.READ_WRITE}
    with office.deploy() as first:
        assert answer(first, "App", ADD.format("orders")) == "ok"
    office.roles = {"App": "arn:aws:iam::123456789012:role/team/Second"}
    with office.deploy() as second:
        assert answer(second, "App", ADD.format("orders")) == "ok"
        assert mappings(second) == [("blocks_main_read_write", "team/Second")]
