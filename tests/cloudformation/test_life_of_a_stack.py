"""A stack from its first deploy to its deletion, by the CDK command line and a CloudFormation that others wrote."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest

from tests.cloudformation.servers import InvocationError
from tests.cloudformation.shop import INDEX, NOTE, ORDERS, Shop

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cloudformation.local_clusters import LocalClusters
    from tests.cloudformation.servers import MiniStack
    from tests.cloudformation.table import Table

pytestmark = pytest.mark.slow

NO_AMOUNT = "INSERT INTO orders (note)\nVALUES ('without an amount');\n"
WITH_AMOUNT = "INSERT INTO orders (amount, note)\nVALUES (0, 'with an amount');\n"


def mappings(clusters: LocalClusters) -> set[tuple[str, str]]:
    """Return the database roles of the app and the IAM roles that may log in with them."""
    with psycopg.connect(clusters.local.dsn()) as connection:
        rows = connection.execute("SELECT pg_role_name, arn FROM sys.iam_pg_role_mappings").fetchall()
    return {(role, arn.rpartition("/")[2]) for role, arn in rows}


def test_life_of_a_stack(ministack: MiniStack, clusters: LocalClusters, table: Table, tmp_path: Path) -> None:
    app = Shop(ministack, tmp_path)
    app.add("001_orders.sql", ORDERS)
    with table.step("cdk deploy: cluster, migration, grant, function") as step:
        assert "up to date: 001_orders" in app.deployed()
        assert app.order(5) == 5
        step.result = "the function has inserted a row"
    with table.step("cdk diff --fail after it") as step:
        done = app.run("diff", "--fail")
        assert done.code == 0 and "Number of stacks with differences: 0" in done.output, done.output
        step.result = "no difference"

    app.add("002_note.sql", NOTE)
    with table.step("cdk diff --fail with another migration") as step:
        done = app.run("diff", "--fail")
        changed = [line for line in done.output.splitlines() if line.startswith("[")]
        assert done.code == 1 and {line.split()[1] for line in changed} == {
            "Custom::DsqlMigrations",
            "AWS::Lambda::Function",
        }
        step.result = "the migrator and its resource, nothing else"
    with table.step("cdk deploy: another migration") as step:
        assert "up to date: 002_note" in app.deployed()
        assert app.order() == 5
        step.result = "applied, the rows are kept"

    with table.step("cdk deploy: read-only access") as step:
        app.deployed(access="READ_ONLY")
        assert app.order() == 5
        with pytest.raises(InvocationError, match="permission denied"):
            app.order(1)
        assert mappings(clusters) == {("blocks_main_read_only", "orders")}
        step.result = "reads, and is refused a write"
    with table.step("cdk deploy: another IAM role") as step:
        app.deployed(access="READ_WRITE", role="orders-second")
        assert app.order(2) == 7
        assert mappings(clusters) == {("blocks_main_read_write", "orders-second")}
        step.result = "only the new role is mapped"

    app.add("003_amount.sql", NO_AMOUNT)
    with table.step("cdk deploy: a migration that fails") as step:
        done = app.deploy()
        assert done.code == 1
        assert "003_amount.sql:1:1" in done.output and "23502" in done.output, done.output
        assert ministack.stacks() == {"Shop": "UPDATE_ROLLBACK_COMPLETE"}
        assert app.order(3) == 10
        assert mappings(clusters) == {("blocks_main_read_write", "orders-second")}
        step.result = "file, line, SQLSTATE 23502; rolled back; the function works"
    app.add("003_amount.sql", WITH_AMOUNT)
    with table.step("cdk deploy: the corrected migration") as step:
        assert "up to date: 003_amount" in app.deployed()
        step.result = "applied"

    app.add("004_index.sql", INDEX)
    with table.step("cdk deploy: an index build longer than the function's timeout") as step:
        clusters.local.delay_jobs(7)
        before = len(clusters.invocations)
        assert "up to date: 004_index" in app.deployed(timeout="6")
        assert len(clusters.invocations) - before > 1
        clusters.local.delay_jobs(0)
        step.result = "continued in another invocation"

    with table.step("cdk deploy: the grant removed") as step:
        app.deployed(access="none")
        with pytest.raises(InvocationError, match="No module named 'blocks_runtime'"):
            app.order()
        assert mappings(clusters) == set()
        step.result = "no mapping and no layer is left"
    with table.step("cdk destroy") as step:
        done = app.run("destroy", "--all", "--force")
        assert done.code == 0 and ministack.stacks() == {}, done.output
        assert ministack.client("dsql").list_clusters()["clusters"] == []
        step.result = "nothing is left"
