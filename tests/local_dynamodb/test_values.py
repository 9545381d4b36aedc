"""Numbers, names and types of attributes that DynamoDB refuses wherever they are in a request.

Sources: AWS developer guide, "Supported data types and naming rules" and "Quotas in Amazon DynamoDB". That a name of 64
KB is too long by one byte is in Alternator's tests against DynamoDB.
"""

from __future__ import annotations

import http.client
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from local_dynamodb import LocalDynamo

KEY = {"pk": {"S": "p"}, "sk": {"S": "s"}}

Request = tuple[str, dict[str, Any]]


def put(**attributes: Any) -> Request:
    return "PutItem", {"TableName": "t", "Item": {**KEY, **attributes}}


def update(value: object) -> Request:
    parameters = {
        "TableName": "t",
        "Key": KEY,
        "UpdateExpression": "SET x = :x",
        "ExpressionAttributeValues": {":x": value},
    }
    return "UpdateItem", parameters


def transact(value: object) -> Request:
    return "TransactWriteItems", {"TransactItems": [{"Put": put(x=value)[1]}]}


def batch(value: object) -> Request:
    return "BatchWriteItem", {"RequestItems": {"t": [{"PutRequest": {"Item": {**KEY, "x": value}}}]}}


VALUES: dict[str, Callable[[Any], Request]] = {
    "attribute": lambda value: put(x=value),
    "in a map": lambda value: put(x={"M": {"a": {"M": {"b": value}}}}),
    "in a list": lambda value: put(x={"L": [{"M": {"a": {"L": [value]}}}]}),
    "of an expression": update,
    "in a map of an expression": lambda value: update({"M": {"a": value}}),
    "of a transaction": transact,
    "of a batch": batch,
}
"""Requests with a value at each place."""


def number(place: Callable[[Any], Request]) -> Callable[[str], Request]:
    return lambda text: place({"N": text})


def name_in_map(place: Callable[[Any], Request]) -> Callable[[str], Request]:
    return lambda name: place({"M": {name: {"S": "x"}}})


NUMBERS: dict[str, Callable[[str], Request]] = {
    **{name: number(place) for name, place in VALUES.items()},
    "of a set": lambda text: put(x={"NS": ["8", text]}),
    "of a key": lambda text: ("GetItem", {"TableName": "numbers", "Key": {"n": {"N": text}}}),
    "of an item's key": lambda text: ("PutItem", {"TableName": "numbers", "Item": {"n": {"N": text}}}),
    "of a key condition": lambda text: (
        "Query",
        {
            "TableName": "numbers",
            "KeyConditionExpression": "n = :n",
            "ExpressionAttributeValues": {":n": {"N": text}},
        },
    ),
}
"""Requests with a number at each place."""

NO_NUMBERS = [
    *("\u0661", "\u0967", "\uff11", "1\u0661", "1E\u0661", "\u00b2"),
    *(" 1", "1 ", "1\n", "\t1", "\u00a01", "1\u2003", "1 0", "- 1"),
    *("1_0", "1,5", "1'0", "0x1", "0b1", "1L", "1d", "1f"),
    *("NaN", "nan", "sNaN", "-NaN", "NaN1", "Infinity", "-Infinity", "inf", "\u221e"),
    *("", "+", "-", ".", "e", "1e", "1e+", "e5", ".e5", "--1", "+-1", "1.2.3", "1e1.5", "one", "\u22121"),
]
STORED = dict(
    pair.split(" -> ")
    for pair in (
        *(
            "+1 -> 1",
            "1. -> 1",
            ".5 -> 0.5",
            "-.5 -> -0.5",
            "007 -> 7",
            "1.50 -> 1.5",
            "-0 -> 0",
            "0.000 -> 0",
        ),
        *("1e2 -> 100", "1E+2 -> 100", "1e-2 -> 0.01", "100e-2 -> 1", "0E99999999999999999999 -> 0"),
    )
)
"""Numbers, and how they are stored."""
OUT_OF_RANGE = {
    "overflow": ("1E126", "-1E126", "1E999999", "1E99999999999999999999"),
    "underflow": ("1E-131", "1E-99999999999999999999"),
}


