"""JSON of users and of other programs: no reader accepts what is not JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, cast

import pytest

from blocks_cli.assembly.cloud import _read_json
from blocks_cli.commands.invoke import read_event
from blocks_cli.control_plane.endpoint import ControlPlaneEndpoint
from blocks_cli.control_plane.states import ControlPlane
from blocks_cli.errors import CommandError
from blocks_cli.lambda_.endpoint import LambdaEndpoint
from blocks_cli.local.responses import ResponseServer
from blocks_cli.synth import _read
from blocks_cli.testing.app import App
from local_dsql.access import LOCAL_ACCOUNT
from tests.support.http_requests import fetch

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from blocks_cli.json_value import Json
    from blocks_cli.lambda_.service import LambdaService

NOT_JSON = {
    "NaN": '{"a": NaN}',
    "Infinity": '{"a": [Infinity]}',
    "-Infinity": "-Infinity",
    "cut": '{"a": ',
    "empty": " ",
    "nested": "[" * 100_000 + "]" * 100_000,
}


def _file(read: Callable[[Path], object]) -> Callable[[str, Path], None]:
    def run(text: str, folder: Path) -> None:
        file = folder / "value.json"
        file.write_text(text)
        with pytest.raises(CommandError) as refused:
            read(file)
        assert "value.json" in refused.value.what

    return run


def _event(text: str, folder: Path) -> None:
    del folder
    with pytest.raises(CommandError, match="not valid JSON"):
        read_event(text)


def _invoke_api(text: str, folder: Path) -> None:
    del folder
    api = LambdaEndpoint(cast("LambdaService", None), lambda name: name, lambda key, arn: True)
    _refused(
        f"{api.url}/2015-03-31/functions/f/invocations", "lambda", text, "InvalidRequestContentException"
    )
    api.close()


def _dsql_api(text: str, folder: Path) -> None:
    del folder
    api = ControlPlaneEndpoint(ControlPlane(LOCAL_ACCOUNT), lambda *_: True)
    _refused(f"{api.url}/cluster", "dsql", text, "ValidationException")
    api.close()


def _refused(url: str, service: str, text: str, error: str) -> None:
    caller = f"AWS4-HMAC-SHA256 Credential=ASIAEXAMPLE/20261201/eu-west-1/{service}/aws4_request"
    status, headers, _ = fetch(url, data=text.encode(), headers={"Authorization": caller}, method="POST")
    assert (status, headers["x-amzn-ErrorType"]) == (400, error)


def _response_url(text: str, folder: Path) -> None:
    del folder
    server, received = ResponseServer(), list[dict[str, "Json"]]()
    fetch(server.url(received.append), data=text.encode(), method="PUT")
    server.close()
    assert received[0]["Status"] == "FAILED"


READERS = {
    "--event": _event,
    "--event @FILE": _file(lambda file: read_event(f"@{file}")),
    "cdk.json": _file(_read),
    "assembly": _file(_read_json),
    "Invoke": _invoke_api,
    "CreateCluster": _dsql_api,
    "ResponseURL": _response_url,
}


@pytest.mark.parametrize("text", NOT_JSON.values(), ids=NOT_JSON)
@pytest.mark.parametrize("reader", READERS.values(), ids=READERS)
def test_what_is_not_json_is_refused(reader: Callable[[str, Path], None], text: str, tmp_path: Path) -> None:
    reader(text, tmp_path)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object()], ids=["NaN", "infinity", "object"])
def test_an_event_of_a_test_is_json(value: object) -> None:
    with pytest.raises(TypeError, match="JSON"):
        App.invoke(App.__new__(App), lambda event, context: json.dumps(event), {"a": value})
