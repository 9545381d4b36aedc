"""The extra `local`: the database starts and answers, refuses as DSQL, and the runtime queries it; so does the CLI."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import psycopg

from blocks_runtime import DistributedDatabase, sql
from local_dsql import LocalCluster

with tempfile.TemporaryDirectory() as folder, LocalCluster(folder) as cluster:
    with psycopg.connect(cluster.dsn(), autocommit=True) as admin:
        admin.execute("CREATE TABLE orders (id int PRIMARY KEY)")
        try:
            admin.execute("TRUNCATE orders")
        except psycopg.errors.FeatureNotSupported:
            pass
        else:
            raise AssertionError("TRUNCATE was accepted")
    os.environ.update(cluster.environment())
    with DistributedDatabase("main") as db:
        db.execute(sql("INSERT INTO orders VALUES ({id})", id=7))
        assert db.query_one(sql("SELECT id FROM orders")) == {"id": 7}

program = Path(sys.executable).with_name("local-dsql")
said = subprocess.run([program, "--help"], capture_output=True, text=True, check=True).stdout
assert said.startswith("Usage: local-dsql"), said
