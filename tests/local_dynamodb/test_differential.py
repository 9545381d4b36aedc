"""The same requests to the local DynamoDB and to moto: a second implementation of the expressions and conditions.

A case in which the two differ names the source for the answer of DynamoDB.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from moto import mock_aws

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local_dynamodb import LocalDynamo

KEY = {"pk": {"S": "p"}, "sk": {"S": "s"}}
ITEM = {
    **KEY,
    "n": {"N": "5"},
    "t": {"S": "text"},
    "b": {"B": b"\x01\x02"},
    "l": {"L": [{"N": "1"}, {"S": "two"}, {"M": {"x": {"N": "3"}}}]},
    "m": {"M": {"a": {"S": "inside"}, "deep": {"M": {"n": {"N": "7"}}}}},
    "ss": {"SS": ["a", "b"]},
    "ns": {"NS": ["1", "2"]},
    "yes": {"BOOL": True},
    "nil": {"NULL": True},
}
OPTIONS = {"region_name": "us-east-1", "aws_access_key_id": "a", "aws_secret_access_key": "s"}


@dataclass
class Pair:
    """A client of each implementation, with a table `t` that has one item."""

    ours: Any
    motos: Any

    def both(self, operation: str, **parameters: Any) -> tuple[Any, Any]:
        return answer(self.ours, operation, parameters), answer(self.motos, operation, parameters)

    def refill(self) -> None:
        for client in (self.ours, self.motos):
            for item in client.scan(TableName="t")["Items"]:
                client.delete_item(TableName="t", Key={name: item[name] for name in KEY})
            client.put_item(TableName="t", Item=ITEM)


def answer(client: Any, operation: str, parameters: dict[str, Any]) -> Any:
    """Return the answer without metadata, or the code of the error with its cancellation reasons."""
    try:
        found = getattr(client, operation)(**parameters)
    except ClientError as error:
        reasons = [each["Code"] for each in error.response.get("CancellationReasons", ())]
        return (error.response["Error"]["Code"], *reasons)
    except (KeyError, TypeError) as crash:  # moto's own faults
        return (type(crash).__name__,)
    for name in ("ResponseMetadata", "ItemCollectionMetrics", "ConsumedCapacity"):
        found.pop(name, None)
    return normal(found)


def normal(value: Any) -> Any:
    """Return an answer with its sets in order."""
    if isinstance(value, dict):
        return {
            name: sorted(each) if name in ("SS", "NS", "BS") else normal(each) for name, each in value.items()
        }
    return [normal(each) for each in value] if isinstance(value, list) else value


@pytest.fixture(scope="module")
def pair(dynamo_server: LocalDynamo) -> Iterator[Pair]:
    dynamo_server.reset()
    config = Config(retries={"total_max_attempts": 1})
    ours = boto3.client("dynamodb", endpoint_url=dynamo_server.url, config=config, **OPTIONS)
    with mock_aws():
        motos = boto3.client("dynamodb", endpoint_url="https://dynamodb.us-east-1.amazonaws.com", **OPTIONS)
        for client in (ours, motos):
            client.create_table(
                TableName="t",
                KeySchema=[
                    {"AttributeName": "pk", "KeyType": "HASH"},
                    {"AttributeName": "sk", "KeyType": "RANGE"},
                ],
                AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in KEY],
                BillingMode="PAY_PER_REQUEST",
            )
        yield Pair(ours, motos)
    ours.delete_table(TableName="t")


CONDITIONS = [
    "attribute_exists(n)",
    "attribute_not_exists(n)",
    "attribute_not_exists(gone) AND n = :five",
    "n < :six AND NOT n > :six",
    "n BETWEEN :five AND :six",
    "n IN (:six, :five)",
    "t IN (:six, :text)",
    "gone = :five",
    "gone <> :five",
    "n <> :text",
    "n = :text",
    "begins_with(t, :te)",
    "begins_with(n, :te)",
    "contains(t, :te)",
    "contains(ss, :a)",
    "contains(ns, :one)",
    "contains(l, :two)",
    "size(t) = :four",
    "size(l) > :one AND size(ss) > :one",
    "attribute_type(n, :typen)",
    "attribute_type(n, :types)",
    "m.a = :inside",
    "m.deep.n > :six",
    "l[0] = :one",
    "l[2].x >= :one",
    "l[9] = :one",
    "(n = :five OR t = :five) AND t = :text",
    "n = :five OR t = :five AND t = :inside",
    "NOT (n = :five)",
    "yes = :true",
    "nil = :null",
    "t > :a",
    "#n = :five",
]
VALUES = {
    ":five": {"N": "5.0"},
    ":six": {"N": "6"},
    ":one": {"N": "1"},
    ":four": {"N": "4"},
    ":text": {"S": "text"},
    ":te": {"S": "te"},
    ":two": {"S": "two"},
    ":a": {"S": "a"},
    ":inside": {"S": "inside"},
    ":typen": {"S": "N"},
    ":types": {"S": "S"},
    ":true": {"BOOL": True},
    ":null": {"NULL": True},
}


def used(expression: str) -> dict[str, Any]:
    """Return the names and values that an expression uses: DynamoDB refuses others."""
    import re

    values = {name: VALUES[name] for name in set(re.findall(r":\w+", expression)) if name in VALUES}
    found: dict[str, Any] = {"ExpressionAttributeValues": values} if values else {}
    if "#n" in expression:
        found["ExpressionAttributeNames"] = {"#n": "n"}
    return found


@pytest.mark.parametrize("expression", CONDITIONS)
def test_conditions(pair: Pair, expression: str) -> None:
    pair.refill()
    ours, motos = pair.both(
        "put_item", TableName="t", Item=ITEM, ConditionExpression=expression, **used(expression)
    )
    assert ours == motos
    ours, motos = pair.both("scan", TableName="t", FilterExpression=expression, **used(expression))
    assert ours == motos


UPDATES = [
    "SET n = :six",
    "SET n = n + :six",
    "SET n = n - :one, t = :inside",
    "SET gone = if_not_exists(gone, :one) + :one",
    "SET gone = if_not_exists(n, :one)",
    "SET l = list_append(l, l)",
    "SET l[0] = :six",
    "SET m.a = :six, m.neu = :one",
    "SET m.gone.x = :one",
    "SET gone = other",
    "SET t = t + :one",
    "REMOVE n, t",
    "REMOVE m.a, l[0], l[1]",
    "REMOVE gone",
    "ADD n :one",
    "ADD gone :one",
    "ADD t :one",
    "ADD #n :one REMOVE t SET neu = :one",
    "SET n = :six, n = :one",
    "SET n :six",
    "SET pk = :a",
    "ADD n :text",
    "",
    "SET n = :six SET t = :a",
]


@pytest.mark.parametrize("expression", UPDATES)
def test_updates(pair: Pair, expression: str) -> None:
    pair.refill()
    ours, motos = pair.both(
        "update_item",
        TableName="t",
        Key=KEY,
        UpdateExpression=expression,
        ReturnValues="ALL_NEW",
        **used(expression),
    )
    assert ours == motos


@dataclass(frozen=True)
class Case:
    """A request with one answer of ours; `moto` is False where moto answers otherwise, with the reason in `why`."""

    operation: str
    parameters: dict[str, Any]
    expected: Any
    moto: bool = True
    why: str = field(default="", compare=False)


def put(sk: str, condition: str | None = None, **values: Any) -> dict[str, Any]:
    """Return the action that puts an item."""
    action: dict[str, Any] = {"TableName": "t", "Item": {"pk": {"S": "p"}, "sk": {"S": sk}}}
    if condition:
        action["ConditionExpression"] = condition
    return {"Put": action | values}


CHECK = {"ConditionCheck": {"TableName": "t", "Key": KEY, "ConditionExpression": "attribute_exists(pk)"}}
CANCELED = "TransactionCanceledException"
CASES = {
    "all conditions hold": Case("transact_write_items", {"TransactItems": [CHECK, put("x")]}, {}),
    "one condition fails": Case(
        "transact_write_items",
        {"TransactItems": [CHECK, put("y", "attribute_exists(pk)"), put("x")]},
        (CANCELED, "None", "ConditionalCheckFailed", "None"),
    ),
    "one item twice": Case(
        "transact_write_items", {"TransactItems": [put("x"), put("x")]}, ("ValidationException",)
    ),
    "101 actions": Case(
        "transact_write_items",
        {"TransactItems": [put(str(n)) for n in range(101)]},
        ("ValidationException",),
    ),
    "an update that cannot be made": Case(
        "transact_write_items",
        {
            "TransactItems": [
                {
                    "Update": {
                        "TableName": "t",
                        "Key": KEY,
                        "UpdateExpression": "SET t = t + :one",
                        "ExpressionAttributeValues": {":one": {"N": "1"}},
                    }
                }
            ]
        },
        (CANCELED, "ValidationError"),
        moto=False,
        why="API reference, CancellationReason: ValidationError",
    ),
    "a missing table": Case("get_item", {"TableName": "u", "Key": KEY}, ("ResourceNotFoundException",)),
    "half a key": Case("get_item", {"TableName": "t", "Key": {"pk": {"S": "p"}}}, ("ValidationException",)),
    "an empty key": Case(
        "put_item", {"TableName": "t", "Item": {**KEY, "sk": {"S": ""}}}, ("ValidationException",)
    ),
    "a key of another type": Case(
        "put_item", {"TableName": "t", "Item": {**KEY, "sk": {"N": "1"}}}, ("ValidationException",)
    ),
    "a large item": Case(
        "put_item", {"TableName": "t", "Item": {**KEY, "x": {"S": "x" * 409_600}}}, ("ValidationException",)
    ),
    "an empty set": Case(
        "put_item", {"TableName": "t", "Item": {**KEY, "x": {"SS": []}}}, ("ValidationException",)
    ),
    "a number in another form": Case(
        "get_item", {"TableName": "t", "Key": KEY, "ProjectionExpression": "n"}, {"Item": {"n": {"N": "5"}}}
    ),
    "no number": Case(
        "put_item", {"TableName": "t", "Item": {**KEY, "x": {"N": "five"}}}, ("ValidationException",)
    ),
    "39 digits": Case(
        "put_item",
        {"TableName": "t", "Item": {**KEY, "x": {"N": "1" * 39}}},
        ("ValidationException",),
        moto=False,
        why="developer guide, data types: up to 38 digits",
    ),
    "a reserved word": Case(
        "update_item",
        {
            "TableName": "t",
            "Key": KEY,
            "UpdateExpression": "SET data = :x",
            "ExpressionAttributeValues": {":x": {"N": "1"}},
        },
        ("ValidationException",),
    ),
    "an unused value": Case(
        "put_item",
        {
            "TableName": "t",
            "Item": ITEM,
            "ConditionExpression": "attribute_exists(pk)",
            "ExpressionAttributeValues": {":x": {"N": "1"}},
        },
        ("ValidationException",),
        moto=False,
        why="DynamoDB: Value provided in ExpressionAttributeValues unused in expressions",
    ),
    "an undefined value": Case(
        "put_item",
        {"TableName": "t", "Item": ITEM, "ConditionExpression": "n = :x"},
        ("ValidationException",),
        moto=False,
        why="moto fails with a KeyError",
    ),
    "values of two types in order": Case(
        "put_item",
        {"TableName": "t", "Item": ITEM, "ConditionExpression": "t >= n"},
        ("ConditionalCheckFailedException",),
        moto=False,
        why="moto fails with a TypeError; developer guide, comparison operators: types must match",
    ),
    "duplicates in a batch": Case(
        "batch_write_item",
        {"RequestItems": {"t": [{"PutRequest": {"Item": ITEM}}, {"DeleteRequest": {"Key": KEY}}]}},
        ("ValidationException",),
        moto=False,
        why="API reference, BatchWriteItem: multiple operations on the same item are refused",
    ),
    "a part of a document": Case(
        "get_item",
        {"TableName": "t", "Key": KEY, "ProjectionExpression": "m.deep.n, l[2].x, gone"},
        {"Item": {"m": {"M": {"deep": {"M": {"n": {"N": "7"}}}}}, "l": {"L": [{"M": {"x": {"N": "3"}}}]}}},
    ),
    "a query without the partition": Case(
        "query",
        {
            "TableName": "t",
            "KeyConditionExpression": "sk = :s",
            "ExpressionAttributeValues": {":s": {"S": "s"}},
        },
        ("ValidationException",),
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_answers(pair: Pair, case: Case) -> None:
    pair.refill()
    ours, motos = pair.both(case.operation, **case.parameters)
    assert ours == case.expected
    assert (motos == case.expected) is case.moto, motos


def test_moto_carries_out_a_known_token_again(pair: Pair) -> None:
    """The reason for which moto is not the local DynamoDB; DynamoDB carries it out once."""
    pair.refill()
    action = {
        "Update": {
            "TableName": "t",
            "Key": KEY,
            "UpdateExpression": "ADD n :one",
            "ExpressionAttributeValues": {":one": {"N": "1"}},
        }
    }
    for _ in range(2):
        pair.both("transact_write_items", TransactItems=[action], ClientRequestToken="token-of-this-test")
    ours, motos = pair.both("get_item", TableName="t", Key=KEY, ProjectionExpression="n")
    assert (ours["Item"]["n"], motos["Item"]["n"]) == ({"N": "6"}, {"N": "7"})
    other = json.loads(json.dumps(action).replace('"1"', '"2"'))
    assert answer(
        pair.ours,
        "transact_write_items",
        {"TransactItems": [other], "ClientRequestToken": "token-of-this-test"},
    ) == ("IdempotentParameterMismatchException",)


SORT_KEYS = ["", "a", "a#1", "a#2", "b", "Z", "ä"]
QUERIES = [
    ("pk = :p", {}),
    ("pk = :p AND sk = :a", {":a": "a"}),
    ("pk = :p AND sk < :a", {":a": "a#2"}),
    ("pk = :p AND sk <= :a", {":a": "a#2"}),
    ("pk = :p AND sk > :a", {":a": "a"}),
    ("pk = :p AND sk >= :a", {":a": "a#2"}),
    ("pk = :p AND sk BETWEEN :a AND :b", {":a": "a", ":b": "b"}),
    ("pk = :p AND begins_with(sk, :a)", {":a": "a#"}),
    ("sk > :a AND pk = :p", {":a": "a"}),
]


@pytest.mark.parametrize(("expression", "values"), QUERIES, ids=[expression for expression, _ in QUERIES])
@pytest.mark.parametrize("forward", [True, False])
@pytest.mark.parametrize("limit", [None, 1, 2])
def test_queries_page_by_page(
    pair: Pair, expression: str, values: dict[str, str], forward: bool, limit: int | None
) -> None:
    pair.refill()
    for client in (pair.ours, pair.motos):
        client.delete_item(TableName="t", Key=KEY)
        for sk in SORT_KEYS[1:]:
            client.put_item(TableName="t", Item={"pk": {"S": "p"}, "sk": {"S": sk}})
    parameters: dict[str, Any] = {
        "TableName": "t",
        "KeyConditionExpression": expression,
        "ExpressionAttributeValues": {name: {"S": text} for name, text in {":p": "p", **values}.items()},
        "ScanIndexForward": forward,
    } | ({} if limit is None else {"Limit": limit})
    found: list[list[str]] = []
    for client in (pair.ours, pair.motos):
        keys: list[str] = []
        start: dict[str, Any] = {}
        while True:
            page = client.query(**parameters, **start)
            keys += [item["sk"]["S"] for item in page["Items"]]
            if "LastEvaluatedKey" not in page:
                break
            start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}
        found.append(keys)
    assert found[0] == found[1]


numbers = st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**20), max_value=10**20, places=5)


@settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
@given(numbers, numbers)
def test_numbers_are_compared_by_value(pair: Pair, one: Any, other: Any) -> None:
    item = {**KEY, "x": {"N": str(one)}}
    for client in (pair.ours, pair.motos):
        client.put_item(TableName="t", Item=item)
    parameters = {
        "TableName": "t",
        "FilterExpression": "x < :y",
        "ExpressionAttributeValues": {":y": {"N": str(other)}},
    }
    ours, motos = pair.both("scan", **parameters)
    assert ours["Count"] == motos["Count"] == int(one < other)
