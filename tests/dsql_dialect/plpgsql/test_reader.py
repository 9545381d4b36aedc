"""The reader of PL/pgSQL bodies finds all SQL in them, at its place, and accepts what PostgreSQL accepts."""

from __future__ import annotations

import random
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

from dsql_dialect.plpgsql import PlpgsqlSyntaxError, read
from dsql_dialect.plpgsql.guards import bare, guarded, quoted
from dsql_dialect.plpgsql.literals import Origin
from dsql_dialect.position import Source
from tests.dsql_dialect.plpgsql import generated_bodies

if TYPE_CHECKING:
    from typing import Any

CASES = tomllib.loads((Path(__file__).parent / "bodies.toml").read_text(encoding="utf-8"))


def place(text: str, byte: int) -> str:
    position = Source(text).position(byte)
    return f"{position.line}:{position.column}"


@pytest.mark.parametrize("case", CASES["body"], ids=lambda case: case["name"])
def test_finds_all_sql(case: dict[str, Any]) -> None:
    text = case["text"]
    reading = read(text.encode())
    found = [
        f"{place(text, each.start)} {each.kind.name.lower()} {each.by}: {' '.join(each.text.decode().split())}"
        for each in reading.fragments
    ]
    assert found == case["fragments"]
    assert [place(text, at) for at in reading.handlers] == case.get("handlers", [])


@pytest.mark.parametrize("case", CASES["body"], ids=lambda case: case["name"])
def test_fragments_are_as_long_as_their_source(case: dict[str, Any]) -> None:
    assert all(len(each.text) == each.end - each.start for each in read(case["text"].encode()).fragments)


@pytest.mark.parametrize("case", CASES["refused"], ids=lambda case: case["name"])
def test_refuses_what_is_no_body(case: dict[str, Any]) -> None:
    with pytest.raises(PlpgsqlSyntaxError) as refused:
        read(case["text"].encode())
    assert (refused.value.message, place(case["text"], refused.value.at)) == (case["message"], case["at"])


def test_deep_blocks_are_refused_without_a_crash() -> None:
    read(b"BEGIN " * 50 + b"END; " * 49 + b"END")
    with pytest.raises(PlpgsqlSyntaxError, match="nested too deep"):
        read(b"BEGIN " * 5000 + b"END; " * 4999 + b"END")


LITERALS = {
    "dollar": ("$x$aé'b$x$", "aé'b"),
    "plain": ("'aé''b'", "aé'b"),
    "escapes": (r"E'a\né\'\x41\101\u00e9\U0001F600\\b'", "a\né'AAé\U0001f600\\b"),
    "surrogates": (r"E'\ud83d\ude00b'", "\U0001f600b"),
    "unicode": (r"U&'\00e9\+01F600\\b'", "é\U0001f600\\b"),
    "continued": ("'ab'\n  'cd'", "abcd"),
    "continued with escapes": ("E'a\\n'  -- note\n'''d'", "a\n'd"),
}


@pytest.mark.parametrize("name", LITERALS)
def test_bytes_of_a_string_are_placed_in_its_literal(name: str) -> None:
    literal, value = LITERALS[name]
    before = "AS é "
    origin = Origin(literal.encode(), len(before.encode()), value.encode())
    text, last = before + literal, value[-1]
    at = text.encode()[origin.at(len(value.encode()) - 1) :].decode()
    assert at.startswith(last)
    assert text.encode()[origin.at(0) :].decode()[0] in (value[0], "\\")
    assert text.encode()[origin.at(len(value.encode())) :].decode() == ("$x$" if name == "dollar" else "'")


def test_a_string_that_cannot_be_followed_has_one_place() -> None:
    assert Origin(rb"U&'!0041'", 7, b"A").at(1) == 7


def accepts(postgresql: psycopg.Connection, body: bytes) -> bool:
    try:
        postgresql.execute(b"CREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE plpgsql AS " + quoted(body))
    except psycopg.Error:
        return False
    return True


@pytest.mark.parametrize("seed", range(4))
def test_accepts_what_postgresql_accepts(postgresql: psycopg.Connection, seed: int) -> None:
    """So does PostgreSQL with the guards in a body, which come out of it again to the byte."""
    chosen = random.Random(seed)
    accepted = changed = 0
    for _ in range(60):
        text = generated_bodies.body(chosen)
        for number, each in enumerate((text, *(generated_bodies.changed(chosen, text) for _ in range(3)))):
            body = each.encode()
            if accepts(postgresql, body):
                reading = read(body)
                with_guards = guarded(body, reading)
                assert accepts(postgresql, with_guards), with_guards
                assert bare(with_guards) == body
                accepted += not number
                changed += bool(number)
    assert accepted == 60
    assert changed


@pytest.mark.parametrize("case", CASES["refused"], ids=lambda case: case["name"])
def test_postgresql_refuses_what_the_reader_refuses(
    postgresql: psycopg.Connection, case: dict[str, Any]
) -> None:
    assert not accepts(postgresql, case["text"].encode())
