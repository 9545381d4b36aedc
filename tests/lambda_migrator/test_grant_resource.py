"""The function as CloudFormation invokes it for `Custom::DsqlGrant`, on a local cluster."""

from __future__ import annotations

import json
import socket
import threading
from typing import TYPE_CHECKING, Any

import pytest

from lambda_migrator import handler, ledger_table
from lambda_migrator.admin import is_unknown_host
from lambda_migrator.grants import DatabaseObject
from local_dsql import Fault, Permission
from tests.lambda_migrator.test_crashes import Killed, killed_before
from tests.support.cloudformation_stub import response_server
from tests.support.grant_events import MAPPINGS, ROLES, grants_of, stacks
from tests.support.lambda_invocation import FUNCTION, Context

if TYPE_CHECKING:
    from tests.lambda_migrator.conftest import Deployment
    from tests.support.grant_events import Stacks

pytestmark = pytest.mark.usefixtures("environment")

LEDGER = "SELECT id, state, revoked FROM _grants ORDER BY id"
EXPIRE = "UPDATE _migrations_lock SET expires_at = now()"
CLERK = ROLES["select"][0]


def privileges(deployment: Deployment, role: str, table: str = "t") -> set[str]:
    """Return the privileges of a role on a table."""
    return {
        each
        for each in ("SELECT", "INSERT", "UPDATE", "DELETE")
        if deployment.rows(f"SELECT has_table_privilege('{role}', '{table}', '{each}')") == [(True,)]
    }


def test_a_granted_role_logs_in_until_its_grant_is_deleted(deployment: Deployment) -> None:
    cluster, (wanted,) = deployment.cluster, grants_of("rw a")
    credentials = cluster.identity(wanted.arn, [Permission("dsql:DbConnect", cluster.arn())])
    assert credentials is not None
    with stacks(deployment) as cloudformation:
        answer = cloudformation.grant("Create", "rw a")
        assert (answer["Status"], answer["Data"]) == ("SUCCESS", {})
        assert privileges(deployment, wanted.role) == {"SELECT", "INSERT", "UPDATE", "DELETE"}
        for own in ("_migrations", "_migrations_lock", "_grants"):
            assert privileges(deployment, wanted.role, own) == set()
        cloudformation.grant("Delete", "rw a", answer["PhysicalResourceId"])
        assert privileges(deployment, wanted.role) == set()
    assert deployment.rows(LEDGER) == [(answer["PhysicalResourceId"], "gone", True)]


def test_two_generations_of_a_custom_role_have_the_privileges_of_both(deployment: Deployment) -> None:
    with stacks(deployment) as cloudformation:
        first = cloudformation.grant("Create", "insert a")["PhysicalResourceId"]
        assert privileges(deployment, CLERK) == {"SELECT", "INSERT"}
        cloudformation.grant("Update", "select a", first)
        assert privileges(deployment, CLERK) == {"SELECT", "INSERT"}, "the function still has its old code"
        cloudformation.grant("Delete", "insert a", first)
    assert privileges(deployment, CLERK) == {"SELECT"}


def test_migrations_give_the_grantees_privileges_on_new_tables(deployment: Deployment) -> None:
    with stacks(deployment) as cloudformation:
        cloudformation.grant("Create", "rw a, insert a")
        deployment.write({"002_u": "CREATE TABLE u (id int PRIMARY KEY);"})
        deployment.run(f"REVOKE INSERT ON t FROM {CLERK}")
        assert cloudformation.migrations("Update")["Data"]["Applied"] == "002_u"
    assert privileges(deployment, ROLES["rw"][0], "u") == {"SELECT", "INSERT", "UPDATE", "DELETE"}
    assert privileges(deployment, CLERK) == {"SELECT", "INSERT"}


def test_commands_give_custom_roles_privileges_on_new_tables(deployment: Deployment) -> None:
    """A custom role names a table before a command creates it."""
    with stacks(deployment) as cloudformation:
        deployment.run("DROP TABLE t")
        cloudformation.grant("Create", "select a")
        deployment.run("CREATE TABLE t (id int PRIMARY KEY)")
        with deployment.admin().open() as admin:
            from lambda_migrator.migrate import migrate

            migrate(admin, deployment.manifest(), database="main", holder="blocks")
        assert privileges(deployment, CLERK) == {"SELECT"}
        assert cloudformation.mapped() == {"clerk a"}


