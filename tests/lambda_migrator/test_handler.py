"""The function as CloudFormation calls it: a real event, a real cluster, a real response URL."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from blocks_runtime.contract import Access, database_role
from dsql_dialect.migrations import compile_folder
from lambda_migrator import admin, continuation, handler
from local_dsql import Permission
from tests.lambda_migrator.inbox import EVENT, response_server

if TYPE_CHECKING:
    from tests.lambda_migrator.conftest import Deployment
    from tests.lambda_migrator.inbox import Inbox

FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:Migrator"
FILES = {
    "001_t": "CREATE TABLE t (id int PRIMARY KEY);",
    "002_rows": "INSERT INTO t SELECT generate_series(1, 10);",
}


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


@pytest.fixture
def environment(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the process what the migration function's environment and code hold."""
    own = deployment.cluster.admin_credentials
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", own.access_key_id)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", own.secret_access_key)
    monkeypatch.setenv("AWS_SESSION_TOKEN", own.session_token or "")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("BLOCKS_MAIN_CA", str(deployment.cluster.ca_file))
    monkeypatch.setattr(handler, "MANIFEST", deployment.folder / "manifest.json")
    monkeypatch.setattr(admin.Admin.__init__, "__defaults__", (0.0, 5.0))


def invoke(
    deployment: Deployment, inbox: Inbox, kind: str = "Create", seconds: float = 60.0, **more: Any
) -> dict[str, object]:
    """Invoke the handler as CloudFormation does, and return the event it was given."""
    if any(deployment.folder.glob("*.sql")):
        (deployment.folder / "manifest.json").write_bytes(compile_folder(deployment.folder).canonical_json())
    properties: dict[str, object] = {
        "Database": "main",
        "Endpoint": deployment.cluster.endpoint(),
        "Region": deployment.cluster.regions[0],
        "ManifestDigest": "d",
        "CodeDigest": "c",
        "Grants": [],
    }
    event = EVENT | {
        "RequestType": kind,
        "ResponseURL": inbox.url,
        "RequestId": f"request-{kind}-{time.monotonic()}",
        "ResourceProperties": properties | more,
    }
    handler.handler(event, Context(seconds))
    return event


@pytest.mark.usefixtures("environment")
def test_create_update_delete(deployment: Deployment) -> None:
    deployment.write(FILES)
    with response_server() as inbox:
        invoke(deployment, inbox)
        invoke(deployment, inbox, "Update")
        deployment.write({"003_more": "INSERT INTO t VALUES (99);"})
        invoke(deployment, inbox, "Update")
        invoke(deployment, inbox, "Delete")
    assert [answer["Status"] for answer in inbox.bodies] == ["SUCCESS"] * 4
    assert [answer["Data"] for answer in inbox.bodies] == [
        {"Applied": "001_t, 002_rows", "Newest": "002_rows"},
        {"Applied": "", "Newest": "002_rows"},
        {"Applied": "003_more", "Newest": "003_more"},
        {},
    ]
    assert {answer["PhysicalResourceId"] for answer in inbox.bodies} == {"main/migrations"}
    assert deployment.rows("SELECT count(*) FROM t") == [(11,)]


@pytest.mark.usefixtures("environment")
def test_a_rolled_back_deploy_is_told(deployment: Deployment) -> None:
    deployment.write(FILES)
    with response_server() as inbox:
        invoke(deployment, inbox)
        (deployment.folder / "002_rows.sql").unlink()
        invoke(deployment, inbox, "Update")
    assert inbox.bodies[1]["Status"] == "SUCCESS"
    assert inbox.bodies[1]["Reason"].endswith("ahead of these files and stays there: 002_rows")
    assert inbox.bodies[1]["Data"]["Newest"] == "002_rows"


@pytest.mark.usefixtures("environment")
def test_a_refused_statement_is_told_with_its_place(deployment: Deployment) -> None:
    deployment.write(FILES | {"003_x": "\n  INSERT INTO t VALUES (1);"})
    with response_server() as inbox:
        invoke(deployment, inbox)
    answer = inbox.bodies[0]
    assert answer["Status"] == "FAILED"
    lines = answer["Reason"].splitlines()
    assert lines[0] == "003_x.sql:2:3: DSQL refused the statement"
    assert lines[1].startswith("SQLSTATE 23505: duplicate key value violates unique constraint")
    assert lines[2].startswith("correct the file and migrate again")
    assert lines[3] == "log stream: 2026/09/17/[$LATEST]abc"


