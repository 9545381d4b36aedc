"""Access of functions: actions without a grant fail as on AWS."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from blocks_cli.local import LocalDeployment

# function, statement, error type (None: success), part of the message
CASES = [
    ("Writer", "INSERT INTO orders (item) VALUES ('tea') RETURNING item", None, ""),
    ("Writer", "SELECT name FROM _migrations", "PermissionDenied", "permission denied for table _migrations"),
    (
        "Writer",
        "CREATE TABLE mine (id INT PRIMARY KEY)",
        "PermissionDenied",
        "permission denied for schema public",
    ),
    ("Reader", "SELECT count(*) FROM orders", None, ""),
    (
        "Reader",
        "INSERT INTO orders (item) VALUES ('tea') RETURNING item",
        "PermissionDenied",
        "for table orders",
    ),
    ("Stranger", "SELECT 1", "AccessDenied", "unable to accept connection, access denied"),
    ("Forgotten", "SELECT 1", "ConfigurationError", "BLOCKS_MAIN_ENDPOINT is not set"),
    ("Forgotten", "SELECT 1", "ConfigurationError", "db.grant_connect(fn)"),
]


@pytest.mark.parametrize(("function", "statement", "error", "says"), CASES)
def test_access(shop: LocalDeployment, function: str, statement: str, error: str | None, says: str) -> None:
    result = shop.invoke(function, {"sql": statement})
    assert result.error_type == error, result.error_message
    assert says in (result.error_message or "")