def test_a_mapping_by_hand_goes_with_the_next_grant_that_ends(deployment: Deployment) -> None:
    """Create and Update end nothing, and so do the migrations."""
    by_hand = grants_of("ro b")[0]
    with stacks(deployment) as cloudformation:
        first = cloudformation.grant("Create", "ro a")["PhysicalResourceId"]
        deployment.run(f"AWS IAM GRANT {by_hand.role} TO '{by_hand.arn}'")
        cloudformation.grant("Update", "rw a", first)
        cloudformation.migrations("Update")
        assert cloudformation.mapped() == {"ro a", "ro b", "rw a"}
        cloudformation.grant("Delete", "ro a", "main/0123456789ab/0123456789ab")
        assert cloudformation.mapped() == {"ro a", "ro b", "rw a"}, "a Delete of nothing"
        assert privileges(deployment, by_hand.role) == {"SELECT"}
        cloudformation.grant("Delete", "ro a", first)
        assert cloudformation.mapped() == {"rw a"}


def test_what_a_killed_request_granted_is_revoked_by_the_next_one_and_not_from_others(
    deployment: Deployment,
) -> None:
    """A mapping by hand of the same role keeps its privileges."""
    by_hand = grants_of("ro b")[0]
    with stacks(deployment) as cloudformation:
        deployment.run(
            f"CREATE ROLE {by_hand.role} LOGIN", f"AWS IAM GRANT {by_hand.role} TO '{by_hand.arn}'"
        )
        _kill_when_mapped(cloudformation, "ro a")
        assert cloudformation.mapped() == {"ro a", "ro b"}
        cloudformation.grant("Create", "rw c", resource="Bills")
        assert cloudformation.mapped() == {"ro b", "rw c"}
        assert privileges(deployment, by_hand.role) == {"SELECT"}


def _kill_when_mapped(cloudformation: Stacks, text: str) -> None:
    """Kill a creation after its mapping, before its row is live."""
    grant = text
    with pytest.MonkeyPatch.context() as patch:

        def killed(*_: object) -> object:
            raise Killed

        patch.setattr(ledger_table, "settle", killed)
        event = cloudformation.grant_event("Create", grant)
        _deliver_killed(event)
    cloudformation.deployment.run(EXPIRE)


