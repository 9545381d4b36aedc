"""Requests that DynamoDB refuses before it looks at an item, with its reasons; and requests near them that it accepts.

Sources of the reasons: the AWS guides, and answers of DynamoDB that tests of other implementations quote. moto is a
second opinion: it accepts more, and what it refuses is refused here, too, except where it lacks a piece of the syntax.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from moto import mock_aws

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from local_dynamodb import LocalDynamo

KEY = {"pk": {"S": "p"}, "sk": {"S": "s"}}
ITEM = {
    **KEY,
    "n": {"N": "5"},
    "s": {"S": "text"},
    "ss": {"SS": ["a", "b"]},
    "l": {"L": [{"N": "1"}]},
    "m": {"M": {"x": {"N": "1"}}},
}
VALUES: dict[str, dict[str, Any]] = {
    ":one": {"N": "1"},
    ":nine": {"N": "9"},
    ":a": {"S": "a"},
    ":z": {"S": "z"},
    ":set": {"SS": ["a"]},
    ":list": {"L": [{"N": "1"}]},
    ":map": {"M": {}},
    ":true": {"BOOL": True},
    ":X": {"S": "X"},
    ":NUMBER": {"S": "N"},
    ":p": {"S": "p"},
    ":s": {"S": "s"},
    ":empty": {"S": ""},
    ":data": {"B": b"\x01"},
}
OPTIONS = {"region_name": "us-east-1", "aws_access_key_id": "a", "aws_secret_access_key": "s"}
CONFIG = Config(retries={"total_max_attempts": 1}, parameter_validation=False)


@dataclass(frozen=True)
class Case:
    """A request, and a part of the message that refuses it; `""` if it is accepted, by moto, too, unless it cannot."""

    operation: str
    parameters: dict[str, Any] = field(compare=False)
    message: str = ""
    without_moto: bool = False


def given(*texts: str) -> dict[str, Any]:
    """Return the values of the placeholders in expressions."""
    import re

    found = {name for text in texts for name in re.findall(r":\w+", text) if name in VALUES}
    values = {name: VALUES[name] for name in sorted(found)}
    return {"ExpressionAttributeValues": values} if values else {}


def put(condition: str, message: str = "") -> Case:
    parameters = {"Item": ITEM, "ConditionExpression": condition, **given(condition)}
    return Case("put_item", parameters, message)


def update(expression: str, message: str = "") -> Case:
    parameters = {"Key": KEY, "UpdateExpression": expression, **given(expression)}
    return Case("update_item", parameters, message)


def query(condition: str, message: str = "", *, filtered: str | None = None, **further: Any) -> Case:
    texts = (condition, filtered or "")
    parameters = {"KeyConditionExpression": condition, **given(*texts), **further}
    if filtered is not None:
        parameters["FilterExpression"] = filtered
    return Case("query", parameters, message)


def project(expression: str, message: str = "") -> Case:
    return Case("get_item", {"Key": KEY, "ProjectionExpression": expression}, message)


def named(names: Mapping[str, str] | None, values: Mapping[str, Any] | None, message: str) -> Case:
    """Return a put with the condition `n = :one AND #n = :one`, and these placeholders."""
    parameters: dict[str, Any] = {"Item": ITEM, "ConditionExpression": "n = :one"}
    if names is not None:
        parameters["ExpressionAttributeNames"] = names
    if values is not None:
        parameters["ExpressionAttributeValues"] = values
    return Case("put_item", parameters, message)


CASES: dict[str, Case] = {
    # Operands and functions of conditions.
    "exists of a value": put(
        "attribute_exists(:a)",
        "Invalid ConditionExpression: Operator or function requires a document path; operator or function: "
        "attribute_exists",
    ),
    "absence of a value": put("attribute_not_exists(:a)", "operator or function: attribute_not_exists"),
    "begins_with a number": put(
        "begins_with(s, :one)",
        "Incorrect operand type for operator or function; operator or function: begins_with, operand type: N",
    ),
    "begins_with of a set": put(
        "begins_with(:set, :a)", "operator or function: begins_with, operand type: SS"
    ),
    "begins_with of a size": put("begins_with(size(s), :a)", "begins_with, operand type: N"),
    "begins_with binary data": put("begins_with(s, :data)"),
    "unknown type": put(
        "attribute_type(n, :X)", "Invalid attribute type name found; type: X, valid types: {"
    ),
    "a type that is no text": put("attribute_type(n, :one)", "attribute_type, operand type: N"),
    "a type in an attribute": put("attribute_type(n, s)", "attribute_type, operand type: {"),
    "a known type": put("attribute_type(n, :NUMBER)"),
    "one argument": put("begins_with(s)", "operator or function: begins_with, number of operands: 1"),
    "two arguments": put("attribute_exists(s, n)", "attribute_exists, number of operands: 2"),
    "unknown function": put("lower(s) = :a", "Invalid function name; function: lower"),
    "function in capitals": put("ATTRIBUTE_EXISTS(s)", "Invalid function name; function: ATTRIBUTE_EXISTS"),
    "function of updates": put(
        "n = if_not_exists(n, :one)",
        "The function is not allowed in a condition expression; function: if_not_exists",
    ),
    "condition as operand": put(
        "attribute_exists(n) = :true",
        "The function is not allowed to be used this way in an expression; function: attribute_exists",
    ),
    "size as condition": put("size(s)", "used this way in an expression; function: size"),
    "condition in a function": put(
        "contains(contains(s, :a), :a)", "this way in an expression; function: contains"
    ),
    "size of a number": put("size(:one) = :one", "operator or function: size, operand type: N"),
    "size of a size": put("size(size(s)) = :one", "operator or function: size, operand type: N"),
    "size of a truth value": put("size(:true) = :one", "operator or function: size, operand type: BOOL"),
    "size of a value": put("size(:a) = :one"),
    "order of a set": put("ss < :set", "operator or function: <, operand type: SS"),
    "order of a list": put("l >= :list", "operator or function: >=, operand type: L"),
    "equality of a set": put("ss = :set"),
    "a path with itself": put(
        "n = n",
        "The first operand must be distinct from the remaining operands for this operator or function; operator: =, "
        "first operand: [n]",
    ),
    "a path in itself": put("contains(m.x, m.x)", "operator: contains, first operand: [m, x]"),
    "a path among its choices": put("n IN (:one, n)", "operator: IN, first operand: [n]"),
    "a path as its bound": put("n BETWEEN n AND :nine", "operator: BETWEEN, first operand: [n]"),
    "a value with itself": put(":one = :one"),
    # BETWEEN and IN.
    "bounds swapped": put(
        "n BETWEEN :nine AND :one",
        "Invalid ConditionExpression: The BETWEEN operator requires upper bound to be greater than or equal to lower "
        "bound; lower bound operand: AttributeValue: {N:9}, upper bound operand: AttributeValue: {N:1}",
    ),
    "bounds of text swapped": put("s BETWEEN :z AND :a", "lower bound operand: AttributeValue: {S:z}"),
    "bounds of two types": put(
        "n BETWEEN :one AND :a",
        "The BETWEEN operator requires same data type for lower and upper bounds; lower bound operand: "
        "AttributeValue: {N:1}, upper bound operand: AttributeValue: {S:a}",
    ),
    "bounds of lists": put("l BETWEEN :list AND :list", "operator or function: BETWEEN, operand type: L"),
    "equal bounds": put("n BETWEEN :one AND :one"),
    "a bound in an attribute": put("n BETWEEN :nine AND s"),
    "100 choices": put(f"n IN ({', '.join([':one'] * 100)})"),
    "101 choices": put(
        f"n IN ({', '.join([':one'] * 101)})",
        "The IN operator is provided with too many operands; number of operands: 101",
    ),
    # Parentheses.
    "redundant parentheses": put(
        "((n = :one))", "Invalid ConditionExpression: The expression has redundant parentheses;"
    ),
    "redundant parentheses inside": put(
        "n = :one AND (s = :a OR ((n = :one)))", "has redundant parentheses;"
    ),
    "redundant parentheses of an operand": put("n = ((:one))", "has redundant parentheses;"),
    "parentheses around each": put("((n = :one) OR (s = :a))"),
    "parentheses around operands": put("(n) = (:one) AND (size(s)) > :one"),
    "parentheses in a function": put("attribute_exists((n))"),
    "parentheses in IN": put("n IN ((:one))"),
    "an open parenthesis": put("(" * 4000, "Syntax error"),
    "NOT NOT": put("NOT NOT n = :one"),
    # Limits and tokens.
    "4096 bytes": put("n = :one".ljust(4096)),
    "4097 bytes": put(
        "n = :one".ljust(4097),
        "Invalid ConditionExpression: Expression size has exceeded the maximum allowed size; expression size: 4097",
    ),
    "299 operators": put(" OR ".join(["n<s"] * 150)),
    "301 operators": put(
        " OR ".join(["n<s"] * 151), "The expression contains too many operators; operator count: 301"
    ),
    "150 conditions within each other": put("n<s " + "OR (n<s " * 149 + ")" * 149),
    "an open function": put("contains(" * 400, "this way in an expression; function: contains"),
    "1000 NOT": put("NOT " * 1000 + "n<s", "too many operators"),
    "32 levels": put("m" + ".x" * 31 + " = :one"),
    "33 levels": put(
        "m" + ".x" * 32 + " = :one", "The document path has too many nesting levels; nesting levels: 33"
    ),
    "a large index": put("l[2147483648] = :one", "List index is not within the allowable range"),
    "the largest index": put("l[2147483647] = :one"),
    "an index with a zero before": put("l[01] = :one", "Syntax error"),
    "an underscore first": put("_n = :one", "Syntax error"),
    "a space of Unicode": put("n\xa0= :one", "Syntax error"),
    "an empty condition": put("", "Invalid ConditionExpression: The expression can not be empty;"),
    "a blank condition": put("  ", "Syntax error"),
    "a reserved word": put("Status = :a", "Attribute name is a reserved keyword; reserved keyword: Status"),
    "into the key": put(
        "pk.x = :a",
        "Key attributes must be scalars; list random access '[]' and map lookup '.' are not allowed: Key: pk",
    ),
    "the key in a condition": put("pk = :p"),
    # Placeholders.
    "an unused name": named(
        {"#n": "n"}, {":one": {"N": "1"}}, "ExpressionAttributeNames unused in expressions"
    ),
    "an unused value": named(
        None, {":one": {"N": "1"}, ":two": {"N": "1"}}, "unused in expressions: keys: {:two}"
    ),
    "an undefined value": named(None, None, "value used in expression is not defined; attribute value: :one"),
    "no names": named({}, {":one": {"N": "1"}}, "ExpressionAttributeNames must not be empty"),
    "no values": named(None, {}, "ExpressionAttributeValues must not be empty"),
    "a name without sign": named(
        {"n": "n"},
        {":one": {"N": "1"}},
        'ExpressionAttributeNames contains invalid key: Syntax error; key: "n"',
    ),
    "a value without sign": named(
        None, {"one": {"N": "1"}}, 'ExpressionAttributeValues contains invalid key: Syntax error; key: "one"'
    ),
    "a long placeholder": named(
        {"#" + "n" * 255: "n"}, {":one": {"N": "1"}}, "contains a key that is too long; size of key: 256"
    ),
    "an empty name": named(
        {"#n": ""}, {":one": {"N": "1"}}, "contains invalid value: Empty attribute name for key #n"
    ),
    "a value of no type": named(
        None,
        {":one": {}},
        "ExpressionAttributeValues contains invalid value: Supplied AttributeValue is empty, must contain exactly one",
    ),
    "a value that is no number": named(
        None, {":one": {"N": "1_000"}}, "cannot be converted to a numeric value"
    ),
    "names without expression": Case(
        "put_item",
        {"Item": ITEM, "ExpressionAttributeNames": {"#n": "n"}},
        "ExpressionAttributeNames can only be specified when using expressions",
    ),
    # Key conditions.
    "a filter on the partition key": query(
        "pk = :p",
        "Filter Expression can only contain non-primary key attributes: Primary key attribute: pk",
        filtered="pk = :p",
    ),
    "a filter on the sort key": query(
        "pk = :p", "Primary key attribute: sk", filtered="NOT attribute_exists(sk)"
    ),
    "a filter on another attribute": query("pk = :p", filtered="n = :one"),
    "a scan by key": Case("scan", {"FilterExpression": "sk = :s", **given(":s")}),
    "bounds of a key swapped": query(
        "pk = :p AND sk BETWEEN :z AND :a",
        "Invalid KeyConditionExpression: The BETWEEN operator requires upper bound to be greater than or equal to",
    ),
    "redundant parentheses of a key": query(
        "((pk = :p))", "Invalid KeyConditionExpression: The expression has redundant parentheses;"
    ),
    "parentheses of a key": query("((pk = :p) AND (sk = :s))"),
    "the value first": replace(query(":p = pk AND :a < sk"), without_moto=True),
    "OR of keys": query("pk = :p OR sk = :s", "Invalid operator used in KeyConditionExpression: OR"),
    "NOT of a key": query("pk = :p AND NOT sk = :s", "Invalid operator used in KeyConditionExpression: NOT"),
    "an unequal key": query("pk = :p AND sk <> :s", "Invalid operator used in KeyConditionExpression: <>"),
    "choices of a key": query(
        "pk = :p AND sk IN (:s)", "Invalid operator used in KeyConditionExpression: IN"
    ),
    "existence of a key": query(
        "pk = :p AND attribute_exists(sk)",
        "Invalid operator used in KeyConditionExpression: attribute_exists",
    ),
    "size of a key": query(
        "pk = :p AND size(sk) > :one", "KeyConditionExpressions cannot contain nested operations"
    ),
    "one key twice": query("pk = :p AND pk = :p", "must only contain one condition per key"),
    "no partition key": query("sk = :s", "Query condition missed key schema element: pk"),
    "another attribute": query("pk = :p AND n = :one", "Query condition missed key schema element: sk"),
    "a range of partitions": query("pk > :p", "Query key condition not supported"),
    "a partition of another type": query("pk = :one", "Condition parameter type does not match schema type"),
    "an empty partition": query("pk = :empty", "cannot contain an empty string value. Key: pk"),
    "into a key": query("pk.x = :p", "Key attributes must be scalars"),
    "an empty key condition": query("", "Invalid KeyConditionExpression: The expression can not be empty;"),
    "no key condition": Case(
        "query", {}, "Either the KeyConditions or KeyConditionExpression parameter must be"
    ),
    "a start in another partition": query(
        "pk = :p",
        "The provided starting key is outside query boundaries based on provided conditions",
        ExclusiveStartKey={"pk": {"S": "q"}, "sk": {"S": "s"}},
    ),
    "a start outside the range": query(
        "pk = :p AND sk < :a",
        "The provided starting key does not match the range key predicate",
        ExclusiveStartKey=KEY,
    ),
    "a start that is no key": query(
        "pk = :p", "The provided starting key is invalid", ExclusiveStartKey={"pk": {"S": "p"}}
    ),
    # Projections and Select.
    "a path twice": project(
        "n, n",
        "Invalid ProjectionExpression: Two document paths overlap with each other; must remove or rewrite one of these "
        "paths; path one: [n], path two: [n]",
    ),
    "a path and its part": project("m, m.x", "path one: [m], path two: [m, x]"),
    "a part and its path": project("l[0].x, l[0]", "path one: [l, [0], x], path two: [l, [0]]"),
    "a map and a list": project(
        "m.x, m[0]", "Two document paths conflict with each other; must remove or rewrite one of these paths"
    ),
    "two parts": project("l[0], l[1], m.x, m.y"),
    "an empty projection": project("", "Invalid ProjectionExpression: The expression can not be empty;"),
    "specific attributes without projection": query(
        "pk = :p",
        "Must specify the AttributesToGet or ProjectionExpression when choosing to get SPECIFIC_ATTRIBUTES",
        Select="SPECIFIC_ATTRIBUTES",
    ),
    "a count with projection": query(
        "pk = :p",
        "Cannot specify the ProjectionExpression when choosing to get only the Count",
        Select="COUNT",
        ProjectionExpression="n",
    ),
    "all attributes with projection": Case(
        "scan",
        {"Select": "ALL_ATTRIBUTES", "ProjectionExpression": "n"},
        "Cannot specify the ProjectionExpression when choosing to get ALL_ATTRIBUTES",
    ),
    "projected attributes without index": Case(
        "scan",
        {"Select": "ALL_PROJECTED_ATTRIBUTES"},
        "ALL_PROJECTED_ATTRIBUTES can be used only when Querying using an IndexName",
    ),
    "an unknown selection": query(
        "pk = :p",
        "Value 'SOME' at 'select' failed to satisfy constraint: Member must satisfy enum value set",
        Select="SOME",
    ),
    "specific attributes": query("pk = :p", Select="SPECIFIC_ATTRIBUTES", ProjectionExpression="n"),
    "a limit of 0": query("pk = :p", "Member must have value greater than or equal to 1", Limit=0),
    # Updates.
    "a path twice in an update": update(
        "SET n = :one, n = :nine", "Two document paths overlap with each other"
    ),
    "a map and a list in an update": update(
        "REMOVE m.x, m[0]", "Two document paths conflict with each other"
    ),
    "a clause twice": update(
        "SET n = :one SET s = :a", 'The "SET" section can only be used once in an update'
    ),
    "an empty update": update("", "Invalid UpdateExpression: The expression can not be empty;"),
    "a blank update": update(" ", "Syntax error"),
    "a key in an update": update(
        "SET sk = :a", "Cannot update attribute sk. This attribute is part of the key"
    ),
    "ADD of text": update(
        "ADD gone :a",
        "Invalid UpdateExpression: Incorrect operand type for operator or function; operator: ADD, operand type: "
        "STRING, typeSet: ALLOWED_FOR_ADD_OPERAND",
    ),
    "DELETE of a number": update("DELETE gone :one", "operator: DELETE, operand type: NUMBER"),
    "a sum with text": update("SET n = n + :a", "operator or function: +, operand type: S"),
    "a list appended to text": update("SET l = list_append(l, :a)", "list_append, operand type: S"),
    "a default for a value": update(
        "SET n = if_not_exists(:one, :one)", "requires a document path; operator or function: if_not_exists"
    ),
    "238 defaults within each other": replace(
        update("SET n = " + "if_not_exists(a," * 238 + ":one" + ")" * 238), without_moto=True
    ),
    "size in an update": update(
        "SET n = size(s)", "The function is not allowed in an update expression; function: size"
    ),
    "unknown function in an update": update("SET n = lower(s)", "Invalid function name; function: lower"),
    "a default in an append": update("SET gone = list_append(if_not_exists(gone, :list), :list)"),
    "301 operators in an update": update(
        "SET " + ",".join(f"a{number}=n+s" for number in range(301)), "too many operators"
    ),
    # Further parameters.
    **{
        f"{operation} returns {wanted}": Case(
            operation,
            {**parameters, "ReturnValues": wanted},
            "Return values set to invalid value",
        )
        for operation, parameters in (("put_item", {"Item": ITEM}), ("delete_item", {"Key": KEY}))
        for wanted in ("ALL_NEW", "UPDATED_OLD", "UPDATED_NEW")
    },
    "unknown return values": Case(
        "update_item",
        {"Key": KEY, "ReturnValues": "SOME"},
        "Value 'SOME' at 'returnValues' failed to satisfy constraint: Member must satisfy enum value set",
    ),
    "unknown return values of a failure": Case(
        "put_item",
        {"Item": ITEM, "ReturnValuesOnConditionCheckFailure": "ALL_NEW"},
        "at 'returnValuesOnConditionCheckFailure' failed to satisfy constraint",
    ),
    "no key": Case(
        "get_item", {}, "Value null at 'key' failed to satisfy constraint: Member must not be null"
    ),
    "no item": Case("put_item", {}, "Value null at 'item' failed to satisfy constraint"),
    "an empty batch of reads": Case(
        "batch_get_item", {"RequestItems": {}}, "at 'requestItems' failed to satisfy"
    ),
    "no keys in a batch": Case(
        "batch_get_item",
        {"RequestItems": {"tab": {"Keys": []}}},
        "Member must have length greater than or equal to 1",
    ),
    "101 keys in a batch": Case(
        "batch_get_item",
        {"RequestItems": {"tab": {"Keys": [{**KEY, "sk": {"S": str(n)}} for n in range(101)]}}},
        "Too many items requested for the BatchGetItem call",
    ),
    "26 writes in a batch": Case(
        "batch_write_item",
        {
            "RequestItems": {
                "tab": [{"PutRequest": {"Item": {**KEY, "sk": {"S": str(n)}}}} for n in range(26)]
            }
        },
        "Too many items requested for the BatchWriteItem call",
    ),
    "a write of nothing": Case(
        "batch_write_item", {"RequestItems": {"tab": [{}]}}, "exactly one of PutRequest"
    ),
    "an empty transaction": Case(
        "transact_write_items", {"TransactItems": []}, "Member must have length greater than or equal to 1"
    ),
    "a check of nothing": Case(
        "transact_write_items",
        {"TransactItems": [{"ConditionCheck": {"TableName": "tab", "Key": KEY}}]},
        "Value null at 'conditionExpression'",
    ),
    "an unused value beside a failed condition": Case(
        "transact_write_items",
        {
            "TransactItems": [
                {
                    "Put": {
                        "TableName": "tab",
                        "Item": ITEM,
                        "ConditionExpression": "n = :nine",
                        **given(":nine :one"),
                    }
                }
            ]
        },
        "unused in expressions: keys: {:one}",
    ),
    "a long token": Case(
        "transact_write_items",
        {"TransactItems": [{"Put": {"TableName": "tab", "Item": ITEM}}], "ClientRequestToken": "t" * 37},
        "at 'clientRequestToken' failed to satisfy constraint",
    ),
    "an empty key": Case(
        "put_item",
        {"Item": {**KEY, "sk": {"S": ""}}},
        "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty "
        "string value. Key: sk",
    ),
    "39 digits": Case("put_item", {"Item": {**KEY, "x": {"N": "1" * 39}}}, "more than 38 significant digits"),
    "a number too large": Case("put_item", {"Item": {**KEY, "x": {"N": "1E126"}}}, "Number overflow"),
    "a set with an element twice": Case(
        "put_item", {"Item": {**KEY, "x": {"NS": ["1", "1.0"]}}}, "contains duplicates"
    ),
    "an empty set of data": Case(
        "put_item", {"Item": {**KEY, "x": {"BS": []}}}, "Binary sets should not be empty"
    ),
}


@pytest.fixture(scope="module")
def clients(dynamo_server: LocalDynamo) -> Iterator[tuple[Any, Any]]:
    """The client of the local DynamoDB and that of moto, each with a table `tab`."""
    dynamo_server.reset()
    ours = boto3.client("dynamodb", endpoint_url=dynamo_server.url, config=CONFIG, **OPTIONS)
    with mock_aws():
        motos = boto3.client(
            "dynamodb", endpoint_url="https://dynamodb.us-east-1.amazonaws.com", config=CONFIG, **OPTIONS
        )
        for client in (ours, motos):
            client.create_table(
                TableName="tab",
                KeySchema=[
                    {"AttributeName": "pk", "KeyType": "HASH"},
                    {"AttributeName": "sk", "KeyType": "RANGE"},
                ],
                AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in KEY],
                BillingMode="PAY_PER_REQUEST",
            )
        yield ours, motos
    ours.delete_table(TableName="tab")


def refusal(client: Any, case: Case) -> tuple[str, str]:
    """Return the code and the message of a refusal; empty texts if the request is carried out."""
    client.put_item(TableName="tab", Item=ITEM)
    has_table = not {"RequestItems", "TransactItems"} & case.parameters.keys()
    try:
        getattr(client, case.operation)(**({"TableName": "tab"} if has_table else {}), **case.parameters)
    except ClientError as error:
        found = error.response["Error"]
        return found["Code"], found["Message"]
    except (
        KeyError,
        TypeError,
        AttributeError,
        ValueError,
        AssertionError,
        IndexError,
        RecursionError,
    ) as crash:  # moto's own
        return type(crash).__name__, str(crash)
    return "", ""


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_dynamodb_refuses_the_same_requests(clients: tuple[Any, Any], case: Case) -> None:
    ours, motos = clients
    code, message = refusal(ours, case)
    if case.message:
        assert code == "ValidationException", message
        assert case.message in message
    else:
        assert code in ("", "ConditionalCheckFailedException"), message
        assert refusal(motos, case)[0] != "ValidationException" or case.without_moto


def test_the_size_of_text_counts_units_of_utf16(clients: tuple[Any, Any]) -> None:
    ours, _ = clients
    texts = {"text": 4, "é": 1, "😀": 2, "": 0}
    for text in texts:
        ours.put_item(TableName="tab", Item={"pk": {"S": "sizes"}, "sk": {"S": f"-{text}"}, "u": {"S": text}})
    for text, size in texts.items():
        found = ours.query(
            TableName="tab",
            KeyConditionExpression="pk = :pk",
            FilterExpression="u = :u AND size(u) = :size",
            ExpressionAttributeValues={
                ":pk": {"S": "sizes"},
                ":u": {"S": text},
                ":size": {"N": str(size)},
            },
        )
        assert found["Count"] == 1, text
