"""A database in two Regions: the peering function against MiniStack's control plane of DSQL, with IAM enforcement."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from botocore.exceptions import ClientError

from blocks_runtime import signing
from tests.cloudformation.app import HOME, PEER, WITNESS
from tests.cloudformation.shop import ORDERS, Shop

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from local_dsql import Credentials
    from tests.cloudformation.local_clusters import LocalClusters
    from tests.cloudformation.servers import MiniStack
    from tests.cloudformation.table import Table

pytestmark = pytest.mark.slow

ROLE = "Shop-mainPeeringRole"

NOT_EVALUATED = {
    *("dsql:AddPeerCluster", "dsql:PutMultiRegionProperties", "dsql:PutWitnessRegion"),
    "iam:CreateServiceLinkedRole",
    *("logs:CreateLogStream", "logs:PutLogEvents"),
}
"""MiniStack asks IAM for an operation's own action only, and writes the logs of functions itself."""

CONTINUES = {"lambda:InvokeFunction"}
"""Needed if the clusters take longer than an invocation; `test_policies.py` has it for the migrator."""


def test_two_regions(ministack: MiniStack, clusters: LocalClusters, table: Table, tmp_path: Path) -> None:
    app = Shop(ministack, tmp_path)
    app.add("001_orders.sql", ORDERS)
    with table.step("cdk deploy: two Regions") as step:
        app.deployed(regions="2")
        assert app.order(4) == 4
        with psycopg.connect(clusters.local.dsn(PEER)) as connection:
            assert connection.execute("SELECT amount FROM orders").fetchall() == [(4,)]
        step.result = "the peering function has joined them; one row in both"
    home, peer = (_only_cluster(ministack, region) for region in (HOME, PEER))
    for cluster in (home, peer):
        assert cluster["status"] == "ACTIVE"
        assert cluster["multiRegionProperties"]["witnessRegion"] == WITNESS
        assert {cluster["arn"], *cluster["multiRegionProperties"]["clusters"]} == {home["arn"], peer["arn"]}

    with table.step("IAM: the peering function") as step:
        credentials = clusters.credentials[ROLE]
        actions = app.actions(ROLE)
        evaluated = {"dsql:GetCluster", "dsql:UpdateCluster", "dsql:DeleteCluster"}
        assert actions == evaluated | NOT_EVALUATED | CONTINUES
        _check_calls(ministack, credentials, home, peer)
        for action in sorted(evaluated):
            with app.without(ROLE, action):
                assert not _is_allowed(_calls(ministack, credentials, peer)[action])
        assert _cannot_log_in(clusters, credentials)
        step.result = f"{len(evaluated)} actions are evaluated: all needed, on these clusters only"

    with table.step("cdk destroy: two Regions") as step:
        done = app.run("destroy", "--all", "--force")
        assert done.code == 0, done.output
        assert ministack.stacks() == ministack.stacks(PEER) == {}
        assert _clusters(ministack, HOME) == _clusters(ministack, PEER) == []
        step.result = "nothing is left in either"


def _clusters(ministack: MiniStack, region: str) -> list[Any]:
    """Return MiniStack's clusters of a Region; it lists those of all Regions everywhere."""
    found = ministack.client("dsql", region).list_clusters()["clusters"]
    return [each for each in found if each["arn"].split(":")[3] == region]


def _only_cluster(ministack: MiniStack, region: str) -> Any:
    [found] = _clusters(ministack, region)
    return ministack.client("dsql", region).get_cluster(identifier=found["identifier"])


def _calls(
    ministack: MiniStack, credentials: Credentials, cluster: dict[str, Any]
) -> dict[str, Callable[[], object]]:
    """Return calls on a cluster with these credentials, by the action that MiniStack asks IAM for."""
    client = ministack.client("dsql", cluster["arn"].split(":")[3], credentials)
    name = {"identifier": cluster["identifier"]}
    return {
        "dsql:GetCluster": lambda: client.get_cluster(**name),
        "dsql:UpdateCluster": lambda: client.update_cluster(**name, deletionProtectionEnabled=False),
        "dsql:DeleteCluster": lambda: client.delete_cluster(**name),
        "dsql:ListClusters": lambda: client.list_clusters(),
        "dsql:CreateCluster": lambda: client.create_cluster(),
        "dsql:PutClusterPolicy": lambda: client.put_cluster_policy(**name, policy="{}"),
    }


def _is_allowed(call: Callable[[], object]) -> bool:
    try:
        call()
    except ClientError as error:
        assert error.response["Error"]["Code"] == "AccessDeniedException", error
        return False
    return True


def _check_calls(
    ministack: MiniStack, credentials: Credentials, home: dict[str, Any], peer: dict[str, Any]
) -> None:
    """Assert what the role may do with each cluster; it may delete the peer only, which is not tried here."""
    for cluster in (home, peer):
        calls = _calls(ministack, credentials, cluster)
        if cluster is peer:
            del calls["dsql:DeleteCluster"]
        allowed = {action for action, call in calls.items() if _is_allowed(call)}
        assert allowed == {"dsql:GetCluster", "dsql:UpdateCluster"}


def _cannot_log_in(clusters: LocalClusters, credentials: Credentials) -> bool:
    host, _, port = clusters.local.endpoint().partition(":")
    token = signing.token(host, HOME, "admin", credentials)
    try:
        psycopg.connect(
            host=host,
            port=port,
            user="admin",
            dbname="postgres",
            password=token,
            sslmode="verify-full",
            sslrootcert=str(clusters.authority),
        ).close()
    except psycopg.OperationalError as error:
        return "access denied" in str(error)
    return False
