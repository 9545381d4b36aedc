"""The local DynamoDB as boto3 uses it: faults, time to live, Regions, permissions, processes."""

from __future__ import annotations

import http.client
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

import boto3
import pytest
from botocore.exceptions import ClientError, ConnectionClosedError

from local_dsql.access import Effect, Permission
from local_dynamodb import Fault, LocalDynamo, LocalDynamoError
from local_dynamodb.divergences import DIVERGENCES
from local_dynamodb.faults import Injection
from tests.local_dynamodb.calls import EAST, OHIO, client, item, server_of, stored, wait_for_end

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

Test = TypeVar("Test", bound="Callable[..., None]")
CITED: set[str] = set()


def divergence(id: str) -> Callable[[Test], Test]:
    """Cite an entry of `local_dynamodb.divergences` that a test shows."""
    CITED.add(id)
    return lambda test: test


def test_every_known_difference_is_shown_by_a_test() -> None:
    assert {each.id for each in DIVERGENCES} == CITED


@pytest.fixture
def api(dynamo: LocalDynamo) -> Any:
    dynamo.create_table("t")
    return client(dynamo)


def transact(api: Any, *puts: dict[str, Any], token: str = "") -> None:
    actions = [{"Put": {"TableName": "t", "Item": each}} for each in puts]
    api.transact_write_items(TransactItems=actions, **({"ClientRequestToken": token} if token else {}))


REFUSALS = {
    ("TransactionConflict", "put_item"): "TransactionConflictException",
    ("Throttling", "put_item"): "ProvisionedThroughputExceededException",
    ("InternalServerError", "put_item"): "InternalServerError",
    ("TransactionConflict", "transact"): "TransactionCanceledException",
    ("Throttling", "transact"): "TransactionCanceledException",
}


@pytest.mark.parametrize(("fault", "operation"), REFUSALS)
def test_a_refused_request_writes_nothing(dynamo: LocalDynamo, api: Any, fault: str, operation: str) -> None:
    dynamo.inject(fault)
    with pytest.raises(ClientError) as caught:
        if operation == "transact":
            transact(api, item("a", n=1), item("b", n=1))
        else:
            api.put_item(TableName="t", Item=item("a", n=1))
    assert caught.value.response["Error"]["Code"] == REFUSALS[fault, operation]
    assert stored(api, "a") is None


@pytest.mark.parametrize(("fault", "kept"), [("connection-lost", None), ("outcome-unknown", 1)])
def test_a_broken_connection_before_and_after(
    dynamo: LocalDynamo, api: Any, fault: str, kept: int | None
) -> None:
    dynamo.inject(fault)
    with pytest.raises(ConnectionClosedError):
        api.put_item(TableName="t", Item=item("a", n=1))
    assert stored(api, "a") == kept


@divergence("never-throttled")
def test_half_of_a_batch_comes_back(dynamo: LocalDynamo, api: Any) -> None:
    requests = [{"PutRequest": {"Item": item(str(n), n=n)}} for n in range(5)]
    dynamo.inject("unprocessed", times=2)
    rest = api.batch_write_item(RequestItems={"t": requests})["UnprocessedItems"]["t"]
    assert rest == requests[2:]
    keys = [item(str(n)) for n in range(2)]
    answer = api.batch_get_item(RequestItems={"t": {"Keys": keys}})
    assert (len(answer["Responses"]["t"]), len(answer["UnprocessedKeys"]["t"]["Keys"])) == (1, 1)


def test_a_batch_of_one_comes_back_whole(dynamo: LocalDynamo, api: Any) -> None:
    wanted = {"t": [{"PutRequest": {"Item": item("a", n=1)}}]}
    dynamo.inject("unprocessed", times=2)
    assert api.batch_write_item(RequestItems=wanted)["UnprocessedItems"] == wanted
    keys = {"t": {"Keys": [item("a")]}}
    answer = api.batch_get_item(RequestItems=keys)
    assert (answer["Responses"], answer["UnprocessedKeys"]) == ({}, keys)


@divergence("reads-never-stale")
def test_a_stale_read_sees_the_state_before(dynamo: LocalDynamo, api: Any) -> None:
    for number in (1, 2):
        api.put_item(TableName="t", Item=item("a", n=number))
    dynamo.inject("stale-read", times=None)
    assert stored(api, "a") == 2
    assert stored(api, "a", consistent=False) == 1
    api.put_item(TableName="t", Item=item("new", n=1))
    assert stored(api, "new", consistent=False) is None


