"""A cluster in the dialect 2026-11 with two roles that may do nothing but log in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.local_dsql.proxy.cluster import Cluster

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local_dsql.access import Credentials

ROLES = ("alice", "bob")
ARN = "arn:aws:iam::000000000000:role/"


class PlpgsqlCluster(Cluster):
    """The cluster; `roles` are the credentials of the two roles."""

    def __init__(self) -> None:
        super().__init__("2026-11")
        self.roles: dict[str, Credentials] = {}
        with self.connect() as admin:
            for role in ROLES:
                self.roles[role] = self.credentials(ARN + role, "dsql:DbConnect")
                admin.execute(f"CREATE ROLE {role} WITH LOGIN")
                admin.execute(f"AWS IAM GRANT {role} TO '{ARN}{role}'")

    def token_of(self, role: str) -> str:
        """Return a token with which a role logs in."""
        return self.token(self.roles[role], "DbConnect")


@pytest.fixture(scope="session")
def november() -> Iterator[PlpgsqlCluster]:
    """The running cluster."""
    running = PlpgsqlCluster()
    yield running
    running.close()
