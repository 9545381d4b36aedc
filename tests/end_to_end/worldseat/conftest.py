"""WorldSeat: its handler in this process, and both Regions served on loopback."""

from __future__ import annotations

import base64
import gzip
import json
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

os.environ.setdefault(
    "WORLDSEAT_READ_SECONDS", "30"
)  # for busy machines; the handlers read it at their import

from blocks_cli.testing import migrate
from examples.worldseat.client import Client
from examples.worldseat.local import PLENTY, LocalWorldSeat
from local_dsql import LocalCluster

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local_dynamodb import LocalDynamo

EXAMPLE = Path(__file__).parents[3] / "examples" / "worldseat"
COMMIT_LATENCY = 0.03


class Answer(NamedTuple):
    """An answer of the handler: status, headers and JSON, or the text of a file."""

    status: int
    headers: dict[str, str]
    body: Any


class Site:
    """The handler with a local DSQL and a local DynamoDB, in one Region."""

    def __init__(self, cluster: LocalCluster, dynamo: LocalDynamo) -> None:
        self.cluster = cluster
        self.dynamo = dynamo

    def get(self, path: str, query: dict[str, str] | None = None, **headers: str) -> Answer:
        return self._call("GET", path, query or {}, None, headers)

    def post(self, path: str, body: object, client: str = "192.0.2.1") -> Answer:
        return self._call("POST", path, {}, body, {}, client)

    def _call(
        self,
        method: str,
        path: str,
        query: dict[str, str],
        body: object,
        headers: dict[str, str],
        client: str = "192.0.2.1",
    ) -> Answer:
        from examples.worldseat.functions.sale.web import handler

        given = {"host": "127.0.0.1:1", "x-forwarded-proto": "http"}
        event: dict[str, object] = {
            "rawPath": path,
            "queryStringParameters": query,
            "headers": given | {name.replace("_", "-"): value for name, value in headers.items()},
            "requestContext": {"http": {"method": method, "sourceIp": client}},
        }
        if isinstance(body, bytes):  # as Lambda sends a body whose content-type is no text
            event |= {"body": base64.b64encode(body).decode(), "isBase64Encoded": True}
        elif body is not None:
            event["body"] = body if isinstance(body, str) else json.dumps(body)
        found = handler(event, None)
        content = base64.b64decode(found["body"]) if found["isBase64Encoded"] else found["body"].encode()
        if found["headers"].get("content-encoding") == "gzip":
            content = gzip.decompress(content)
        is_json = found["headers"]["content-type"] == "application/json"
        return Answer(
            found["statusCode"], found["headers"], json.loads(content) if is_json else content.decode()
        )


@pytest.fixture(scope="session")
def site_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCluster]:
    with LocalCluster(tmp_path_factory.mktemp("worldseat.dsql")) as cluster:
        migrate(cluster, EXAMPLE / "migrations")
        yield cluster


@pytest.fixture
def site(site_cluster: LocalCluster, dynamo: LocalDynamo, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """The handler, with all seats free."""
    variables = {
        **dynamo.environment(),
        **site_cluster.environment(),  # its credentials; the local DynamoDB accepts any
        "WORLDSEAT_BUYS": "5",
        "WORLDSEAT_BURSTS": "5",
    }
    for name in ("seats", "limits", "replicated"):
        dynamo.create_table(name)
        variables |= {f"BLOCKS_{name.upper()}_TABLE": name, f"BLOCKS_{name.upper()}_REGION": "us-east-1"}
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    logger = logging.getLogger("blocks_runtime")
    level, propagate, handlers = logger.level, logger.propagate, [*logger.handlers]
    from examples.worldseat.functions.sale import api, backends, dsql, limits, steps

    steps.observe_commits()
    found = Site(site_cluster, dynamo)
    assert found.post("/api/reset", {}, client="fixture").status == 200
    yield found
    api._registered.clear()
    dsql.db.close()
    for table in (backends._atomic, backends._replicated, limits.table):
        table.close()
    logger.setLevel(level)  # other tests read this log, too
    logger.propagate, logger.handlers[:] = propagate, handlers


@pytest.fixture(scope="session")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalWorldSeat]:
    """Both Regions, with a commit latency."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WORLDSEAT_BUYS", PLENTY)
        patch.setenv("WORLDSEAT_BURSTS", PLENTY)
        with LocalWorldSeat(tmp_path_factory.mktemp("worldseat"), commit_latency=COMMIT_LATENCY) as started:
            yield started


@pytest.fixture
def client(app: LocalWorldSeat) -> Client:
    return Client(app.urls)
