"""Requests to a local DynamoDB by boto3, and its process."""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

if TYPE_CHECKING:
    from pathlib import Path

    from local_dynamodb import LocalDynamo

EAST, OHIO, OREGON = "us-east-1", "us-east-2", "us-west-2"


def client(dynamo: LocalDynamo, region: str = EAST, key: str = "local") -> Any:
    return boto3.client(
        "dynamodb",
        endpoint_url=dynamo.url,
        region_name=region,
        aws_access_key_id=key,
        aws_secret_access_key="s",
        config=Config(retries={"total_max_attempts": 1}),
    )


def item(pk: str, **values: int) -> dict[str, Any]:
    return {"pk": {"S": pk}, "sk": {"S": "-"}} | {name: {"N": str(value)} for name, value in values.items()}


def stored(api: Any, pk: str, *, consistent: bool = True) -> Any:
    found = api.get_item(TableName="t", Key=item(pk), ConsistentRead=consistent).get("Item")
    return found and int(found["n"]["N"])


def server_of(folder: Path) -> int:
    return int(json.loads((folder / "server.json").read_text())["pid"])


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def wait_for_end(pid: int, patience: float = 20) -> None:
    """Wait until a process has ended."""
    limit = time.monotonic() + patience
    while is_running(pid):
        assert time.monotonic() < limit, "the server stays"
        time.sleep(0.02)
