"""The function as CloudFormation invokes it: an event, a local cluster, a response URL."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from custom_resource import continuation
from custom_resource.cloudformation import Request
from dsql_dialect.migrations import compile_folder
from lambda_migrator import handler
from lambda_migrator.lease import TERM
from lambda_migrator.migrate import Outcome
from tests.support.cloudformation_stub import EVENT, response_server
from tests.support.lambda_invocation import FUNCTION, Context, invoke, request

if TYPE_CHECKING:
    from tests.lambda_migrator.conftest import Deployment

FILES = {
    "001_t": "CREATE TABLE t (id int PRIMARY KEY);",
    "002_rows": "INSERT INTO t SELECT generate_series(1, 10);",
}


@pytest.mark.usefixtures("environment")
def test_create_update_delete(deployment: Deployment) -> None:
    deployment.write(FILES)
    with response_server() as stub:
        invoke(deployment, stub)
        invoke(deployment, stub, "Update")
        deployment.write({"003_more": "INSERT INTO t VALUES (99);"})
        invoke(deployment, stub, "Update")
        invoke(deployment, stub, "Delete")
    assert [answer["Status"] for answer in stub.bodies] == ["SUCCESS"] * 4
    assert [answer["Data"] for answer in stub.bodies] == [
        {"Applied": "001_t, 002_rows", "Newest": "002_rows", "Ahead": "", "Status": "up to date: 002_rows"},
        {"Applied": "", "Newest": "002_rows", "Ahead": "", "Status": "up to date: 002_rows"},
        {"Applied": "003_more", "Newest": "003_more", "Ahead": "", "Status": "up to date: 003_more"},
        {},
    ]
    assert {answer["PhysicalResourceId"] for answer in stub.bodies} == {"main/migrations"}
    assert deployment.rows("SELECT count(*) FROM t") == [(11,)]


def test_the_status_of_many_migrations_that_are_ahead_is_short() -> None:
    """The stack's output reads it, so it must not be what a response that is too long leaves out."""
    ahead = tuple(f"{number:03}_{'x' * 40}" for number in range(200))
    request = Request.of(EVENT | {"ResponseURL": "http://127.0.0.1"})
    said = json.loads(handler._succeeded(request, Outcome((), ahead[-1], ahead)))
    assert said["Data"]["Status"].startswith("the database is ahead of these files and is left so: 000_x")
    assert "Ahead" not in said["Data"]


@pytest.mark.usefixtures("environment")
def test_a_refused_statement_is_reported_with_its_place(deployment: Deployment) -> None:
    deployment.write(FILES | {"003_x": "\n  INSERT INTO t VALUES (1);"})
    with response_server() as stub:
        invoke(deployment, stub)
    answer = stub.bodies[0]
    assert answer["Status"] == "FAILED"
    lines = answer["Reason"].splitlines()
    assert lines[0] == "003_x.sql:2:3: DSQL refused the statement"
    assert lines[1].startswith("SQLSTATE 23505: duplicate key value violates unique constraint")
    assert lines[2].startswith("correct the file and migrate again")
    assert lines[3] == "log stream: 2026/09/17/[$LATEST]abc"


@pytest.mark.usefixtures("environment")
def test_the_values_of_a_row_are_in_the_log_and_not_in_the_events(
    deployment: Deployment, caplog: pytest.LogCaptureFixture
) -> None:
    """Readers of a stack's events, or a pipeline's output, may not have access to the database."""
    deployment.write(FILES | {"003_x": "INSERT INTO t VALUES (1);"})
    with response_server() as stub:
        invoke(deployment, stub)
    detail = "Key (id)=(1) already exists."
    assert detail not in stub.bodies[0]["Reason"]
    assert detail in caplog.text


