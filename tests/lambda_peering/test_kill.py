"""The function as a process with boto3's own settings, killed by the kernel during a change."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.cloudformation_stub import response_server
from tests.support.control_plane_recorder import EAST, ControlPlaneRecorder, control_plane_recorder, event

if TYPE_CHECKING:
    from tests.support.cloudformation_stub import CloudFormationStub

ROOT = Path(__file__).parents[2]
PROGRAM = """
import json, sys
from lambda_peering import handler

class Context:
    invoked_function_arn = "arn:aws:lambda:us-east-1:123456789012:function:Peering"
    log_stream_name = "stream"
    def get_remaining_time_in_millis(self): return 60_000

handler.PAUSES = (0.0,)
handler.handler(json.loads(sys.argv[1]), Context())
"""


def start(recorder: ControlPlaneRecorder, stub: CloudFormationStub, kind: str) -> subprocess.Popen[bytes]:
    request = event(recorder, kind) | {"ResponseURL": stub.url}
    own = {
        "AWS_ENDPOINT_URL_DSQL": recorder.url,
        "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "not a secret",
        "AWS_REGION": EAST,
        "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'runtime'}",
    }
    return subprocess.Popen([sys.executable, "-c", PROGRAM, json.dumps(request)], env=os.environ | own)


@pytest.mark.parametrize(
    ("kind", "change", "moment"),
    [("Create", "UpdateCluster", "after"), ("Delete", "DeleteCluster", "before")],
    ids=["peering", "parting"],
)
def test_a_killed_process_is_followed_by_one_that_completes(kind: str, change: str, moment: str) -> None:
    with control_plane_recorder() as recorder, response_server() as stub:
        if kind == "Delete":
            recorder.run(event(recorder))
        killed = start(recorder, stub, kind)

        def kill(_: int, operation: str) -> None:
            if operation == change and killed.returncode is None:
                killed.send_signal(signal.SIGKILL)
                killed.wait()

        setattr(recorder, moment, kill)
        assert killed.wait(60) == -signal.SIGKILL
        assert stub.bodies == []
        assert start(recorder, stub, kind).wait(60) == 0
        assert [answer["Status"] for answer in stub.bodies] == ["SUCCESS"]
        assert recorder.status(recorder.arns["peer"]) == ("ACTIVE" if kind == "Create" else "PENDING_DELETE")
