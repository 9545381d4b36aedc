"""Reading a text takes time in proportion to its length."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsql_dialect import libpg_query, parse, profile
from dsql_dialect.comments import line_comments, skip_trivia, with_flat_comments
from dsql_dialect.libpg_query import SqlSyntaxError
from dsql_dialect.migrations import MigrationErrors, check_files, checks, compile_folder
from dsql_dialect.migrations.directives import down_sections, read_directives
from dsql_dialect.migrations.files import SqlFile
from dsql_dialect.position import Source

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TEXTS: dict[str, Callable[[int], str]] = {
    "nested comments": lambda n: "/*" * n + "*/" * n + "SELECT 1",
    "comments that do not end": lambda n: "/*" * n,
    "spaced comments that do not end": lambda n: "/* " * n,
    "comments of stars": lambda n: "SELECT 1 " + "/***" * n + "***/" * n,
    "a comment of stars": lambda n: "/*" + "*" * n + "/ SELECT 1",
    "comments in a row": lambda n: "/*/**/*/" * n + " SELECT 1",
    "statements that are no SQL": lambda n: "SELEC 'ü';" * n,
    "columns with a refused type": lambda n: f"CREATE TABLE a ({','.join(f'ü{i} inet' for i in range(n))})",
    "columns with a refused clause": lambda n: (
        "CREATE TABLE a (" + ",".join(['v text COLLATE "x"'] * n) + ")"
    ),
    "keys of a refused type": lambda n: (
        f"CREATE TABLE a ({','.join(f'c{i} bytea UNIQUE' for i in range(n))})"
    ),
    "refused commands": lambda n: "ALTER TABLE a " + ",".join(["DROP COLUMN v"] * n),
    "asynchronous indexes": lambda n: "CREATE INDEX ASYNC i ON a (v DESC);" * n,
    "commented statements": lambda n: "SELECT 1 /* a */;" * n,
    "functions": lambda n: "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS $$ SELECT 1 $$;" * n,
    "directives": lambda n: "-- blocks: batch\n" * n + "DELETE FROM a",
    "sections that undo": lambda n: "-- up\nCREATE TABLE a (b int);\n-- down\nDROP TABLE a;\n" * (n // 4),
    "quotes that do not end": lambda n: "".join(f"$a{i}$" for i in range(n)),
}
SMALL, LARGE = 500, 4_000
RATIO = 4 * LARGE / SMALL
"""Linear work grows by 8, quadratic work by 64; what lies between is noise."""


def seconds(text: str) -> float:
    """Return the least CPU time, of three, to parse a text and to read its comments."""
    taken = []
    for _ in range(3):
        began = time.process_time()
        read_comments_of(text)
        taken.append(time.process_time() - began)
    return min(taken)


def read_comments_of(text: str) -> None:
    script = parse(text + " " * 40_000, profile())  # too long to be kept
    list(read_directives(text, script))
    list(down_sections(text, script))


@pytest.mark.slow
@pytest.mark.parametrize("make", TEXTS.values(), ids=TEXTS)
def test_eight_times_the_text_takes_no_sixty_four_times_the_time(make: Callable[[int], str]) -> None:
    assert seconds(make(LARGE)) < RATIO * max(seconds(make(SMALL)), 0.002)


def bytes_scanned(text: str, monkeypatch: pytest.MonkeyPatch) -> int:
    """Return how many bytes PostgreSQL's scanner and parser are given in order to parse a text."""
    given_bytes: list[int] = []
    with monkeypatch.context() as patched:
        for name in ("scan", "parse"):
            call = getattr(libpg_query, name)

            def counted(sql: bytes, call: Callable[[bytes], object] = call) -> object:
                given_bytes.append(len(sql))
                return call(sql)

            patched.setattr(libpg_query, name, counted)
        parse(text, profile())
    return sum(given_bytes)


@pytest.mark.parametrize("make", TEXTS.values(), ids=TEXTS)
def test_no_byte_is_scanned_once_for_each_finding(
    make: Callable[[int], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = make(300)
    assert bytes_scanned(text, monkeypatch) <= 4 * len(text.encode())


FAULTS_OF_FILES = {
    "missing functions": "INSERT INTO a VALUES (uuid_generate_v4());\n" * 300,
    "missing functions in one statement": f"INSERT INTO a VALUES {', '.join(['(uuid_generate_v4())'] * 300)}",
    "missing types": "CREATE TABLE a (b citext);\n" * 300,
    "parameters": "INSERT INTO a VALUES ($1);\n" * 300,
    "commands of psql": "\\echo a\nSELECT 1;\n" * 300,
}


@pytest.mark.parametrize("text", FAULTS_OF_FILES.values(), ids=FAULTS_OF_FILES)
def test_a_file_is_not_measured_once_for_each_fault(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured: list[int] = []

    class Counted(Source):
        def __init__(self, text: str) -> None:
            measured.append(len(text))
            super().__init__(text)

    monkeypatch.setattr(checks, "Source", Counted)
    check_files([SqlFile(tmp_path / "a.sql", text)], profile("2026-09"))
    (tmp_path / "1_a.sql").write_text(text)
    with pytest.raises(MigrationErrors) as caught:
        compile_folder(tmp_path, profile("2026-09"))
    assert len(caught.value.findings) >= 300
    assert sum(measured) <= 4 * len(text)


def test_nested_comments_reach_the_scanner_flat() -> None:
    text = b"SELECT '/*' " + b"/*" * 100 + b" -- ' " + b"*/" * 100 + b", 2"
    flat = with_flat_comments(text)
    assert flat == b"SELECT '/*' /*" + b" " * 198 + b" -- ' " + b" " * 198 + b"*/, 2"


PARTS = st.sampled_from(
    [
        *(
            "/*",
            "*/",
            "--",
            "\n",
            "'",
            '"',
            "\\",
            "E'",
            "e",
            "U&'",
            "$$",
            "$a$",
            "a$b",
            "$1",
            "+",
            "-",
            "*",
            "/",
        ),
        *("SELECT", " ", ";", "é", "(", ")", "a", "1"),
    ]
)
RUN = "/*" * 70 + "*/" * 70


def tokens(sql: bytes) -> list[tuple[int, str]] | str:
    """Return the tokens of a text with their offsets, or the error where there is one."""
    try:
        return [(token.start, token.text) for token in libpg_query.scan(sql)]
    except SqlSyntaxError as error:
        return f"{error.at}: {error.message}"


@given(st.lists(PARTS, max_size=20).map("".join), st.lists(PARTS, max_size=20).map("".join))
def test_flat_comments_leave_every_token_where_it_is(before: str, after: str) -> None:
    sql = f"{before}{RUN}{after}".encode()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(libpg_query, "with_flat_comments", lambda nested: nested)
        expected = tokens(sql)
    assert tokens(sql) == expected


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("-- a\n -- b", [(" a", 0), (" b", 6)]),
        ("/* -- a */ -- b", [(" b", 11)]),
        ("/* /* */ -- a\n */-- b", [(" b", 17)]),
        ("/* -- a", []),
        ("--/*\n--b", [("/*", 0), ("b", 5)]),
    ],
)
def test_line_comments(text: str, found: list[tuple[str, int]]) -> None:
    assert list(line_comments(text, 0, len(text))) == found


@pytest.mark.parametrize(
    ("text", "at"), [(b" -- a\n/* /* */ */ b", 18), (b"/* /* */ b", 10), (b"a", 0), (b"/*/ b", 5), (b"", 0)]
)
def test_skip_trivia(text: bytes, at: int) -> None:
    assert skip_trivia(text, 0) == at