FAILURES: dict[str, tuple[dict[str, Any], str]] = {
    "no such host": ({"Endpoint": "nowhere.invalid"}, "the database cannot be used"),
    "no listener": ({"Endpoint": "localhost:1"}, "the database cannot be used"),
    "another Region": ({"Region": "eu-west-9"}, "access denied"),
    "malformed grant": (
        {"Grants": [{"Access": "ALL"}]},
        "a grant on the database 'main' is malformed",
    ),
    "malformed endpoint": ({"Endpoint": "localhost:http"}, "not a port"),
    "property of the wrong type": ({"Grants": 7}, "property Grants contains 7"),
}


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize(("properties", "says"), FAILURES.values(), ids=FAILURES)
def test_every_failure_sends_a_response(
    deployment: Deployment, properties: dict[str, Any], says: str
) -> None:
    deployment.write(FILES)
    with response_server() as stub:
        invoke(deployment, stub, **properties)
    assert stub.bodies[0]["Status"] == "FAILED"
    assert says in stub.bodies[0]["Reason"]


@pytest.mark.usefixtures("environment")
def test_a_missing_manifest_sends_a_response(deployment: Deployment) -> None:
    with response_server() as stub:
        invoke(deployment, stub)
    assert "manifest.json of the migrations cannot be read" in stub.bodies[0]["Reason"]


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize("endpoint", ["nowhere.invalid", "localhost:1", "localhost:http"])
def test_delete_needs_no_database(deployment: Deployment, endpoint: str) -> None:
    with response_server() as stub:
        invoke(deployment, stub, "Delete", Endpoint=endpoint)
    assert stub.bodies[0]["Status"] == "SUCCESS"
    assert stub.bodies[0]["Reason"].startswith("data and schema are kept")


@pytest.mark.usefixtures("environment")
def test_out_of_time_continues_in_another_invocation(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A statement outlasts the invocation; Lambda's API, here a server of ours, is asked for another one."""
    deployment.write({"001_t": FILES["001_t"], "002_slow": "INSERT INTO t SELECT 1 FROM pg_sleep(1.5);"})
    with response_server() as stub, response_server(202) as calls:
        monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", calls.url.partition("/answer")[0])
        event = invoke(deployment, stub, seconds=1.5)
        assert stub.bodies == []
        assert calls.paths == [f"/2015-03-31/functions/{FUNCTION.replace(':', '%3A')}/invocations"]
        assert calls.headers[0]["X-Amz-Invocation-Type"] == "Event"
        continued: dict[str, Any] = calls.bodies[0]
        assert {name: continued[name] for name in EVENT} == {name: event[name] for name in EVENT}
        handler.handler(continued, Context())
    assert stub.bodies[0]["Status"] == "SUCCESS"
    assert stub.bodies[0]["Data"]["Applied"] == "001_t, 002_slow"
    assert deployment.rows("SELECT count(*) FROM t") == [(1,)]


@pytest.mark.usefixtures("environment")
def test_the_whole_request_has_a_budget(deployment: Deployment) -> None:
    deployment.write({"001_slow": "INSERT INTO t SELECT 1 FROM pg_sleep(2);"})
    deployment.run("CREATE TABLE t (id int)")
    (deployment.folder / "manifest.json").write_bytes(compile_folder(deployment.folder).canonical_json())
    with response_server() as stub:
        event = EVENT | {
            "ResponseURL": stub.url,
            continuation.STARTED_AT: time.time() - 3600,
            "ResourceProperties": {
                "Database": "main",
                "Endpoint": deployment.cluster.endpoint(),
                "Region": deployment.cluster.regions[0],
            },
        }
        handler.handler(event, Context(seconds=1.5))
    assert "did not end within 55 minutes" in stub.bodies[0]["Reason"]


@pytest.mark.usefixtures("environment")
def test_a_request_that_is_not_continued_keeps_no_lease(deployment: Deployment) -> None:
    """CloudFormation rolls back at once, and its next request must not wait until the lease expires."""
    deployment.write({"001_t": FILES["001_t"], "002_slow": "INSERT INTO t SELECT 1 FROM pg_sleep(3);"})
    with response_server() as stub:
        event = request(deployment, stub) | {continuation.STARTED_AT: time.time() - continuation.BUDGET + 1}
        handler.handler(event, Context())
        assert "did not end within 55 minutes" in stub.bodies[0]["Reason"]
        assert deployment.rows("SELECT token, expires_at <= now() FROM _migrations_lock") == [(1, True)]
        (deployment.folder / "002_slow.sql").unlink()
        began = time.monotonic()
        invoke(deployment, stub, "Update")
        assert stub.bodies[1]["Status"] == "SUCCESS"
    assert time.monotonic() - began < TERM / 10