def test_injections_hit_what_they_name(dynamo: LocalDynamo, api: Any) -> None:
    number = dynamo.inject(
        "Throttling", key="a", times=None, every=2, operation="PutItem", table="t", region=EAST
    )
    outcomes = []
    for pk in ("a", "b", "a", "a", "a"):
        try:
            api.put_item(TableName="t", Item=item(pk, n=1))
            outcomes.append("written")
        except ClientError:
            outcomes.append("throttled")
    assert outcomes == ["written", "written", "throttled", "written", "throttled"]
    assert dynamo.armed() == {number: "Throttling"}
    dynamo.remove(number)
    assert dynamo.armed() == {}


def test_injections_that_cannot_be(dynamo: LocalDynamo) -> None:
    with pytest.raises(LocalDynamoError, match="nonsense"):
        dynamo.inject("nonsense")
    with pytest.raises(LocalDynamoError, match="cannot hit"):
        dynamo.inject("unprocessed", operation="PutItem")
    with pytest.raises(ValueError, match="1 or more"):
        Injection(fault=Fault.LOST, times=0)


OF_ANOTHER_TYPE: dict[str, tuple[Callable[[Any], object], str]] = {
    "times": (lambda dynamo: dynamo.inject("Throttling", times="2"), "times is of type str"),
    "every": (lambda dynamo: dynamo.inject("Throttling", every=None), "every is of type NoneType"),
    "key": (lambda dynamo: dynamo.inject("Throttling", key=("a", "b")), "key is of type list; give text"),
    "table": (lambda dynamo: dynamo.inject("Throttling", table=5), "table is of type int"),
    "delay": (lambda dynamo: dynamo.set_replication_delay("1"), "the delay is '1'"),
    "negative delay": (lambda dynamo: dynamo.set_replication_delay(-1), "0 or more"),
    "moment": (lambda dynamo: dynamo.delete_expired("now"), "seconds since the epoch"),
    "one Region": (lambda dynamo: dynamo.create_table("t", replicas="us-east-2"), "list of text"),
    "Region": (lambda dynamo: dynamo.create_table("t", region=5), "list of text"),
    "replica": (lambda dynamo: dynamo.replicate("t", "us-east-2"), "list of text"),
    "stopped Region": (lambda dynamo: dynamo.stop_region(5), "list of text"),
    "name": (lambda dynamo: dynamo.create_table(5), "cannot be created"),
    "empty name": (lambda dynamo: dynamo.create_table(""), "cannot be created"),
}


@pytest.mark.parametrize(("call", "says"), OF_ANOTHER_TYPE.values(), ids=OF_ANOTHER_TYPE)
def test_a_value_of_another_type_is_refused(
    dynamo: LocalDynamo, call: Callable[[LocalDynamo], object], says: str
) -> None:
    """An injection that matches nothing would let a test pass that tests nothing."""
    with pytest.raises(LocalDynamoError, match=says):
        call(dynamo)
    assert dynamo.armed() == {}


@divergence("ttl-on-request")
def test_expired_items_stay_until_they_are_deleted(dynamo: LocalDynamo, api: Any) -> None:
    now = int(time.time())
    api.put_item(TableName="t", Item=item("old", n=1, ttl=now - 10))
    api.put_item(TableName="t", Item=item("young", n=1, ttl=now + 1000))
    assert stored(api, "old") == 1
    assert dynamo.delete_expired() == 1
    assert (stored(api, "old"), stored(api, "young")) == (None, 1)


@divergence("replication-by-clock")
def test_the_last_writer_wins_between_regions(dynamo: LocalDynamo) -> None:
    dynamo.create_table("t", replicas=[OHIO])
    dynamo.set_replication_delay(60)
    east, ohio = client(dynamo), client(dynamo, OHIO)
    east.put_item(TableName="t", Item=item("a", n=1))
    assert stored(ohio, "a") is None
    ohio.put_item(TableName="t", Item=item("a", n=2))
    assert (stored(east, "a"), stored(ohio, "a")) == (1, 2)
    dynamo.settle()
    assert (stored(east, "a"), stored(ohio, "a")) == (2, 2)
    condition = {"ConditionExpression": "n = :n", "ExpressionAttributeValues": {":n": {"N": "2"}}}
    for api, number in ((east, 3), (ohio, 4)):  # both conditions hold: one sale too many
        api.put_item(TableName="t", Item=item("a", n=number), **condition)
    dynamo.settle()
    assert (stored(east, "a"), stored(ohio, "a")) == (4, 4)


def test_writes_arrive_after_the_delay(dynamo: LocalDynamo) -> None:
    dynamo.create_table("t", replicas=[OHIO])
    dynamo.set_replication_delay(0.05)
    client(dynamo).put_item(TableName="t", Item=item("a", n=1))
    limit = time.monotonic() + 20
    while stored(client(dynamo, OHIO), "a") is None:
        assert time.monotonic() < limit
        time.sleep(0.02)


