"""Requests of CloudFormation in the life of a stack after the first deploy, each against a local cluster."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from blocks_runtime.contract import Access, database_role
from custom_resource import cloudformation
from custom_resource.cloudformation import LIMIT
from lambda_migrator import handler
from local_dsql import LocalCluster
from tests.support.cloudformation_stub import response_server
from tests.support.lambda_invocation import Context, invoke, request

if TYPE_CHECKING:
    from pathlib import Path

    from tests.lambda_migrator.conftest import Deployment

pytestmark = pytest.mark.usefixtures("environment")

ARN, OTHER = (f"arn:aws:iam::123456789012:role/{name}" for name in ("app", "other"))
ROLE = database_role("main", Access.READ_ONLY)
FILES = {
    "001_t": "CREATE TABLE t (id int PRIMARY KEY, label text);",
    "002_rows": "INSERT INTO t SELECT n, 'x' FROM generate_series(1, 10) AS n;",
}
EVERYTHING = [
    "SELECT * FROM _migrations ORDER BY version",
    "SELECT * FROM _migrations_lock",
    "SELECT * FROM t ORDER BY id",
    "SELECT pg_role_name, arn FROM sys.iam_pg_role_mappings ORDER BY 1, 2",
    "SELECT grantee, table_name, privilege_type FROM information_schema.table_privileges "
    "WHERE table_schema = 'public' ORDER BY 1, 2, 3",
]
LEASE = 1
"""Index of the lease, which every run takes."""


def grant(arn: str) -> dict[str, str]:
    return {"DatabaseRole": ROLE, "Access": "READ_ONLY", "RoleArn": arn}


def everything(deployment: Deployment) -> list[object]:
    """Return all rows, times included."""
    return [deployment.rows(query) for query in EVERYTHING]


def test_delete_changes_nothing(deployment: Deployment) -> None:
    deployment.write(FILES)
    with response_server() as stub:
        invoke(deployment, stub)
        before = everything(deployment)
        invoke(deployment, stub, "Delete")
    assert [answer["Status"] for answer in stub.bodies] == ["SUCCESS"] * 2
    assert everything(deployment) == before, "not even the lease was taken"


@pytest.mark.parametrize("changed", [{"CodeDigest": "new"}, {"ManifestDigest": "comments only"}], ids=str)
def test_a_change_of_code_only_changes_nothing(deployment: Deployment, changed: dict[str, Any]) -> None:
    deployment.write(FILES)
    with response_server() as stub:
        invoke(deployment, stub, Grants=[grant(ARN)])
        before = everything(deployment)
        invoke(deployment, stub, "Update", Grants=[grant(ARN)], **changed)
    after = everything(deployment)
    assert after[LEASE] != before[LEASE]
    assert after[:LEASE] + after[LEASE + 1 :] == before[:LEASE] + before[LEASE + 1 :]
    assert (stub.bodies[1]["Status"], stub.bodies[1]["Data"]["Applied"]) == ("SUCCESS", "")


def test_grants_of_the_release_before_the_ledger_are_added_and_never_revoked(deployment: Deployment) -> None:
    deployment.write(FILES)
    with response_server() as stub:
        invoke(deployment, stub, Grants=[grant(ARN)])
        journal = everything(deployment)[0]
        invoke(deployment, stub, "Update", Grants=[grant(OTHER)])
    assert everything(deployment)[0] == journal
    assert deployment.rows("SELECT pg_role_name, arn FROM sys.iam_pg_role_mappings ORDER BY arn") == [
        (ROLE, ARN),
        (ROLE, OTHER),
    ]
    assert (stub.bodies[1]["Status"], stub.bodies[1]["Data"]["Applied"]) == ("SUCCESS", "")


def test_a_replaced_cluster_is_migrated_from_the_start(
    deployment: Deployment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CloudFormation sends an Update whose Endpoint is that of the new cluster; the old one is left alone."""
    deployment.write(FILES)
    with response_server() as stub, LocalCluster(tmp_path / "other") as other:
        invoke(deployment, stub, Grants=[grant(ARN)])
        before = everything(deployment)
        own = other.admin_credentials
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", own.access_key_id)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", own.secret_access_key)
        monkeypatch.setenv("BLOCKS_MAIN_CA", str(other.ca_file))
        invoke(deployment, stub, "Update", Grants=[grant(ARN)], Endpoint=other.endpoint())
        with psycopg.connect(other.dsn()) as connection:
            assert connection.execute("SELECT count(*) FROM t").fetchall() == [(10,)]
            assert connection.execute(EVERYTHING[3]).fetchall() == [(ROLE, ARN)]
    assert stub.bodies[1]["Data"]["Applied"] == "001_t, 002_rows"
    assert everything(deployment) == before


