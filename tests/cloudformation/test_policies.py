"""The IAM policies of the template: with IAM enforcement they suffice, and each DSQL or Lambda action is needed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.cloudformation.servers import InvocationError
from tests.cloudformation.shop import INDEX, NOTE, ORDERS, Shop

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cloudformation.local_clusters import LocalClusters
    from tests.cloudformation.servers import MiniStack
    from tests.cloudformation.table import Table

pytestmark = pytest.mark.slow

NOT_EVALUATED = {"logs:CreateLogStream", "logs:PutLogEvents"}
"""MiniStack writes the logs of functions itself, and does not ask IAM."""


def test_policies(ministack: MiniStack, clusters: LocalClusters, table: Table, tmp_path: Path) -> None:
    app = Shop(ministack, tmp_path)
    app.add("001_orders.sql", ORDERS)
    app.deployed()
    with table.step("IAM: the function without dsql:DbConnect") as step:
        assert app.actions("orders") == {"dsql:DbConnect"}
        with app.without("orders", "dsql:DbConnect"):
            with pytest.raises(InvocationError, match="access denied"):
                app.order(1)
        assert app.order(1) == 1
        step.result = "is refused the login; with it nothing else is needed"

    migrator = "Shop-mainMigratorRole"
    assert app.actions(migrator) == {"dsql:DbConnectAdmin", "lambda:InvokeFunction"} | NOT_EVALUATED
    app.add("002_note.sql", NOTE)
    with table.step("IAM: the migrator without dsql:DbConnectAdmin") as step:
        with app.without(migrator, "dsql:DbConnectAdmin"):
            done = app.deploy()
            assert done.code == 1 and "access denied" in done.output, done.output
            # The rollback asks the migrator too, which cannot log in then either.
            assert ministack.stacks() == {"Shop": "UPDATE_ROLLBACK_FAILED"}
        step.result = "the deploy fails, and so does its rollback"
    with table.step("ContinueUpdateRollback and cdk deploy, with it again") as step:
        formation = ministack.client("cloudformation")
        # `cdk rollback` sends an empty list of resources to skip, which MiniStack 1.5.33 refuses.
        formation.continue_update_rollback(StackName="Shop")
        formation.get_waiter("stack_rollback_complete").wait(StackName="Shop", WaiterConfig={"Delay": 1})
        assert "up to date: 002_note" in app.deployed()
        assert app.order(1) == 2
        step.result = "applied; the rows are kept"

    app.add("003_index.sql", INDEX)
    clusters.local.delay_jobs(7)
    with table.step("IAM: the migrator without lambda:InvokeFunction") as step:
        with app.without(migrator, "lambda:InvokeFunction"):
            app.context["timeout"] = "6"
            done = app.deploy()
            assert done.code == 1 and "AccessDenied" in done.output, done.output
        assert "up to date: 003_index" in app.deployed()
        step.result = "a long migration fails; it continues with it"