def test_a_stopped_region_agrees_after_it_is_back(dynamo: LocalDynamo) -> None:
    dynamo.create_table("t", replicas=[OHIO])
    dynamo.set_replication_delay(0)
    dynamo.stop_region(OHIO)
    east, ohio = client(dynamo), client(dynamo, OHIO)
    east.put_item(TableName="t", Item=item("a", n=1))
    with pytest.raises(ConnectionClosedError):
        stored(ohio, "a")
    dynamo.start_region(OHIO)
    limit = time.monotonic() + 20
    while stored(ohio, "a") != 1:
        assert time.monotonic() < limit
        time.sleep(0.02)


def allow(action: str, effect: Effect = Effect.ALLOW) -> Permission:
    return Permission(action, "arn:aws:dynamodb:us-east-1:123456789012:table/t", effect)


@divergence("signature-not-checked")
def test_a_registered_key_may_do_what_its_permissions_say(dynamo: LocalDynamo, api: Any) -> None:
    own = client(dynamo, key="ASIA1")
    dynamo.identity("ASIA1", "arn:aws:iam::1:role/fn", [allow("dynamodb:GetItem"), allow("dynamodb:PutItem")])
    own.put_item(TableName="t", Item=item("a", n=1))
    transact(own, item("b", n=1))
    check = {
        "ConditionCheck": {"TableName": "t", "Key": item("a"), "ConditionExpression": "attribute_exists(pk)"}
    }
    refused: dict[str, Any] = {
        "query": {
            "TableName": "t",
            "KeyConditionExpression": "pk = :p",
            "ExpressionAttributeValues": {":p": {"S": "a"}},
        },
        "transact_write_items": {"TransactItems": [check]},
    }
    for operation, parameters in refused.items():
        with pytest.raises(ClientError) as caught:
            getattr(own, operation)(**parameters)
        assert caught.value.response["Error"]["Code"] == "AccessDeniedException", operation
    assert "dynamodb:ConditionCheckItem" in caught.value.response["Error"]["Message"]
    dynamo.identity("ASIA1", "arn", [allow("dynamodb:*"), allow("dynamodb:GetItem", Effect.DENY)])
    with pytest.raises(ClientError):
        stored(own, "a")
    assert stored(api, "a") == 1  # a key of no identity


@divergence("no-indexes")
def test_tables(dynamo: LocalDynamo, api: Any) -> None:
    assert "us-east-1/t" in dynamo.tables()
    assert "t" in api.list_tables()["TableNames"]
    described = api.describe_table(TableName="t")["Table"]
    assert (described["TableStatus"], described["KeySchema"][0]["AttributeName"]) == ("ACTIVE", "pk")
    ttl = api.describe_time_to_live(TableName="t")["TimeToLiveDescription"]
    assert ttl == {"TimeToLiveStatus": "ENABLED", "AttributeName": "ttl"}
    with pytest.raises(ClientError, match="Secondary indexes"):
        api.query(
            TableName="t",
            IndexName="by_n",
            KeyConditionExpression="pk = :p",
            ExpressionAttributeValues={":p": {"S": "a"}},
        )


FOREIGN: dict[str, tuple[str, dict[str, str]]] = {
    "a page's simple request": ("/_local/reset", {}),
    "another name of this machine": ("/_local/reset", {"host": "rebound.example", "x-local-dynamodb": "1"}),
    "another name for the API": ("/", {"host": "rebound.example", "authorization": "x"}),
}


@pytest.mark.parametrize(("path", "headers"), FOREIGN.values(), ids=FOREIGN)
def test_a_page_in_a_browser_is_refused(dynamo: LocalDynamo, path: str, headers: dict[str, str]) -> None:
    connection = http.client.HTTPConnection(dynamo.url.removeprefix("http://"))
    try:
        connection.request("POST", path, "{}", headers)
        assert connection.getresponse().status == 403
    finally:
        connection.close()


def test_it_listens_on_loopback_in_a_folder_of_its_owner(dynamo: LocalDynamo) -> None:
    assert dynamo.url.startswith("http://127.0.0.1:")
    assert dynamo.folder.stat().st_mode & 0o077 == 0


def test_a_reset_is_fast_and_keeps_tables(dynamo: LocalDynamo, api: Any) -> None:
    for number in range(50):
        api.put_item(TableName="t", Item=item(str(number), n=1))
    dynamo.reset()
    assert api.scan(TableName="t")["Count"] == 0
    assert "us-east-1/t" in dynamo.tables()