@pytest.fixture
def tables(dynamo: LocalDynamo) -> LocalDynamo:
    """The local DynamoDB with a table, and one whose key is a number."""
    dynamo.create_table("t")
    keys = [{"AttributeName": "n", "KeyType": "HASH"}]
    types = [{"AttributeName": "n", "AttributeType": "N"}]
    dynamo.request("CreateTable", {"TableName": "numbers", "KeySchema": keys, "AttributeDefinitions": types})
    return dynamo


def refusal(dynamo: LocalDynamo, request: Request) -> tuple[str, str]:
    """Return the code and the message of an error; empty texts if there is none."""
    answer = dynamo.request(*request)
    message = str(answer.get("message") or answer.get("Message", ""))
    reasons = answer.get("CancellationReasons", ())
    said = " ".join(str(reason.get("Message", "")) for reason in reasons)
    return str(answer.get("__type", "")).rpartition("#")[2], f"{message} {said}".strip()


@pytest.mark.parametrize("place", NUMBERS)
def test_other_texts_are_no_numbers(tables: LocalDynamo, place: str) -> None:
    for text in NO_NUMBERS:
        code, said = refusal(tables, NUMBERS[place](text))
        assert code in ("ValidationException", "TransactionCanceledException"), (text, code)
        assert "The parameter cannot be converted to a numeric value" in said, (text, said)
    for kind, texts in OUT_OF_RANGE.items():
        for text in texts:
            assert f"Number {kind}" in refusal(tables, NUMBERS[place](text))[1], text


@pytest.mark.parametrize("place", NUMBERS)
def test_numbers_are_accepted(tables: LocalDynamo, place: str) -> None:
    for text in STORED:
        assert refusal(tables, NUMBERS[place](text)) == ("", ""), text


def test_numbers_are_stored_without_exponent_and_needless_zeros(tables: LocalDynamo) -> None:
    for text, stored in STORED.items():
        tables.request(*put(x={"N": text}))
        assert tables.request("GetItem", {"TableName": "t", "Key": KEY})["Item"]["x"] == {"N": stored}


def test_the_key_of_a_new_item_is_stored_as_a_number(tables: LocalDynamo) -> None:
    tables.request("UpdateItem", {"TableName": "numbers", "Key": {"n": {"N": "1.50"}}})
    found = tables.request("GetItem", {"TableName": "numbers", "Key": {"n": {"N": "15e-1"}}})
    assert found == {"Item": {"n": {"N": "1.5"}}}


NAMES: dict[str, Callable[[str], Request]] = {
    "attribute": lambda name: put(**{name: {"S": "x"}}),
    **{f"map {name}": name_in_map(place) for name, place in VALUES.items()},
    "placeholder": lambda name: (
        "GetItem",
        {
            "TableName": "t",
            "Key": KEY,
            "ProjectionExpression": "#n",
            "ExpressionAttributeNames": {"#n": name},
        },
    ),
}
"""Requests with the name of an attribute at each place."""

LONGEST = "n" * 65535


@pytest.mark.parametrize("place", NAMES)
def test_names_have_a_length(tables: LocalDynamo, place: str) -> None:
    for name, fault in {"": "Empty attribute name", LONGEST + "n": "must be less than 65536 bytes"}.items():
        code, said = refusal(tables, NAMES[place](name))
        assert code in ("ValidationException", "TransactionCanceledException")
        assert fault in said
    for name in (" ", "0", ".", "\u0661", LONGEST):
        assert refusal(tables, NAMES[place](name)) == ("", ""), name[:9]


KEY_NAMES: dict[str, Callable[[str], Request]] = {
    "key": lambda name: (
        "CreateTable",
        {
            "TableName": "u",
            "KeySchema": [{"AttributeName": name, "KeyType": "HASH"}],
            "AttributeDefinitions": [{"AttributeName": name, "AttributeType": "S"}],
        },
    ),
    "time to live": lambda name: (
        "UpdateTimeToLive",
        {"TableName": "u", "TimeToLiveSpecification": {"Enabled": True, "AttributeName": name}},
    ),
}


def test_names_of_keys_and_of_the_time_to_live_are_shorter(tables: LocalDynamo) -> None:
    for request in KEY_NAMES.values():
        for name in ("", "n" * 256):
            code, said = refusal(tables, request(name))
            assert (code, "Member must have length" in said) == ("ValidationException", True), said
        assert refusal(tables, request("n" * 255)) == ("", "")
    tables.request("DeleteTable", {"TableName": "u"})


