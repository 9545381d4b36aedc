"""Signature, HTTP, values, and the reactions to errors, each by itself."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, NamedTuple

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotoCredentials
from hypothesis import given, settings
from hypothesis import strategies as st

from blocks_runtime import Once
from blocks_runtime.atomic_table.durations import seconds
from blocks_runtime.atomic_table.failures import Next, classify
from blocks_runtime.atomic_table.http_messages import NotHttp, ResponseReader, post
from blocks_runtime.atomic_table.location import endpoint_of, locate
from blocks_runtime.atomic_table.signature import signed_headers
from blocks_runtime.atomic_table.typed import typed
from blocks_runtime.atomic_table.values import decode, encode, exact_sum, size
from blocks_runtime.contract import TableVariables
from blocks_runtime.errors import (
    AccessDenied,
    ConfigurationError,
    ConnectionFailed,
    DatabaseError,
    QueryFailed,
    RaceCondition,
    SerializationFailure,
    ServerUnavailable,
    TableLimitExceeded,
    Throttled,
)
from blocks_runtime.signing import Credentials

SIGNED = {
    "long-term key": ("dynamodb.us-east-1.amazonaws.com", "us-east-1", b'{"a":1}', None),
    "session token": ("dynamodb.eu-central-1.amazonaws.com", "eu-central-1", b"{}", "a/b+c=="),
    "local endpoint": ("127.0.0.1:8000", "us-west-2", "é".encode(), "t"),
}


@pytest.mark.parametrize(("host", "region", "body", "token"), SIGNED.values(), ids=SIGNED)
def test_signatures_equal_botocores(
    host: str, region: str, body: bytes, token: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    import datetime

    at = datetime.datetime(2026, 11, 29, 12, 0, 0, tzinfo=datetime.UTC)
    target = "DynamoDB_20120810.GetItem"
    request = AWSRequest("POST", f"http://{host}/", data=body)
    request.headers["Content-Type"] = "application/x-amz-json-1.0"
    request.headers["X-Amz-Target"] = target
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda: at)
    SigV4Auth(BotoCredentials("AKID", "secret", token), "dynamodb", region).add_auth(request)
    own = signed_headers(host, region, target, body, Credentials("AKID", "secret", token), at=at.timestamp())
    assert own["authorization"] == request.headers["Authorization"]
    assert own["x-amz-date"] == request.headers["X-Amz-Date"]


def read(*parts: bytes) -> ResponseReader:
    reader = ResponseReader()
    done = [reader.feed(part) for part in parts]
    assert done[-1]
    assert not any(done[:-1])
    return reader


def test_a_response_in_any_parts() -> None:
    whole = b'HTTP/1.1 400 Bad Request\r\nContent-Length: 9\r\nX-A: b\r\n\r\n{"a": "b"}'[:-1]
    for cut in range(1, len(whole)):
        reader = read(whole[:cut], whole[cut:])
        assert (reader.status, reader.body, reader.headers["x-a"]) == (400, b'{"a": "b"', "b")
        assert reader.keeps_connection


def test_chunks_and_continue() -> None:
    reader = read(
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n",
        b"3;x=y\r\nabc\r\n",
        b"0\r\n\r\n",
    )
    assert (reader.body, reader.keeps_connection) == (b"abc", False)


@pytest.mark.parametrize("data", [b"SSH-2.0\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 70_000])
def test_what_is_no_response(data: bytes) -> None:
    with pytest.raises(NotHttp):
        ResponseReader().feed(data)


def test_a_request() -> None:
    assert post("/", {"host": "h"}, b"{}") == b"POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 2\r\n\r\n{}"


numbers = st.one_of(
    st.integers(-(10**38) + 1, 10**38 - 1),
    st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**9), max_value=10**9, places=8),
)
values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.text(), st.binary(), numbers),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.text(min_size=1), inner, max_size=4)
    ),
    max_leaves=20,
)


@settings(deadline=None)
@given(values)
def test_values_survive_json(value: object) -> None:
    attribute = encode(value)
    assert decode(json.loads(json.dumps(attribute))) == value
    assert size(attribute) >= 0


SIZES: dict[str, tuple[Any, int]] = {
    "text": ("é", 2),
    "number": (1234, 3),
    "negative": (-1234, 4),
    "fraction": (Decimal("1.5"), 2),
    "zeros count not": (Decimal(10) ** 20, 2),
    "bytes": (b"abcd", 4),
    "truth": (True, 1),
    "nothing": (None, 1),
    "list": (["a", "b"], 3 + 2 * 2),
    "map": ({"ab": "c"}, 3 + 1 + 2 + 1),
    "set": ({"ab", "c"}, 3),
}


@pytest.mark.parametrize(("value", "bytes_"), SIZES.values(), ids=SIZES)
def test_sizes(value: object, bytes_: int) -> None:
    assert size(encode(value)) == bytes_


def reasons(*codes: str) -> dict[str, Any]:
    return {
        "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
        "Message": f"Transaction cancelled, please refer cancellation reasons [{', '.join(codes)}]",
        "CancellationReasons": [{"Code": code} for code in codes],
    }


def error(code: str, message: str = "said") -> dict[str, Any]:
    return {"__type": f"com.amazonaws.dynamodb.v20120810#{code}", "message": message}


CASES: dict[str, tuple[int, dict[str, Any], type[DatabaseError], Next]] = {
    "condition of a transaction": (
        400,
        reasons("None", "ConditionalCheckFailed"),
        RaceCondition,
        Next.CONFLICT,
    ),
    "conflict of transactions": (400, reasons("TransactionConflict"), SerializationFailure, Next.REPEAT),
    "throttled transaction": (400, reasons("ThrottlingError", "None"), Throttled, Next.REPEAT),
    "throttled by provision": (400, reasons("ProvisionedThroughputExceeded"), Throttled, Next.REPEAT),
    "condition and conflict": (
        400,
        reasons("TransactionConflict", "ConditionalCheckFailed"),
        RaceCondition,
        Next.CONFLICT,
    ),
    "validation and condition": (
        400,
        reasons("ConditionalCheckFailed", "ValidationError"),
        QueryFailed,
        Next.GIVE_UP,
    ),
    "collection too large": (
        400,
        reasons("ItemCollectionSizeLimitExceeded", "TransactionConflict"),
        TableLimitExceeded,
        Next.GIVE_UP,
    ),
    "unknown reason": (400, reasons("DuplicateItem"), QueryFailed, Next.GIVE_UP),
    "condition": (400, error("ConditionalCheckFailedException"), RaceCondition, Next.CONFLICT),
    "in progress": (400, error("TransactionInProgressException"), SerializationFailure, Next.REPEAT),
    "conflict": (400, error("TransactionConflictException"), SerializationFailure, Next.REPEAT),
    "throttled": (400, error("ThrottlingException"), Throttled, Next.REPEAT),
    "provision": (400, error("ProvisionedThroughputExceededException"), Throttled, Next.REPEAT),
    "no table": (400, error("ResourceNotFoundException"), QueryFailed, Next.GIVE_UP),
    "no permission": (400, error("AccessDeniedException"), AccessDenied, Next.GIVE_UP),
    "expired token": (400, error("ExpiredTokenException"), AccessDenied, Next.GIVE_UP),
    "too large": (
        400,
        error("ValidationException", "Item size has exceeded …"),
        TableLimitExceeded,
        Next.GIVE_UP,
    ),
    "validation": (400, error("ValidationException"), QueryFailed, Next.GIVE_UP),
    "another token": (400, error("IdempotentParameterMismatchException"), QueryFailed, Next.GIVE_UP),
    "failure": (500, error("InternalServerError"), ConnectionFailed, Next.FIND_OUT),
    "unavailable": (503, {}, ServerUnavailable, Next.FIND_OUT),
    "too many requests": (429, {}, ServerUnavailable, Next.REPEAT),
    "proxy": (502, {}, ConnectionFailed, Next.FIND_OUT),
}


@pytest.mark.parametrize(("status", "answer", "kind", "reaction"), CASES.values(), ids=CASES)
def test_reasons_are_told_apart(
    status: int, answer: dict[str, Any], kind: type[DatabaseError], reaction: Next
) -> None:
    failure = classify(status, answer)
    assert (type(failure.error), failure.next) == (kind, reaction)


def test_reasons_in_the_message_alone() -> None:
    answer = reasons("None", "ConditionalCheckFailed")
    del answer["CancellationReasons"]
    assert classify(400, answer).next is Next.CONFLICT


ENDPOINTS: dict[str, tuple[str, dict[str, str], tuple[str, int, bool]]] = {
    "Region": ("us-east-1", {}, ("dynamodb.us-east-1.amazonaws.com", 443, True)),
    "China": ("cn-north-1", {}, ("dynamodb.cn-north-1.amazonaws.com.cn", 443, True)),
    "of the service": (
        "us-east-1",
        {"AWS_ENDPOINT_URL_DYNAMODB": "http://127.0.0.1:8000", "AWS_ENDPOINT_URL": "http://x"},
        ("127.0.0.1", 8000, False),
    ),
    "of all services": ("us-east-1", {"AWS_ENDPOINT_URL": "https://x.test/"}, ("x.test", 443, True)),
    "ignored": (
        "us-east-1",
        {"AWS_ENDPOINT_URL": "http://x", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"},
        ("dynamodb.us-east-1.amazonaws.com", 443, True),
    ),
}


@pytest.mark.parametrize(("region", "environ", "expected"), ENDPOINTS.values(), ids=ENDPOINTS)
def test_endpoints(region: str, environ: dict[str, str], expected: tuple[str, int, bool]) -> None:
    endpoint = endpoint_of(region, environ)
    assert (endpoint.host, endpoint.port, endpoint.tls) == expected


@pytest.mark.parametrize("url", ["127.0.0.1:8000", "ftp://x", "http://x:port", "http://"])
def test_an_endpoint_that_is_no_url(url: str) -> None:
    with pytest.raises(ConfigurationError, match="AWS_ENDPOINT_URL_DYNAMODB"):
        endpoint_of("us-east-1", {"AWS_ENDPOINT_URL_DYNAMODB": url})


LAMBDA = {"AWS_LAMBDA_FUNCTION_NAME": "fn"}


@pytest.mark.parametrize(
    ("environ", "missing"),
    [(LAMBDA, "BLOCKS_MY_LOCKS_TABLE"), ({"BLOCKS_MY_LOCKS_TABLE": "t"}, "BLOCKS_MY_LOCKS_REGION")],
)
def test_a_missing_variable_names_the_grant(environ: dict[str, str], missing: str, tmp_path: Any) -> None:
    with pytest.raises(ConfigurationError, match=rf"{missing} is not set.*grant_read_write"):
        locate("my-locks", environ, tmp_path)


def test_variables_name_table_and_region(tmp_path: Any) -> None:
    environ = TableVariables("Stack-Table1", "eu-west-1").environment("my-locks") | LAMBDA
    location = locate("my-locks", environ, tmp_path)
    assert (location.table, location.endpoint.region) == ("Stack-Table1", "eu-west-1")


@dataclass
class Line:
    price: Decimal
    note: str | None = None


class Place(NamedTuple):
    x: int
    y: Decimal


@dataclass
class Order:
    price: Decimal | None
    lines: list[Line] = field(default_factory=list)
    first: Line | None = None
    by_name: dict[str, Line] = field(default_factory=dict)
    place: Place | None = None
    pair: tuple[int, Decimal] | None = None
    several: tuple[Decimal, ...] = ()
    marks: frozenset[Decimal] | None = None


def test_classes_inside_classes_are_read_as_they_were_written() -> None:
    line = Line(Decimal(2), "gift")
    order = Order(
        Decimal(3), [line, Line(Decimal("0.5"))], line, {"a": line}, Place(1, Decimal(2)), (1, Decimal(2))
    )
    order.several, order.marks = (Decimal(1), Decimal("1.5")), frozenset({Decimal(7)})
    found = typed(decode(encode(order)), Order)
    assert found == order
    assert [type(each) for each in (found.price, found.first.price, found.place.y, found.pair[1])] == [
        Decimal
    ] * 4
    assert {type(each) for each in (*found.several, *found.marks)} == {Decimal}
    assert typed(decode(encode(Order(None))), Order) == Order(None)
    assert typed([{"price": 1}], list[Line]) == [Line(Decimal(1))]


@pytest.mark.parametrize("value", [True, None, "abc", [1], {"a": 1}])
def test_a_value_that_is_no_number_does_not_become_a_decimal(value: object) -> None:
    """Neither `True` becomes 1, nor does Decimal's own error escape."""
    assert typed({"price": value}, Line).price == value
    assert type(typed({"price": value}, Line).price) is type(value)
    with pytest.raises(TypeError, match="does not fit Decimal"):
        typed(value, Decimal)