FAILURES: dict[str, tuple[dict[str, Any], str]] = {
    "no such host": ({"Endpoint": "nowhere.invalid"}, "the database cannot be used"),
    "nobody listens": ({"Endpoint": "localhost:1"}, "the database cannot be used"),
    "another Region": ({"Region": "eu-west-9"}, "access denied"),
    "malformed grant": (
        {"Grants": [{"Access": "ALL"}]},
        "a grant on the database 'main' cannot be",
    ),
    "malformed endpoint": ({"Endpoint": "localhost:http"}, "not a port"),
    "property of the wrong type": ({"Grants": 7}, "property Grants holds 7"),
}


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize(("properties", "says"), FAILURES.values(), ids=FAILURES)
def test_every_failure_is_answered(deployment: Deployment, properties: dict[str, Any], says: str) -> None:
    deployment.write(FILES)
    with response_server() as inbox:
        invoke(deployment, inbox, **properties)
    assert inbox.bodies[0]["Status"] == "FAILED"
    assert says in inbox.bodies[0]["Reason"]


@pytest.mark.usefixtures("environment")
def test_a_missing_manifest_is_answered(deployment: Deployment) -> None:
    with response_server() as inbox:
        invoke(deployment, inbox)
    assert "manifest.json of the migrations cannot be read" in inbox.bodies[0]["Reason"]


@pytest.mark.usefixtures("environment")
def test_delete_needs_no_database(deployment: Deployment) -> None:
    with response_server() as inbox:
        invoke(deployment, inbox, "Delete", Endpoint="nowhere.invalid")
    assert inbox.bodies[0]["Status"] == "SUCCESS"


@pytest.mark.usefixtures("environment")
def test_grants_are_made_and_taken_back(deployment: Deployment) -> None:
    arn = "arn:aws:iam::123456789012:role/app"
    role = database_role("main", Access.READ_ONLY)
    cluster = deployment.cluster
    cluster.identity(arn, [Permission("dsql:DbConnect", cluster.arn())])
    deployment.write(FILES)
    grant = {"DatabaseRole": role, "Access": "READ_ONLY", "RoleArn": arn}
    with response_server() as inbox:
        invoke(deployment, inbox, Grants=[grant])
        mappings = "SELECT pg_role_name, arn FROM sys.iam_pg_role_mappings"
        assert deployment.rows(mappings) == [(role, arn)]
        asked = f"SELECT has_table_privilege('{role}', '{{}}', '{{}}')"
        assert deployment.rows(asked.format("t", "SELECT")) == [(True,)]
        assert deployment.rows(asked.format("t", "INSERT")) == [(False,)]
        assert deployment.rows(asked.format("_migrations", "SELECT")) == [(False,)]
        invoke(deployment, inbox, "Update", Grants=[])
        assert deployment.rows(mappings) == []
    assert [answer["Status"] for answer in inbox.bodies] == ["SUCCESS"] * 2


@pytest.mark.usefixtures("environment")
def test_out_of_time_goes_on_in_another_invocation(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A statement outlasts the invocation; Lambda's API, here a server of ours, is asked for another one."""
    deployment.write({"001_t": FILES["001_t"], "002_slow": "INSERT INTO t SELECT 1 FROM pg_sleep(1.5);"})
    with response_server() as inbox, response_server(202) as calls:
        monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", calls.url.partition("/answer")[0])
        event = invoke(deployment, inbox, seconds=1.5)
        assert inbox.bodies == []
        assert calls.paths == [f"/2015-03-31/functions/{FUNCTION.replace(':', '%3A')}/invocations"]
        assert calls.headers[0]["X-Amz-Invocation-Type"] == "Event"
        continued: dict[str, Any] = calls.bodies[0]
        assert {name: continued[name] for name in EVENT} == {name: event[name] for name in EVENT}
        handler.handler(continued, Context())
    assert inbox.bodies[0]["Status"] == "SUCCESS"
    assert inbox.bodies[0]["Data"]["Applied"] == "001_t, 002_slow"
    assert deployment.rows("SELECT count(*) FROM t") == [(1,)]


@pytest.mark.usefixtures("environment")
def test_the_whole_request_has_a_budget(deployment: Deployment) -> None:
    deployment.write({"001_slow": "INSERT INTO t SELECT 1 FROM pg_sleep(2);"})
    deployment.run("CREATE TABLE t (id int)")
    (deployment.folder / "manifest.json").write_bytes(compile_folder(deployment.folder).canonical_json())
    with response_server() as inbox:
        event = EVENT | {
            "ResponseURL": inbox.url,
            continuation.STARTED_AT: time.time() - 3600,
            "ResourceProperties": {
                "Database": "main",
                "Endpoint": deployment.cluster.endpoint(),
                "Region": deployment.cluster.regions[0],
            },
        }
        handler.handler(event, Context(seconds=1.5))
    assert "did not end within 55 minutes" in inbox.bodies[0]["Reason"]