OTHER_TYPES: list[tuple[object, str]] = [
    ({"S": 5}, "NUMBER_VALUE cannot be converted to String"),
    ({"S": True}, "TRUE_VALUE cannot be converted to String"),
    ({"S": ["a"]}, "Start of list found"),
    ({"N": 5}, "NUMBER_VALUE cannot be converted to String"),
    ({"N": 1.5}, "NUMBER_VALUE cannot be converted to String"),
    ({"B": False}, "FALSE_VALUE cannot be converted to String"),
    ({"BOOL": "true"}, "STRING_VALUE cannot be converted to Boolean"),
    ({"BOOL": 1}, "NUMBER_VALUE cannot be converted to Boolean"),
    ({"NULL": "true"}, "STRING_VALUE cannot be converted to Boolean"),
    ({"M": "a"}, "Unexpected field type"),
    ({"M": []}, "Start of list found"),
    ({"L": "abc"}, "Unexpected field type"),
    ({"L": {}}, "Start of structure or map found"),
    ({"SS": "abc"}, "Unexpected field type"),
    ({"SS": [1]}, "NUMBER_VALUE cannot be converted to String"),
    ({"NS": [1]}, "NUMBER_VALUE cannot be converted to String"),
    ({"BS": [True]}, "TRUE_VALUE cannot be converted to String"),
]


@pytest.mark.parametrize("place", VALUES)
def test_values_of_another_type_are_refused(tables: LocalDynamo, place: str) -> None:
    for value, message in OTHER_TYPES:
        code, said = refusal(tables, VALUES[place](value))
        assert code == "SerializationException", (value, said)
        assert message in said, (value, said)


INVALID: list[tuple[object, str]] = [
    ({"S": None}, "must contain exactly one of the supported datatypes"),
    ({"N": None}, "must contain exactly one of the supported datatypes"),
    ({"M": {"a": None}}, "must contain exactly one of the supported datatypes"),
    ({}, "must contain exactly one of the supported datatypes"),
    ({"S": "a", "N": "1"}, "must contain exactly one of the supported datatypes"),
    ({"X": "a"}, "must contain exactly one of the supported datatypes"),
    ({"BS": ["YQ==", "YQ=="]}, "contains duplicates"),
    ({"BS": ["?"]}, "not Base64"),
    ({"B": "\u0661"}, "not Base64"),
]


@pytest.mark.parametrize(("value", "message"), INVALID, ids=[str(value) for value, _ in INVALID])
def test_values_that_are_not_valid_are_refused(tables: LocalDynamo, value: object, message: str) -> None:
    code, said = refusal(tables, put(x=value))
    assert (code, message in said) == ("ValidationException", True), said


def test_a_name_that_is_null_is_no_empty_value(tables: LocalDynamo) -> None:
    request = {
        "TableName": "t",
        "Key": {"pk": {"S": "a"}, "sk": {"S": "-"}},
        "ProjectionExpression": "#a",
        "ExpressionAttributeNames": {"#a": None},
    }
    assert refusal(tables, ("GetItem", request)) == ("SerializationException", "Unexpected null")


@pytest.mark.parametrize("limit", ["2", True, 1.5, "\u0661"])
def test_a_limit_is_a_number(tables: LocalDynamo, limit: object) -> None:
    assert refusal(tables, ("Scan", {"TableName": "t", "Limit": limit}))[0] == "SerializationException"


@pytest.mark.parametrize("body", [b'{"Limit": NaN}', b'{"Limit": -Infinity}', b"{} {}", b"\xff{}", b"{\x00}"])
def test_a_body_is_json(tables: LocalDynamo, body: bytes) -> None:
    connection = http.client.HTTPConnection(tables.url.removeprefix("http://"))
    headers = {
        "x-amz-target": "DynamoDB_20120810.ListTables",
        "authorization": "AWS4-HMAC-SHA256 Credential=local/20000101/us-east-1/dynamodb/aws4_request",
    }
    try:
        connection.request("POST", "/", body, headers)
        answer = connection.getresponse()
        assert (answer.status, b"SerializationException" in answer.read()) == (400, True)
    finally:
        connection.close()