def _deliver_killed(event: dict[str, Any]) -> None:
    """Handle an event in a process that is killed: there is no answer."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("custom_resource.cloudformation.send", lambda *_: None)
        handler.handler(dict(event), Context())


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["Create", "Update", "Delete"])
def test_killed_at_some_statements(deployment: Deployment, kind: str) -> None:
    _kill(deployment, kind, every=5)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["Create", "Update", "Delete"])
def test_killed_at_every_statement(deployment: Deployment, kind: str) -> None:
    _kill(deployment, kind, every=1)


def _kill(deployment: Deployment, kind: str, every: int) -> None:
    """Kill a request; the next one of another resource locks nothing out, and the same one again completes it."""
    after = {"Create": {"ro a"}, "Update": {"ro a", "rw a"}, "Delete": set()}[kind]
    with stacks(deployment) as cloudformation:
        for at in range(1, 200, every):
            first, before = None, set()
            if kind != "Create":
                first = cloudformation.grant("Create", "rw a")["PhysicalResourceId"]
                before = {"rw a"} if kind == "Update" else set()
            event = cloudformation.grant_event(kind, "ro a", first)
            with killed_before(at) as kill:
                _deliver_killed(event)
            deployment.run(EXPIRE)
            cloudformation.grant("Create", "rw c", resource="Bills")
            assert cloudformation.mapped() >= before | {"rw c"}, f"killed at statement {at}"
            assert (
                "ro a" not in cloudformation.mapped() or not kill.reached or _is_live(deployment, "ro a")
            ), f"killed at statement {at}: the next request revokes what is unfinished"
            answer = cloudformation.deliver(event)
            assert answer["Status"] == "SUCCESS", answer["Reason"]
            assert cloudformation.mapped() == after | {"rw c"}, f"killed at statement {at}"
            _end_all(deployment, cloudformation)
            if not kill.reached:
                return
    pytest.fail("the request never ended")


def _is_live(deployment: Deployment, text: str) -> bool:
    role = grants_of(text)[0].role
    return deployment.rows(f"SELECT 1 FROM _grants WHERE state = 'live' AND grants LIKE '%{role}%'") != []


def _end_all(deployment: Deployment, cloudformation: Stacks) -> None:
    """Delete every grant that is live."""
    for (id,) in deployment.rows("SELECT id FROM _grants WHERE state <> 'gone'"):
        cloudformation.grant("Delete", "rw a", str(id), "Any")
    assert cloudformation.mapped() == set()


def test_grants_at_the_same_time_wait_for_each_other(deployment: Deployment) -> None:
    """Every grant of a stack is an invocation of its own."""
    names = [f"Grantee{number}" for number in range(5)]
    with stacks(deployment) as cloudformation:
        events = [cloudformation.grant_event("Create", f"rw {name}", resource=name) for name in names]
        events.append(events[0])  # delivered twice
        threads = [threading.Thread(target=handler.handler, args=(dict(each), Context())) for each in events]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        answers = cloudformation.stub.bodies[-len(events) :]
        assert {answer["Status"] for answer in answers} == {"SUCCESS"}
        assert cloudformation.mapped() == {f"rw {name}" for name in names}
    assert len(deployment.rows(LEDGER)) == len(names)


@pytest.mark.parametrize("fault", [Fault.LOST, Fault.UNKNOWN, Fault.OC000, Fault.OC001])
def test_lost_replies_and_conflicts(deployment: Deployment, fault: Fault) -> None:
    with stacks(deployment) as cloudformation:
        first = cloudformation.grant("Create", "rw a")["PhysicalResourceId"]
        deployment.cluster.inject(fault, table="_grants", times=None, every=2)
        answers = [
            cloudformation.grant("Update", "ro a", first),
            cloudformation.grant("Delete", "rw a", first),
        ]
        assert [answer["Status"] for answer in answers] == ["SUCCESS"] * 2
        assert cloudformation.mapped() == {"ro a"}


def test_a_request_that_looks_cancelled_fails(deployment: Deployment) -> None:
    """No answer may say that a grant is there which is not."""
    with stacks(deployment) as cloudformation:
        first = cloudformation.grant("Create", "rw a")["PhysicalResourceId"]
        late = cloudformation.grant_event("Update", "ro a", first)
        cloudformation.grant("Update", "rw a", first)
        answer = cloudformation.deliver(late)
        assert (answer["Status"], answer["PhysicalResourceId"]) == ("FAILED", first)
        assert "CloudFormation has cancelled this Update" in answer["Reason"]
        assert cloudformation.mapped() == {"rw a"}


def test_out_of_time_continues_in_another_invocation(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another migrator holds the lease until the end of the invocation."""
    with stacks(deployment) as cloudformation, response_server(202) as calls:
        monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", calls.url.partition("/answer")[0])
        hold = "UPDATE _migrations_lock SET holder = 'another', expires_at = now() + interval '1 hour'"
        deployment.run(hold)
        event, before = cloudformation.grant_event("Create", "rw a"), len(cloudformation.stub.bodies)
        handler.handler(dict(event), Context(seconds=1.5))
        assert len(cloudformation.stub.bodies) == before
        assert calls.paths == [f"/2015-03-31/functions/{FUNCTION.replace(':', '%3A')}/invocations"]
        deployment.run(EXPIRE)
        assert cloudformation.deliver(calls.bodies[0])["Status"] == "SUCCESS"
        assert cloudformation.mapped() == {"rw a"}


RW_ROLE = {"DatabaseRole": ROLES["rw"][0], "Access": "READ_WRITE"}
MALFORMED: dict[str, dict[str, Any]] = {
    "no grant": {"Database": "main"},
    "no role": {"Grant": {"Database": "main", "RoleArn": "arn:x", "Roles": []}},
    "admin": {
        "Grant": {"Database": "main", "RoleArn": "arn:x", "Roles": [RW_ROLE | {"DatabaseRole": "admin"}]}
    },
    "a role that is no object": {"Grant": {"Database": "main", "RoleArn": "arn:x", "Roles": ["blocks"]}},
    "another database": {"Grant": {"Database": "other", "RoleArn": "arn:x", "Roles": [RW_ROLE]}},
    "no ARN": {"Grant": {"Database": "main", "Roles": [RW_ROLE]}},
}


