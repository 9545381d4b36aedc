"""The migration function, invoked in this process as CloudFormation invokes it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dsql_dialect.migrations import compile_folder
from lambda_migrator import handler
from tests.support.cloudformation_stub import EVENT

if TYPE_CHECKING:
    from tests.lambda_migrator.conftest import Deployment
    from tests.support.cloudformation_stub import CloudFormationStub

FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:Migrator"


@dataclass
class Context:
    """Lambda's context object, as far as the handler uses it."""

    seconds: float = 60.0
    invoked_function_arn: str = FUNCTION
    log_stream_name: str = "2026/09/17/[$LATEST]abc"

    def __post_init__(self) -> None:
        self._until = time.monotonic() + self.seconds

    def get_remaining_time_in_millis(self) -> int:
        return int((self._until - time.monotonic()) * 1000)


def request(
    deployment: Deployment, stub: CloudFormationStub, kind: str = "Create", **more: Any
) -> dict[str, object]:
    """Compile the folder, and return the event that CloudFormation sends; `more` are properties."""
    if any(deployment.folder.glob("*.sql")):
        (deployment.folder / "manifest.json").write_bytes(compile_folder(deployment.folder).canonical_json())
    properties: dict[str, object] = {
        "Database": "main",
        "Endpoint": deployment.cluster.endpoint(),
        "Region": deployment.cluster.regions[0],
        "ManifestDigest": "d",
        "CodeDigest": "c",
    }
    return EVENT | {
        "RequestType": kind,
        "ResponseURL": stub.url,
        "RequestId": f"request-{kind}-{time.monotonic()}",
        "ResourceProperties": properties | more,
    }


def invoke(
    deployment: Deployment, stub: CloudFormationStub, kind: str = "Create", seconds: float = 60.0, **more: Any
) -> dict[str, object]:
    """Invoke the handler as CloudFormation does, and return the event it was given."""
    event = request(deployment, stub, kind, **more)
    handler.handler(event, Context(seconds))
    return event
