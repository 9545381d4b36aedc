"""IAM decisions, as a table."""

from __future__ import annotations

import pytest

from local_dsql.access import Effect, Permission, allowed

CLUSTER = "arn:aws:dsql:us-east-1:000000000000:cluster/abcdefghijklmnopqrstuvwxyz"
CONNECT = "dsql:DbConnect"


def deny(action: str, resource: str) -> Permission:
    return Permission(action, resource, Effect.DENY)


@pytest.mark.parametrize(
    ("permissions", "answer"),
    [
        pytest.param([], False, id="nothing"),
        pytest.param([Permission(CONNECT, CLUSTER)], True, id="exact"),
        pytest.param([Permission("DSQL:dbconnect", CLUSTER)], True, id="action-in-another-case"),
        pytest.param([Permission(CONNECT, CLUSTER.upper())], False, id="resource-in-another-case"),
        pytest.param([Permission("dsql:DbConnectAdmin", CLUSTER)], False, id="longer-action"),
        pytest.param([Permission("dsql:DbConnect*", CLUSTER)], True, id="star-matches-nothing"),
        pytest.param([Permission("dsql:*", CLUSTER)], True, id="all-of-the-service"),
        pytest.param([Permission("*", "*")], True, id="everything"),
        pytest.param([Permission("dsql:DbC?nnect", CLUSTER)], True, id="question-mark"),
        pytest.param([Permission("dsql:DbConnect?", CLUSTER)], False, id="question-mark-needs-a-character"),
        pytest.param([Permission(CONNECT, "arn:aws:dsql:*:000000000000:cluster/*")], True, id="any-region"),
        pytest.param(
            [Permission(CONNECT, CLUSTER.replace("us-east-1", "us-east-2"))], False, id="other-region"
        ),
        pytest.param([Permission(CONNECT, CLUSTER.replace("dsql:us", "dsql.us"))], False, id="dot-is-a-dot"),
        pytest.param([Permission(CONNECT, f"{CLUSTER}/more")], False, id="longer-resource"),
        pytest.param([Permission("*", "*"), deny(CONNECT, CLUSTER)], False, id="deny-wins"),
        pytest.param([deny("dsql:*", "*"), Permission(CONNECT, CLUSTER)], False, id="deny-wins-in-any-order"),
        pytest.param([Permission("*", "*"), deny("dsql:DbConnectAdmin", "*")], True, id="deny-of-other"),
        pytest.param([deny(CONNECT, f"{CLUSTER}2")], False, id="deny-elsewhere-allows-nothing"),
    ],
)
def test_decision(permissions: list[Permission], answer: bool) -> None:
    assert allowed(permissions, CONNECT, CLUSTER) is answer