@pytest.mark.parametrize("properties", MALFORMED.values(), ids=MALFORMED)
def test_malformed(deployment: Deployment, properties: dict[str, Any]) -> None:
    """The answer to Create has an id, which CloudFormation then deletes."""
    with stacks(deployment) as cloudformation:
        event = cloudformation.grant_event("Create", "rw a") | {"ResourceProperties": properties}
        answer = cloudformation.deliver(event)
        assert answer["Status"] == "FAILED"
        assert "malformed" in answer["Reason"]
        deleted = event | {"RequestType": "Delete", "PhysicalResourceId": answer["PhysicalResourceId"]}
        assert cloudformation.deliver(deleted)["Status"] == "SUCCESS"


def test_another_database_is_refused(deployment: Deployment) -> None:
    """An event can name the function's own databases only, and no host."""
    with stacks(deployment) as cloudformation:
        event = cloudformation.grant_event("Create", "rw a")
        grant = event["ResourceProperties"]["Grant"]
        grant |= {
            "Database": "other",
            "Roles": [{"DatabaseRole": "blocks_other_read_only", "Access": "READ_ONLY"}],
        }
        answer = cloudformation.deliver(event)
        assert answer["Status"] == "FAILED"
        assert "this function does not migrate the database 'other'" in answer["Reason"]
        assert "BLOCKS_OTHER_ENDPOINT" in answer["Reason"]
        deleted = event | {"RequestType": "Delete", "PhysicalResourceId": answer["PhysicalResourceId"]}
        assert cloudformation.deliver(deleted)["Status"] == "SUCCESS"


