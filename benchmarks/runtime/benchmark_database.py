"""The benchmark database, and the login of a peer: by AWS's host name, with verified TLS."""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psycopg

from blocks_runtime.contract import Variables
from local_dsql import LocalCluster, Permission

if TYPE_CHECKING:
    from collections.abc import Iterator

REGION, ROLE = "us-east-1", "app"
ARN = f"arn:aws:iam::123456789012:role/{ROLE}"

_TABLES = (
    "CREATE TABLE lookup (id int PRIMARY KEY, v text)",
    "CREATE TABLE counter (id int PRIMARY KEY, n int)",
    "CREATE TABLE loaded (id bigint PRIMARY KEY, owner text, amount int)",
)


@dataclass(frozen=True)
class BenchmarkDatabase:
    """A local cluster; this process has the environment of a function with access to it."""

    cluster: LocalCluster
    host: str
    port: int

    def connect(self, **options: object) -> psycopg.Connection[tuple[object, ...]]:
        """Connect like a program that uses boto3 and psycopg directly."""
        return psycopg.connect(**self.parameters(), **options)  # type: ignore[arg-type]

    def parameters(self) -> dict[str, object]:
        """Return the connection parameters for psycopg, with a token signed by boto3."""
        import boto3

        client = boto3.client("dsql", region_name=REGION)
        return {
            "host": self.host,
            "hostaddr": "127.0.0.1",
            "port": self.port,
            "dbname": "postgres",
            "user": ROLE,
            "password": client.generate_db_connect_auth_token(self.host, REGION),
            "sslmode": "verify-full",
            "sslrootcert": str(self.cluster.ca_file),
            "sslnegotiation": "direct",
        }


@contextmanager
def database(commit_latency: float = 0.0) -> Iterator[BenchmarkDatabase]:
    """Yield a cluster with the tables and rows of the benchmarks."""
    with (
        tempfile.TemporaryDirectory() as folder,
        LocalCluster(folder, regions=[REGION], commit_latency=commit_latency) as cluster,
    ):
        with psycopg.connect(cluster.dsn(), autocommit=True) as admin:
            admin.execute(f"CREATE ROLE {ROLE} WITH LOGIN")
            admin.execute(f"AWS IAM GRANT {ROLE} TO '{ARN}'")
            for table in _TABLES:
                admin.execute(table.encode())
                name = table.split()[2]
                admin.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {name} TO {ROLE}".encode())
            admin.execute("INSERT INTO lookup SELECT n, 'v' || n FROM generate_series(1, 1000) AS n")
            admin.execute("INSERT INTO counter VALUES (1, 0)")
        keys = cluster.identity(ARN, [Permission("dsql:DbConnect", cluster.arn())])
        variables = Variables(cluster.endpoint(), REGION, ROLE, str(cluster.ca_file))
        host, port = f"{cluster.identifier}.dsql.{REGION}.on.aws", int(cluster.endpoint().partition(":")[2])
        os.environ |= variables.environment("main") | {
            "AWS_ACCESS_KEY_ID": keys.access_key_id,
            "AWS_SECRET_ACCESS_KEY": keys.secret_access_key,
            "AWS_LAMBDA_FUNCTION_NAME": "app",
            "AWS_REGION": REGION,
            "PEER_HOST": host,
            "PEER_PORT": str(port),
            "PEER_CA": str(cluster.ca_file),
        }
        if keys.session_token:
            os.environ["AWS_SESSION_TOKEN"] = keys.session_token
        yield BenchmarkDatabase(cluster, host, port)
