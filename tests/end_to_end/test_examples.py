"""The examples: synthesized by their commands, deployed locally, invoked."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import psycopg
import pytest

from blocks_cli.local import LocalDeployment
from blocks_cli.synth import synthesize
from tests.end_to_end.conftest import REGION, ROOT

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow


def deploy(example: str, folder: Path) -> LocalDeployment:
    command = f"{sys.executable} -m examples.{example}.app"
    assembly = synthesize(ROOT, folder / "cdk.out", REGION, command)
    return LocalDeployment.deploy(assembly, folder, region=REGION)


def test_an_existing_cluster_is_migrated_and_used(tmp_path: Path) -> None:
    with deploy("existing_cluster", tmp_path) as deployment:
        assert deployment.invoke("Write", {"text": "hello"}).payload == {"notes": 1}
        assert deployment.invoke("Read", {}).payload == ["hello"]


def test_a_worker_on_ecs_gets_its_role_in_the_database(tmp_path: Path) -> None:
    """ECS is not available locally; cluster, migrations and the mapping of the role are."""
    with deploy("ecs", tmp_path) as deployment:
        with psycopg.connect(deployment.clusters[0].dsn()) as connection:
            rows = connection.execute("SELECT pg_role_name FROM sys.iam_pg_role_mappings").fetchall()
            may = connection.execute(
                "SELECT has_table_privilege('blocks_main__worker', 'jobs', 'UPDATE'),"
                " has_table_privilege('blocks_main__worker', 'jobs', 'DELETE')"
            ).fetchall()
        assert rows == [("blocks_main__worker",)]
        assert may == [(True, False)]
