"""The local cluster with the host name that it would have on AWS, and tokens of AWS's SDK."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from local_dsql import LocalCluster
    from tests.support.code_blocks import Block

APPLICATION = """
import os
import boto3
import psycopg

host = os.environ["CLUSTER_ENDPOINT"]
region = os.environ["REGION"]
token = boto3.client("dsql", region_name=region).generate_db_connect_admin_auth_token(host, region)
with psycopg.connect(host=host, user="admin", dbname="postgres", password=token) as connection:
    print(connection.execute("SELECT current_user").fetchone()[0], connection.info.host)
"""
"""Program for a cluster on AWS, without any knowledge of the local database."""


@pytest.mark.parametrize("region", ["us-east-1", "us-east-2"])
def test_application_for_aws_runs_unchanged(
    shared_cluster: LocalCluster, region: str, page_blocks: list[Block]
) -> None:
    """With the variables of the page, those with a value there as they are written."""
    (page,) = (block.body for block in page_blocks)
    written = dict(re.findall(r"(\w+)=(\S*)", re.sub(r" +#.*", "", page)))
    host = f"{shared_cluster.identifier}.dsql.{region}.on.aws"
    keys = shared_cluster.admin_credentials
    values = {
        "CLUSTER_ENDPOINT": host,
        "PGPORT": shared_cluster.endpoint(region).partition(":")[2],
        "PGSSLROOTCERT": str(shared_cluster.ca_file),
        "AWS_ACCESS_KEY_ID": keys.access_key_id,
        "AWS_SECRET_ACCESS_KEY": keys.secret_access_key,
    }
    assert written.keys() == values.keys() | {"PGHOSTADDR", "PGSSLMODE"}
    token = {"AWS_SESSION_TOKEN": keys.session_token} if keys.session_token else {}
    answer = subprocess.run(
        [sys.executable, "-c", APPLICATION],
        env={**written, **values, **token, "REGION": region},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout == f"admin {host}\n"