@pytest.mark.parametrize(("data", "said"), [({"zzz": 1}, "keep removed ones"), ("text", "is of type str")])
def test_data_that_does_not_fit_its_class(data: object, said: str) -> None:
    with pytest.raises(TypeError, match=said):
        typed(data, Line)


def test_sums_are_exact() -> None:
    largest, smallest = Decimal("9" * 38 + "E87"), Decimal("1E-130")
    assert exact_sum([Decimal("12345678901234567890123456789012345.5"), 1]) == Decimal(
        "12345678901234567890123456789012346.5"
    )
    total = exact_sum([largest, smallest, largest.copy_negate()])
    assert total == smallest


@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf"), 1e300])
def test_durations(value: float) -> None:
    with pytest.raises(ValueError, match="positive number of at most"):
        seconds("visibility", value)
    with pytest.raises(ValueError, match="lifetime is"):
        Once("id", lifetime=value)  # type: ignore[arg-type]


def test_half_a_surrogate_pair_in_a_name_is_named() -> None:
    with pytest.raises(ValueError, match="a key of data is not Unicode text"):
        encode({"\ud800": 1})


def test_a_password_in_the_endpoint_is_neither_told_nor_sent() -> None:
    with pytest.raises(ConfigurationError) as caught:
        endpoint_of("us-east-1", {"AWS_ENDPOINT_URL": "ftp://ann:secret@127.0.0.1:1"})
    assert "secret" not in str(caught.value)
    assert (
        endpoint_of("us-east-1", {"AWS_ENDPOINT_URL": "http://ann:secret@127.0.0.1:1"}).header
        == "127.0.0.1:1"
    )
