"""A local DynamoDB: the API's JSON protocol on loopback over SQLite, with faults on request; no Docker, no Java.

    with LocalDynamo(".blocks/dynamodb") as dynamo:
        dynamo.create_table("locks")
        boto3.client("dynamodb", endpoint_url=dynamo.url, …)

`python -m local_dynamodb FOLDER --keep` serves a folder in the foreground. The names below are imported on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from blocks_runtime.shared.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from local_dynamodb.dynamo import LocalDynamo as LocalDynamo
    from local_dynamodb.errors import LocalDynamoError as LocalDynamoError
    from local_dynamodb.faults import Fault as Fault
else:
    __all__, __getattr__, __dir__ = lazy_exports(
        __name__, {"Fault": "faults", "LocalDynamo": "dynamo", "LocalDynamoError": "errors"}
    )
