"""CSV records: compared with what PostgreSQL's COPY reads from the same bytes."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blocks_cli.bulk.csv_format import COMMA, CsvDialect, records, values, written
from blocks_cli.bulk.records import LONGEST

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local_dsql import LocalCluster


def cut(data: bytes, columns: int = 2) -> list[bytes]:
    """Return the records of a file."""
    return [each.raw for each in records(io.BytesIO(data), 0, 1, many_columns=columns > 1)]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"a,b\nc,d\n", [b"a,b", b"c,d"]),
        (b"a,b\nc,d", [b"a,b", b"c,d"]),
        (b"a,b\r\nc,d\r\n", [b"a,b", b"c,d"]),
        (b'"a\nb",c\nd,e\n', [b'"a\nb",c', b"d,e"]),
        (b'"a\r\nb",c\r\nd,e', [b'"a\r\nb",c', b"d,e"]),
        (b'"a""\n""b",c\nd,e', [b'"a""\n""b",c', b"d,e"]),
        (b"a,b\n\n\nc,d\n\n", [b"a,b", b"c,d"]),
        (b"", []),
    ],
)
def test_records_end_where_a_line_ends_outside_of_quotes(data: bytes, expected: list[bytes]) -> None:
    assert cut(data) == expected


def test_an_empty_line_is_a_row_of_a_table_with_one_column() -> None:
    assert cut(b"a\n\nb\n", columns=1) == [b"a", b"", b"b"]


def test_records_know_their_place() -> None:
    data = b'a,"1\n2"\nb,3\n\nc,4'
    found = list(records(io.BytesIO(data), 0, 7))
    assert [(each.line, each.after, data[: each.end].count(b"\n")) for each in found] == [
        (7, 9, 2),
        (9, 10, 3),
        (11, 11, 4),
    ]


def test_an_open_quote_is_one_faulty_record() -> None:
    *_, last = records(io.BytesIO(b'a,b\nc,"d\ne,f\ng,h\n'), 0, 1)
    assert last.fault == "the quote that begins in line 2 is not closed"
    assert last.end == 17


@pytest.mark.parametrize("quote", ["", '"'])
def test_a_record_longer_than_a_transaction_is_faulty_and_the_next_one_is_read(quote: str) -> None:
    long = "x" * (2 * LONGEST)
    found = list(records(io.BytesIO(f"1,{quote}{long}{quote}\n2,y\n".encode()), 0, 1))
    assert [bool(each.fault) for each in found] == [True, False]
    assert found[1].raw == b"2,y"
    assert len(found[0].raw) < 10_000


@pytest.fixture(scope="module")
def oracle(dsql_cluster: LocalCluster) -> Iterator[psycopg.Connection]:
    dsql_cluster.start().reset()
    with psycopg.connect(dsql_cluster.dsn(), autocommit=True) as connection:
        connection.execute("CREATE TABLE texts (a text, b text, c text)")
        yield connection


def copied(oracle: psycopg.Connection, raw: bytes, dialect: CsvDialect) -> list[str | None] | None:
    """Return the values that COPY reads from a record; None if it refuses it."""
    oracle.execute("DELETE FROM texts")
    try:
        with oracle.cursor().copy(f"COPY texts FROM STDIN {dialect.options}") as copy:
            copy.write(raw + b"\n")
    except psycopg.Error:
        return None
    (row,) = oracle.execute("SELECT a, b, c FROM texts").fetchall()
    return list(row)


DIALECTS = [COMMA, CsvDialect(";", "NULL"), CsvDialect("\t", "\\N")]


@pytest.mark.parametrize("dialect", DIALECTS, ids=repr)
@pytest.mark.parametrize(
    "record",
    [
        "a,b,c",
        ',"",',
        '"a,b","c""d","e\nf"',
        'x"y,z"w,"q"q,""""',
        'NULL,"NULL",\\N',
        " a , b ,\t",
        '"",,""',
        "1;2;3",
    ],
)
def test_values_are_those_of_copy(oracle: psycopg.Connection, record: str, dialect: CsvDialect) -> None:
    text = record.replace(",", dialect.delimiter)
    expected = copied(oracle, text.encode(), dialect)
    found = values(text.encode(), dialect)
    assert (found if len(found) == 3 else None) == expected


@settings(max_examples=60, deadline=None)
@given(
    row=st.lists(
        st.none() | st.text(st.characters(codec="utf-8", exclude_characters="\0")), min_size=3, max_size=3
    )
)
def test_what_dump_writes_is_what_copy_reads(oracle: psycopg.Connection, row: list[str | None]) -> None:
    text = written(row, COMMA).removesuffix("\n").encode()
    assert values(text, COMMA) == row
    if not any(value is not None and "\\." in value for value in row):
        assert copied(oracle, text, COMMA) == row
