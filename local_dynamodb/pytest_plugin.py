"""pytest fixtures: a local DynamoDB per session, empty for each test. Active once the package is installed.

import boto3

def test_the_client_survives_a_throttled_write(dynamo):
    dynamo.create_table("orders")
    dynamo.inject("Throttling", table="orders")
    client = boto3.client("dynamodb", endpoint_url=dynamo.url, …)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local_dynamodb.dynamo import LocalDynamo


@pytest.fixture(scope="session")
def dynamo_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalDynamo]:
    """Local DynamoDB of this session, or of this pytest-xdist worker."""
    # Imported here: every pytest run imports this module, few need a table.
    from local_dynamodb.dynamo import LocalDynamo

    with LocalDynamo(tmp_path_factory.mktemp("dynamodb")) as started:
        yield started


@pytest.fixture
def dynamo(dynamo_server: LocalDynamo) -> LocalDynamo:
    """The local DynamoDB without items and injections, in milliseconds; tables and endpoint stay the same."""
    dynamo_server.reset()
    return dynamo_server
