"""Serve a local database for the other programs: print the environment of its function, and run until input ends.

The table and the role are those that `tests/support/bare_runtime.py` reads and writes.
"""

import json
import sys

import psycopg

from blocks_runtime.contract import Variables
from local_dsql import LocalCluster, Permission
from local_dsql.access import credential_variables

ROLE, ARN = "app", "arn:aws:iam::123456789012:role/app"

with LocalCluster("database") as cluster:
    with psycopg.connect(cluster.dsn(), autocommit=True) as admin:
        admin.execute(f"CREATE ROLE {ROLE} WITH LOGIN")
        admin.execute(f"AWS IAM GRANT {ROLE} TO '{ARN}'")
        admin.execute("CREATE TABLE items (id int PRIMARY KEY, n int NOT NULL CHECK (n >= 0))")
        admin.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON items TO {ROLE}")
        admin.execute("INSERT INTO items VALUES (1, 100), (2, 100)")
    keys = cluster.identity(ARN, [Permission("dsql:DbConnect", cluster.arn())])
    variables = Variables(cluster.endpoint(), cluster.regions[0], ROLE, str(cluster.ca_file))
    print(json.dumps(variables.environment("main") | credential_variables(keys)), flush=True)
    sys.stdin.read()