def test_delete_when_the_host_is_unknown_succeeds_and_says_so(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    with stacks(deployment) as cloudformation:
        first = cloudformation.grant("Create", "rw a")["PhysicalResourceId"]

        def unknown(host: str, *_: object, **__: object) -> object:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

        monkeypatch.setenv("BLOCKS_MAIN_ENDPOINT", "gone.dsql.us-east-1.on.aws")
        monkeypatch.setattr(socket, "getaddrinfo", unknown)
        answer = _answer_without_network(cloudformation, "Delete", first)
        assert answer["Status"] == "SUCCESS"
        assert "there is no host gone.dsql.us-east-1.on.aws" in answer["Reason"]
        answer = _answer_without_network(cloudformation, "Update", first)
        assert answer["Status"] == "FAILED"


def _answer_without_network(cloudformation: Stacks, kind: str, id: str) -> dict[str, Any]:
    """Return the answer that would be sent."""
    sent: list[bytes] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("custom_resource.cloudformation.send", lambda _url, body, *_: sent.append(body))
        handler.handler(cloudformation.grant_event(kind, "ro a", id), Context())
    answer: dict[str, Any] = json.loads(sent[0])
    return answer


@pytest.mark.parametrize("variable", ["ENDPOINT", "REGION"])
def test_delete_when_the_cluster_refuses_fails(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    wrong = {"ENDPOINT": "localhost:1", "REGION": "eu-west-9"}[variable]
    with stacks(deployment) as cloudformation:
        first = cloudformation.grant("Create", "rw a")["PhysicalResourceId"]
        monkeypatch.setenv(f"BLOCKS_MAIN_{variable}", wrong)
        answer = cloudformation.grant("Delete", "rw a", first)
        assert answer["Status"] == "FAILED"
        assert "the database cannot be used" in answer["Reason"]
        assert cloudformation.mapped() == {"rw a"}


def test_a_name_server_that_cannot_be_reached_is_no_unknown_host(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not is_unknown_host("localhost")
    for code, unknown in ((socket.EAI_AGAIN, False), (socket.EAI_NONAME, True)):

        def fail(*_: object, code: int = code) -> object:
            raise socket.gaierror(code, "")

        monkeypatch.setattr(socket, "getaddrinfo", fail)
        assert is_unknown_host("a.example") is unknown


def test_rows_that_ended_long_ago_are_deleted(deployment: Deployment) -> None:
    with stacks(deployment) as cloudformation:
        ids = [
            cloudformation.grant("Create", f"rw {name}", resource=name)["PhysicalResourceId"]
            for name in "abc"
        ]
        cloudformation.grant("Delete", "rw a", ids[0], "a")
        deployment.run("UPDATE _grants SET changed_at = now() - interval '31 days'")
        cloudformation.grant("Delete", "rw b", ids[1], "b")
    assert {id for id, _, _ in deployment.rows(LEDGER)} == set(ids[1:])


def test_a_table_of_the_same_name_in_another_schema_is_not_the_migrators() -> None:
    assert DatabaseObject("TABLE", ("public", "_grants")).is_own
    assert not DatabaseObject("TABLE", ("app", "_grants")).is_own


BEFORE, AFTER = "a" * 26, "b" * 26
CLUSTER = "BLOCKS_MAIN_CLUSTER"
COLUMNS_BEFORE = """(
    id text PRIMARY KEY, database_name text NOT NULL, grants text NOT NULL, state text NOT NULL,
    revoked boolean NOT NULL, stack text NOT NULL, owner text NOT NULL, made_from text, request text NOT NULL,
    seen bigint NOT NULL, changed_at timestamptz NOT NULL
)"""
NAMES_BEFORE = "id, database_name, grants, state, revoked, stack, owner, made_from, request, seen, changed_at"


@pytest.mark.parametrize("mapped", [True, False], ids=["with the mappings", "without the mappings"])
def test_grants_that_came_with_a_backup_end(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch, mapped: bool
) -> None:
    """The backup is older than the last deploys: then `a` might write, and `b` had a grant."""
    monkeypatch.setenv(CLUSTER, BEFORE)
    with stacks(deployment) as cloudformation:
        cloudformation.grant("Create", "rw a", resource="Orders")
        cloudformation.grant("Create", "rw b", resource="Gone")
        if not mapped:
            for role, arn in deployment.rows(MAPPINGS):
                deployment.run(f"AWS IAM REVOKE {role} FROM '{arn}'")
        monkeypatch.setenv(CLUSTER, AFTER)
        later = "main/0123456789ab/0123456789ab"
        third = cloudformation.grant("Update", "ro a", later)["PhysicalResourceId"]
        assert sorted(cloudformation.mapped()) == ["ro a"]
        cloudformation.grant("Delete", "ro a", later)
        assert sorted(cloudformation.mapped()) == ["ro a"]
        cloudformation.grant("Delete", "ro a", third)
        assert cloudformation.mapped() == set()
    assert deployment.rows("SELECT DISTINCT state FROM _grants") == [("gone",)]


def test_migrations_alone_end_grants_that_came_with_a_backup(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(CLUSTER, BEFORE)
    with stacks(deployment) as cloudformation:
        cloudformation.grant("Create", "rw a")
        monkeypatch.setenv(CLUSTER, AFTER)
        cloudformation.migrations("Update", "main/migrations")
        assert cloudformation.mapped() == set()


def test_a_request_for_the_former_endpoint_ends_nothing(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rollback may ask for the former cluster while the function has the variables of the other one."""
    monkeypatch.setenv(CLUSTER, BEFORE)
    with stacks(deployment) as cloudformation:
        cloudformation.grant("Create", "rw a")
        monkeypatch.setenv(CLUSTER, AFTER)
        monkeypatch.setenv("BLOCKS_MAIN_ENDPOINT", "other.example.com")
        assert cloudformation.migrations("Update", "main/migrations")["Status"] == "SUCCESS"
        assert sorted(cloudformation.mapped()) == ["rw a"]


def test_the_ledger_of_an_earlier_release_gets_its_columns(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(CLUSTER, BEFORE)
    with stacks(deployment) as cloudformation:
        first = cloudformation.grant("Create", "rw a")["PhysicalResourceId"]
        other = cloudformation.grant("Create", "rw b", resource="Bills")["PhysicalResourceId"]
        deployment.run(f"CREATE TABLE kept {COLUMNS_BEFORE}")
        deployment.run(f"INSERT INTO kept SELECT {NAMES_BEFORE} FROM _grants")
        deployment.run("DROP TABLE _grants")
        deployment.run(f"CREATE TABLE _grants {COLUMNS_BEFORE}")
        deployment.run("INSERT INTO _grants SELECT * FROM kept")
        assert cloudformation.migrations("Delete", "main/migrations")["Status"] == "SUCCESS"
        second = cloudformation.grant("Update", "ro a", first)["PhysicalResourceId"]
        assert sorted(cloudformation.mapped()) == ["ro a", "rw a", "rw b"]
        rows = {id: row for id, *row in deployment.rows("SELECT id, number, cluster FROM _grants")}
        assert rows == {first: [None, BEFORE], other: [None, BEFORE], second: [1, BEFORE]}
        cloudformation.grant("Delete", "rw a", first)
        assert sorted(cloudformation.mapped()) == ["ro a", "rw b"]