def test_a_rollback_to_older_files_is_accepted_and_reported(deployment: Deployment) -> None:
    """Applied migrations stay."""
    deployment.write(FILES | {"003_more": "ALTER TABLE t ADD COLUMN more text;"})
    with response_server() as stub:
        invoke(deployment, stub)
        (deployment.folder / "003_more.sql").unlink()
        invoke(deployment, stub, "Update")
    answer = stub.bodies[1]
    assert answer["Status"] == "SUCCESS"
    assert answer["Reason"] == "the database is ahead of these files and is left so: 003_more"
    assert answer["Data"] == {
        "Applied": "",
        "Newest": "003_more",
        "Ahead": "003_more",
        "Status": answer["Reason"],
    }
    assert deployment.rows("SELECT count(more) FROM t") == [(0,)], "the column is still there"


def test_a_rollback_from_a_failed_file_is_not_ahead(deployment: Deployment) -> None:
    deployment.write(FILES | {"003_bad": "INSERT INTO t VALUES (1, 'again');"})
    with response_server() as stub:
        invoke(deployment, stub)
        (deployment.folder / "003_bad.sql").unlink()
        invoke(deployment, stub, "Update")
        deployment.write({"003_good": "INSERT INTO t VALUES (11, 'once');"})
        invoke(deployment, stub, "Update")
    assert [answer["Status"] for answer in stub.bodies] == ["FAILED", "SUCCESS", "SUCCESS"]
    assert stub.bodies[1]["Reason"] == ""
    assert stub.bodies[1]["Data"] == {
        "Applied": "",
        "Newest": "002_rows",
        "Ahead": "",
        "Status": "up to date: 002_rows",
    }
    assert stub.bodies[2]["Data"]["Applied"] == "003_good"


def test_an_undeliverable_response_is_an_error_and_the_next_delivery_responds(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lambda runs an event again whose invocation failed; by then the work is done and only told."""
    monkeypatch.setattr(cloudformation, "PATIENCE", 0.3)
    deployment.write(FILES)
    with response_server(*[403] * 1000) as lost:
        event = request(deployment, lost)
        with pytest.raises(OSError, match="the response could not be delivered"):
            handler.handler(dict(event), Context())
        applied = everything(deployment)[0]
        lost.statuses.clear()
        handler.handler(event, Context())
    (answer,) = lost.bodies
    assert answer["Status"] == "SUCCESS"
    assert answer["Data"]["Applied"] == "001_t, 002_rows"
    assert everything(deployment)[0] == applied


def test_an_event_delivered_twice_is_handled_once_without_a_failure(
    deployment: Deployment,
) -> None:
    """Lambda may hand one asynchronous event to two invocations at a time."""
    deployment.write(FILES | {"003_slow": "UPDATE t SET label = 'y' FROM (SELECT pg_sleep(1)) AS s;"})
    with response_server() as stub:
        event = request(deployment, stub)
        twins = [threading.Thread(target=handler.handler, args=(dict(event), Context())) for _ in range(2)]
        for twin in twins:
            twin.start()
        for twin in twins:
            twin.join()
    assert [answer["Status"] for answer in stub.bodies] == ["SUCCESS"] * 2
    assert deployment.journal()[2] == ("003_slow", 1, "applied", 10)


def test_a_long_reason_keeps_place_and_remedy(deployment: Deployment) -> None:
    """Fifty applied files were changed: each is told with both checksums."""
    files = {f"{n:03}_note": f"COMMENT ON TABLE t IS '{n}';" for n in range(3, 53)}
    deployment.write({"001_t": FILES["001_t"]} | files)
    with response_server() as stub:
        invoke(deployment, stub)
        deployment.write({name: f"-- reviewed\n{text}" for name, text in files.items()})
        invoke(deployment, stub, "Update")
    answer = stub.bodies[1]
    assert LIMIT - 200 < len(json.dumps(answer, ensure_ascii=False).encode()) <= LIMIT
    lines = answer["Reason"].splitlines()
    assert (answer["Status"], lines[0]) == (
        "FAILED",
        "50 migrations do not match what the database has applied",
    )
    assert "003_note.sql was changed after it was applied" in answer["Reason"]
    assert "add a new migration with the change" in answer["Reason"]
    assert answer["Reason"].endswith("log stream: 2026/09/17/[$LATEST]abc")


def test_a_refused_grant_is_reported_with_its_statement(deployment: Deployment) -> None:
    """The role was created by hand without LOGIN: it cannot be mapped."""
    deployment.write(FILES)
    deployment.run(f"CREATE ROLE {ROLE} NOLOGIN")
    with response_server() as stub:
        invoke(deployment, stub, Grants=[grant(ARN)])
        refused = stub.bodies[0]["Reason"].splitlines()
        deployment.run(f"ALTER ROLE {ROLE} LOGIN")
        invoke(deployment, stub, "Update", Grants=[grant(ARN)])
    assert refused[0] == f"DSQL refused: AWS IAM GRANT \"{ROLE}\" TO '{ARN}'"
    assert "must have the LOGIN attribute" in refused[1]
    assert refused[2].startswith("the migrations are applied")
    assert stub.bodies[1]["Status"] == "SUCCESS"
