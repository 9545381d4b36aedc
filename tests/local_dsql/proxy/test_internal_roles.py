"""Roles of the local database that a cluster does not have: a statement that names one gets 42704."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest

if TYPE_CHECKING:
    from tests.local_dsql.proxy.cluster import Cluster

NAMING = [
    "ALTER TABLE owned OWNER TO {role}",
    "ALTER TABLE owned ADD COLUMN n int, OWNER TO {role}",
    "ALTER SCHEMA public OWNER TO {role}",
    "CREATE SCHEMA of_role AUTHORIZATION {role}",
    "GRANT SELECT ON owned TO {role}",
    "REVOKE SELECT ON owned FROM {role}",
    "GRANT {role} TO admin",
    "GRANT admin TO {role}",
    "ALTER ROLE {role} WITH LOGIN",
    "ALTER ROLE {role} RENAME TO another",
    "ALTER ROLE {role} SET search_path = public",
    "DROP ROLE {role}",
    "CREATE ROLE newer ROLE {role}",
    "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO {role}",
    "ALTER DEFAULT PRIVILEGES FOR ROLE {role} GRANT SELECT ON TABLES TO admin",
    "AWS IAM GRANT {role} TO 'arn:aws:iam::000000000000:role/app'",
]


@pytest.mark.parametrize("role", ["postgres", "local_dsql_engine"])
@pytest.mark.parametrize("sql", NAMING)
def test_a_role_that_a_cluster_does_not_have(cluster: Cluster, sql: str, role: str) -> None:
    with cluster.connect() as admin:
        admin.execute("CREATE TABLE IF NOT EXISTS owned (id int PRIMARY KEY)")
        with pytest.raises(psycopg.errors.UndefinedObject) as raised:
            admin.execute(sql.format(role=role))
    assert raised.value.diag.message_primary == f'role "{role}" does not exist'


@pytest.mark.parametrize(
    "sql", ["CREATE ROLE {role}", "CREATE USER {role}", "ALTER ROLE poster RENAME TO {role}"]
)
def test_a_name_that_no_client_may_give(cluster: Cluster, sql: str) -> None:
    with cluster.connect() as admin:
        admin.execute("CREATE ROLE poster")
        with pytest.raises(psycopg.errors.ReservedName) as raised:
            admin.execute(sql.format(role="local_dsql_new"))
        admin.execute("DROP ROLE poster")
    assert raised.value.diag.message_primary == 'role name "local_dsql_new" is reserved'


def test_roles_of_a_client_are_named_as_before(cluster: Cluster) -> None:
    with cluster.connect() as admin:
        admin.execute("CREATE ROLE poster")
        admin.execute("CREATE SCHEMA postered AUTHORIZATION admin")
        admin.execute("GRANT USAGE ON SCHEMA postered TO poster")
        admin.execute("DROP SCHEMA postered")
        admin.execute("DROP ROLE poster")
