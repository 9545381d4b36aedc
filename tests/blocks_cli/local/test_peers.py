"""Two peered clusters without the construct: one server with two endpoints, each open while its cluster is usable."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

# The jsii process reads it at its start, so it must be set before aws_cdk is imported.
os.environ.setdefault("CDK_VALIDATION", "false")
os.environ.setdefault("JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION", "20")

import aws_cdk as cdk
import psycopg
import pytest
from aws_cdk import aws_dsql as dsql

from blocks_cli.control_plane.cluster import ClusterId
from blocks_cli.errors import CommandError
from blocks_cli.json_value import text
from blocks_cli.local import LocalDeployment
from local_dsql.divergences import BY_ID

if TYPE_CHECKING:
    from pathlib import Path

    from local_dsql import LocalCluster

ACCOUNT = "123456789012"
EAST, OHIO, WEST = "us-east-1", "us-east-2", "us-west-2"


def synthesize(folder: Path) -> Path:
    """Synthesize two stacks; in the templates only one cluster names the other."""
    app = cdk.App(outdir=str(folder), context={"aws:cdk:enable-path-metadata": True})
    stacks = {
        region: cdk.Stack(app, id, env=cdk.Environment(account=ACCOUNT, region=region))
        for id, region in (("Zulu", OHIO), ("Alpha", EAST))
    }
    peer = dsql.CfnCluster(
        stacks[OHIO],
        "main",
        multi_region_properties=dsql.CfnCluster.MultiRegionPropertiesProperty(witness_region=WEST),
    )
    output = cdk.CfnOutput(stacks[OHIO], "Arn", value=peer.attr_resource_arn)
    named = cdk.Fn.get_stack_output("Zulu", output.logical_id, OHIO)
    dsql.CfnCluster(
        stacks[EAST],
        "other",
        multi_region_properties=dsql.CfnCluster.MultiRegionPropertiesProperty(
            witness_region=WEST, clusters=[named]
        ),
    )
    stacks[EAST].add_stack_dependency(stacks[OHIO])
    app.synth()
    return folder


def join(deployment: LocalDeployment) -> None:
    """Call UpdateCluster like the peering function."""
    (cluster,) = deployment.clusters
    other = ClusterId(EAST, cluster.identifier, ACCOUNT)
    wanted = {"multiRegionProperties": {"witnessRegion": WEST, "clusters": [other.arn]}}
    deployment._account.control_plane.update(OHIO, cluster.identifier, wanted)  # type: ignore[arg-type]


def takes_connections(cluster: LocalCluster) -> list[str]:
    found = []
    for region in (EAST, OHIO):
        try:
            psycopg.connect(cluster.dsn(region)).close()
            found.append(region)
        except psycopg.OperationalError:
            continue
    return found


def test_two_clusters_that_name_each_other_are_one_database(tmp_path: Path) -> None:
    assembly = synthesize(tmp_path / "cdk.out")
    with LocalDeployment.deploy(assembly, tmp_path) as deployment:
        (cluster,) = deployment.clusters
        assert set(cluster.regions) == {EAST, OHIO}
        arns = {each.attributes["ResourceArn"] for each in deployment._account.resources()}
        assert arns == {ClusterId(region, cluster.identifier, ACCOUNT).arn for region in (EAST, OHIO)}
        assert len({ClusterId.parse(cluster.arn(region)).identifier for region in (EAST, OHIO)}) == 1, BY_ID[
            "one-identifier"
        ].sentence
        assert takes_connections(cluster) == []
        join(deployment)
        assert takes_connections(cluster) == [EAST, OHIO]
        with psycopg.connect(cluster.dsn(OHIO), autocommit=True) as connection:
            connection.execute("CREATE TABLE t (id int PRIMARY KEY)")
    with LocalDeployment.open(tmp_path) as later:
        (cluster,) = later.clusters
        assert takes_connections(cluster) == [EAST, OHIO], "what the API did is remembered"
        with psycopg.connect(cluster.dsn(EAST)) as connection:
            assert connection.execute("SELECT count(*) FROM t").fetchone() == (0,)
        with pytest.raises(CommandError) as waiting:
            later.destroy()
        assert text(waiting.value.what) == "Alpha/other: the cluster is in PENDING_DELETE"
        assert "destroy the stack of its peer as well" in waiting.value.remedy
        assert [*later.destroy(purge=True)] == ["Alpha", "Zulu"]
    assert [*(tmp_path / ".blocks" / "local").iterdir()] == []


def test_two_clusters_without_peering_are_destroyed_one_after_the_other(tmp_path: Path) -> None:
    """Alphabetical order of the stacks would be wrong, also in a later process."""
    with LocalDeployment.deploy(synthesize(tmp_path / "cdk.out"), tmp_path):
        pass
    with LocalDeployment.open(tmp_path) as later:
        assert [*later.destroy()] == ["Alpha", "Zulu"]
    assert [*(tmp_path / ".blocks" / "local").iterdir()] == []