def test_items_survive_a_killed_server(tmp_path: Path) -> None:
    with LocalDynamo(tmp_path / "d") as dynamo:
        dynamo.create_table("t")
        api = client(dynamo)
        api.put_item(TableName="t", Item=item("a", n=1))
        transact(api, item("b", n=1), token="token-0001")
        os.kill(server_of(tmp_path / "d"), signal.SIGKILL)
        time.sleep(0.2)
        dynamo.start()
        api = client(dynamo)
        assert (stored(api, "a"), stored(api, "b")) == (1, 1)
        api.put_item(TableName="t", Item=item("b", n=5))
        transact(api, item("b", n=1), token="token-0001")
        assert stored(api, "b") == 5, "the token is known after a restart"


def test_users_share_a_server_that_ends_with_the_last(tmp_path: Path) -> None:
    first, second = LocalDynamo(tmp_path / "d").start(), LocalDynamo(tmp_path / "d").start()
    pid = server_of(tmp_path / "d")
    assert first.url == second.url
    first.close()
    second.create_table("t")
    second.close()
    second.close()
    wait_for_end(pid)
    with pytest.raises(LocalDynamoError, match="not started"):
        second.url  # noqa: B018


def test_a_server_in_the_foreground(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "local_dynamodb", str(tmp_path / "d"), "--keep"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        name, _, url = server.stdout.readline().strip().partition("=")
        assert name == "AWS_ENDPOINT_URL_DYNAMODB"
        api = boto3.client(
            "dynamodb", endpoint_url=url, region_name=EAST, aws_access_key_id="x", aws_secret_access_key="y"
        )
        assert api.list_tables()["TableNames"] == []
        refused = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (refused.returncode, "served by another process" in refused.stderr) == (4, True)
    finally:
        server.send_signal(signal.SIGINT)
        assert server.wait(20) == 0
        assert server.stdout is not None
        server.stdout.close()


def test_a_project_gets_a_table_without_variables(tmp_path: Path) -> None:
    program = (
        "from blocks_runtime import AtomicTable, Item\n"
        "table = AtomicTable('my-locks')\n"
        "table.set(Item('a', 'b', 1))\n"
        "print(table.get(('a', 'b')).data)"
    )
    (tmp_path / "cdk.json").write_text("{}")
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "BLOCKS_"))
    }
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "1\n"
    assert (tmp_path / ".blocks" / "dynamodb" / "items.sqlite").exists()


@divergence("one-request-at-a-time")
def test_transactions_never_meet(api: Any, dynamo: LocalDynamo) -> None:
    api.put_item(TableName="t", Item=item("a", n=0))
    update = {
        "TableName": "t",
        "Key": item("a"),
        "UpdateExpression": "ADD n :one",
        "ExpressionAttributeValues": {":one": {"N": "1"}},
    }

    def work(_: int) -> None:
        own = client(dynamo)
        for _ in range(10):
            own.transact_write_items(TransactItems=[{"Update": update}])

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    assert stored(api, "a") == 80


@divergence("tables-unread")
@divergence("ttl-at-once")
def test_a_table_is_created_and_changed_more_freely(dynamo: LocalDynamo, api: Any) -> None:
    api.create_table(
        TableName="u",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
    )
    for attribute in ("ttl", "ttl", "other"):
        setting = {"Enabled": True, "AttributeName": attribute}
        api.update_time_to_live(TableName="u", TimeToLiveSpecification=setting)
    api.delete_table(TableName="u")


@divergence("rarely-refused")
def test_what_sources_do_not_agree_on_is_accepted(api: Any) -> None:
    api.update_item(
        TableName="t",
        Key=item("a"),
        UpdateExpression="SET n = if_not_exists(m, if_not_exists(n, :one))",
        ConditionExpression="attribute_type(:one, :kind)",
        ExpressionAttributeValues={":one": {"N": "1"}, ":kind": {"S": "N"}},
    )
    api.update_item(TableName="t", Key=item("a"), UpdateExpression="SET n = if_not_exists(n, n)")


@divergence("no-capacity")
def test_capacity_is_not_counted(api: Any) -> None:
    answer = api.put_item(TableName="t", Item=item("a", n=0), ReturnConsumedCapacity="TOTAL")
    assert "ConsumedCapacity" not in answer


@divergence("texts-of-errors")
def test_codes_of_errors_are_those_of_the_service(api: Any) -> None:
    with pytest.raises(ClientError) as caught:
        api.get_item(TableName="t", Key={"pk": {"S": "a"}})
    assert caught.value.response["Error"]["Code"] == "ValidationException"
