"""Rows as JSON: every type that psycopg returns, and the results that Lambda's serializer takes."""

from __future__ import annotations

import dataclasses
import datetime as dt
import decimal
import enum
import ipaddress
import json
import uuid
from typing import TYPE_CHECKING, NamedTuple

import pytest

from blocks_runtime import json_default, jsonable, sql, to_json

if TYPE_CHECKING:
    from blocks_runtime import DistributedDatabase


class Colour(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


class Pair(NamedTuple):
    a: int
    b: uuid.UUID


@dataclasses.dataclass
class Order:
    id: uuid.UUID
    paid: decimal.Decimal


ID = uuid.UUID("0b7f64ee-1b1c-4a37-9f56-0d6c3d0a9a11")
FORMS: dict[str, tuple[object, object]] = {
    "uuid": (ID, str(ID)),
    "decimal": (decimal.Decimal("12.50"), "12.50"),
    "decimal that is no number": (decimal.Decimal("NaN"), "NaN"),
    "timestamptz": (dt.datetime(2026, 9, 17, 10, 15, tzinfo=dt.UTC), "2026-09-17T10:15:00+00:00"),
    "timestamp": (dt.datetime(2026, 9, 17, 10, 15, 0, 5), "2026-09-17T10:15:00.000005"),
    "date": (dt.date(2026, 9, 17), "2026-09-17"),
    "time": (dt.time(10, 15), "10:15:00"),
    "interval": (dt.timedelta(days=1, hours=2, minutes=30, milliseconds=500), "P1DT2H30M0.5S"),
    "negative interval": (-dt.timedelta(hours=1), "-P0DT1H0M0S"),
    "bytea": (b"\x00\xff", "AP8="),
    "memoryview": (memoryview(b"\x00\xff"), "AP8="),
    "enum": (Colour.RED, "red"),
    "enum of int": (Level.HIGH, 3),
    "inet": (ipaddress.ip_address("10.0.0.1"), "10.0.0.1"),
    "cidr": (ipaddress.ip_network("10.0.0.0/8"), "10.0.0.0/8"),
    "inet with a netmask": (ipaddress.ip_interface("10.0.0.1/8"), "10.0.0.1/8"),
    "infinity": (float("-inf"), "-Infinity"),
    "no number": (float("nan"), "NaN"),
    "dataclass": (Order(ID, decimal.Decimal(3)), {"id": str(ID), "paid": "3"}),
    "named tuple": (Pair(1, ID), [1, str(ID)]),
    "set": ({ID}, [str(ID)]),
    "array": ([dt.date(2026, 9, 17), None], ["2026-09-17", None]),
    "json": ({"a": [1, 2.5, True, None, "ß"]}, {"a": [1, 2.5, True, None, "ß"]}),
    "keys": ({ID: 1, 2: 3, None: 4, True: 5}, {str(ID): 1, "2": 3, "null": 4, "true": 5}),
}


@pytest.mark.parametrize(("value", "form"), FORMS.values(), ids=FORMS)
def test_forms(value: object, form: object) -> None:
    assert jsonable(value) == form
    assert json.loads(to_json({"it": value})) == {"it": form}


@pytest.mark.parametrize("name", [name for name in FORMS if name not in ("infinity", "no number", "keys")])
def test_json_default_gives_the_same_forms(name: str) -> None:
    value, form = FORMS[name]
    assert json.loads(json.dumps(value, default=json_default)) == form


def test_a_value_without_a_form_is_named() -> None:
    with pytest.raises(TypeError, match="a value of type object has no JSON form; convert it, or select it"):
        to_json([object()])
    with pytest.raises(TypeError, match="a key of type tuple has no JSON form"):
        to_json({(1, 2): 3})


def test_text_is_utf8_and_may_be_indented() -> None:
    assert to_json({"a": "grüße"}) == '{"a": "grüße"}'
    assert to_json([1], indent=1) == "[\n 1\n]"


ROW = sql(
    "SELECT '0b7f64ee-1b1c-4a37-9f56-0d6c3d0a9a11'::uuid AS id, 12.50::numeric AS price, "
    "timestamptz '2026-09-17 10:15:00+00' AS made, date '2026-09-17' AS day, time '10:15' AS at, "
    "interval '1 day 2 hours' AS lasts, '\\x00ff'::bytea AS raw, ARRAY[1, 2] AS list, NULL::text AS nothing"
)


def test_a_row_of_the_database_passes_lambdas_serializer(db: DistributedDatabase) -> None:
    """Lambda serializes the result itself: it knows Decimal, and nothing else of psycopg."""
    marshaller = pytest.importorskip("awslambdaric.lambda_runtime_marshaller").LambdaMarshaller()
    rows = db.query(ROW)
    with pytest.raises(Exception, match="UUID is not JSON serializable"):
        marshaller.marshal_response(rows)
    answer, kind = marshaller.marshal_response(jsonable(rows))
    assert kind == "application/json"
    assert json.loads(answer) == json.loads(to_json(rows))
    assert json.loads(answer) == [
        {
            "id": "0b7f64ee-1b1c-4a37-9f56-0d6c3d0a9a11",
            "price": "12.50",
            "made": "2026-09-17T10:15:00+00:00",
            "day": "2026-09-17",
            "at": "10:15:00",
            "lasts": "P1DT2H0M0S",
            "raw": "AP8=",
            "list": [1, 2],
            "nothing": None,
        }
    ]
