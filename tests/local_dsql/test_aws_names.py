"""The local cluster with the host name that it would have on AWS, and tokens of AWS's SDK."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from local_dsql import LocalCluster

APPLICATION = """
import os
import boto3
import psycopg

host = os.environ["CLUSTER_ENDPOINT"]
region = os.environ["REGION"]
token = boto3.client("dsql", region_name=region).generate_db_connect_admin_auth_token(host, region)
with psycopg.connect(host=host, user="admin", dbname="postgres", password=token, sslmode="verify-full") as connection:
    print(connection.execute("SELECT current_user").fetchone()[0], connection.info.host)
"""
"""Program for a cluster on AWS, without any knowledge of the local database."""


@pytest.mark.parametrize("region", ["us-east-1", "us-east-2"])
def test_application_for_aws_runs_unchanged(shared_cluster: LocalCluster, region: str) -> None:
    host = f"{shared_cluster.identifier}.dsql.{region}.on.aws"
    keys = shared_cluster.admin_credentials
    answer = subprocess.run(
        [sys.executable, "-c", APPLICATION],
        env={
            "CLUSTER_ENDPOINT": host,
            "REGION": region,
            "PGHOSTADDR": "127.0.0.1",
            "PGPORT": shared_cluster.endpoint(region).partition(":")[2],
            "PGSSLROOTCERT": str(shared_cluster.ca_file),
            "AWS_ACCESS_KEY_ID": keys.access_key_id,
            "AWS_SECRET_ACCESS_KEY": keys.secret_access_key,
            **({"AWS_SESSION_TOKEN": keys.session_token} if keys.session_token else {}),
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout == f"admin {host}\n"
