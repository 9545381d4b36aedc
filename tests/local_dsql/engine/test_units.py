"""Pure parts of the engine, as tables."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsql_dialect import libpg_query, parse, profile
from local_dsql.engine import commands
from local_dsql.engine.answers import passed_on
from local_dsql.engine.commits import CommitCounter
from local_dsql.engine.conflict_log import ConflictLog
from local_dsql.engine.errors import CONFLICT, is_interruption
from local_dsql.engine.owner_functions import OwnerFunctions
from local_dsql.engine.requests import Request, as_autocommit, free_parameter, strip_surplus, with_text
from local_dsql.engine.row_count import rows_of_tag, tag_is_exact
from local_dsql.engine.table_catalog import TableCatalog
from local_dsql.engine.table_shapes import ForeignKey, Table, UniqueIndex
from local_dsql.engine.upsert_texts import update_condition, with_clause
from local_dsql.engine.upserts import is_upsert
from local_dsql.wire import messages
from local_dsql.wire.backend import Backend
from local_dsql.wire.response import Response
from local_dsql.write_ahead_log.operations import LockStrength, Place

DIALECT = profile("2026-09")


def make_table(*, columns: tuple[str, ...] = ("id", 'od"d'), identity: tuple[str, ...] = ()) -> Table:
    assignable = tuple(each for each in columns if each not in identity)
    names = (columns, assignable, identity, ("id",))
    return Table(1, 2, "public", 't"x', 3, 4, 5, *names, runs_code=False, checks_vary=False)


def query(sql: str) -> Request:
    (statement,) = parse(sql, DIALECT).statements
    return Request(messages.query(statement.backend_sql), simple=True, statement=statement)


@pytest.mark.parametrize(
    "table",
    [
        make_table(),
        make_table(identity=("id",)),
        make_table(columns=()),
        make_table(columns=("id",), identity=("id",)),
    ],
)
def test_every_statement_of_a_table_is_sql_with_quoted_names(table: Table) -> None:
    index = UniqueIndex(
        9, "i", True, True, False, "true", ("lower(e)",), ("OPERATOR(pg_catalog.=)",), (' COLLATE "C"',), ()
    )
    key = ForeignKey("k", 1, 1, False, ("id",), ("id",), 2, 2, False)
    texts = [
        table.images,
        table.delete,
        table.insert,
        table.keys_at,
        table.size,
        table.duplicates(index),
        table.twins(index),
        table.repeat,
        table.delete_twins(index),
        table.delete_violating(index),
        table.delete_duplicates(index, 3),
        table.delete_images(index),
        key.orphans(table, table),
        key.orphans_at(table, table),
        key.orphan_keys(table, table, among=True),
        key.lock_parents(table, table),
        key.moved(table),
        key.still_referenced(table, table),
        *(table.lock(strength) for strength in LockStrength if strength is not LockStrength.NO_KEY_UPDATE),
        *(text for text in (table.update, table.replace) if text is not None),
    ]
    for text in texts:
        assert len(libpg_query.parse(text.encode())) == 1
        assert 't"x' not in text.replace('t""x', "")


@pytest.mark.parametrize(
    ("columns", "identity", "updates", "replaces"),
    [
        (("id", "n"), (), True, False),
        (("id", "n"), ("id",), True, True),
        (("id",), ("id",), False, True),
        ((), (), False, False),
    ],
)
def test_how_rows_are_updated(
    columns: tuple[str, ...], identity: tuple[str, ...], updates: bool, replaces: bool
) -> None:
    table = make_table(columns=columns, identity=identity)
    assert (table.update is not None, table.replace is not None) == (updates, replaces)


def test_binary_arrays() -> None:
    assert commands.places([Place(1, 2)]).value == struct.pack("!iiiii", 1, 0, 27, 1, 1) + struct.pack(
        "!IIH", 6, 1, 2
    )
    assert commands.places([]).value == struct.pack("!iii", 0, 0, 27)
    array = struct.pack("!iiiii", 1, 0, 25, 2, 1) + b"\0\0\0\1a\0\0\0\2bc"
    assert commands.read_text_array(array) == ["a", "bc"]
    assert commands.read_text_array(struct.pack("!iii", 0, 0, 25)) == []


def test_results_of_commands_end_at_the_error() -> None:
    row = messages.data_row(["1"])
    error = messages.error({"S": "ERROR", "C": "23505", "M": "no"})
    answer = Response([(b"D", row), (b"C", messages.command_complete("SELECT 1")), (b"E", error)], b"E")
    first, second = commands.results(answer)
    assert first.number == 1
    assert second.error is not None
    assert second.error["C"] == "23505"


@pytest.mark.parametrize(
    ("change", "relations", "session", "concerned"),
    [
        (frozenset({1}), {1, 2}, 7, True),
        (frozenset({1}), {2}, 7, False),
        (frozenset({1}), {1}, 5, False),  # its own
        (None, set(), 7, True),
        (None, {1}, 5, False),
    ],
)
def test_catalog_changes_concern_those_that_touch_the_relation(
    change: frozenset[int] | None, relations: set[int], session: int, concerned: bool
) -> None:
    catalog = TableCatalog(OwnerFunctions(Backend()))
    catalog.changed({1, 2}, session=7)
    since = catalog.version
    catalog.changed(change, session=5)
    assert bool(catalog.concerning(since, relations, session)) is concerned
    assert not catalog.concerning(catalog.version, relations, session)


def test_a_mark_is_moved_by_every_commit_that_may_write() -> None:
    counter = CommitCounter()
    mark = counter.mark
    counter.begin()
    assert counter.has_moved(mark)
    assert counter.has_moved(counter.mark)  # a snapshot taken meanwhile may miss it
    counter.finish(wrote=False)
    assert not counter.has_moved(mark)
    counter.begin()
    counter.finish()
    assert counter.has_moved(mark)
    assert not counter.has_moved(counter.mark)


@pytest.mark.parametrize(
    ("sql", "exact"),
    [
        ("insert into t values (1)", True),
        ("update t set n = 1", True),
        ("delete from t", True),
        ("copy t from stdin", True),
        ("select 1", True),
        ("with d as (delete from t returning 1) insert into u select * from d", False),
        ("with d as (select 1) insert into u select * from d", True),
        ("with d as (delete from t returning 1) select * from d", False),
        ("explain analyze delete from t", False),
    ],
)
def test_command_tags_that_count_all_rows(sql: str, exact: bool) -> None:
    answer = Response([(b"C", messages.command_complete("UPDATE 3"))], b"T")
    assert tag_is_exact(query(sql), answer) is exact
    assert rows_of_tag(answer) == 3


@pytest.mark.parametrize(
    ("clause", "condition"),
    [
        ("do nothing", None),
        ("(id) where id > 0 do nothing", None),
        ("(id) do update set n = 1", None),
        ("(id) do update set n = 1 where t.n > 1", " t.n > 1"),
        ("(id) where id > 0 do update set n = (select 1 where true) where f(t.n) returning id", " f(t.n) "),
        ("(id) do update set n = t.returning where t.returning = 'é'", " t.returning = 'é'"),
    ],
)
def test_the_condition_of_an_upsert(clause: str, condition: str | None) -> None:
    request = query(f"insert into t values ('é', 1) on conflict {clause}")
    assert is_upsert(request)
    assert request.statement is not None
    assert update_condition(request.statement) == condition


EXPRESSIONS = st.recursive(
    st.sampled_from(["1", "'RETURNING'", "excluded.returning", '"returning"', "$$RETURNING$$", "t.a[1]"]),
    lambda inner: (
        st.builds("({} + {})".format, inner, inner)
        | st.builds("(SELECT {} FROM t)".format, inner)
        | st.builds("f({})".format, inner)
    ),
    max_leaves=6,
)


@given(EXPRESSIONS, EXPRESSIONS, st.booleans())
def test_the_condition_of_an_upsert_ends_where_the_parser_ends_it(
    value: str, condition: str, returning: bool
) -> None:
    tail = "RETURNING a, 'ON CONFLICT'" if returning else ""
    sql = f"INSERT INTO t (a) VALUES (1) ON CONFLICT (a) DO UPDATE SET a = {value} WHERE {condition} {tail}"
    request = query(sql.rstrip())
    assert request.statement is not None
    assert str(update_condition(request.statement)).strip() == condition


@pytest.mark.parametrize("head", ["", "with é as (insert into s values (1) returning 'insert into') "])
def test_the_with_clause_of_an_upsert(head: str) -> None:
    request = query(f"{head}insert /* x */ into public.t values (1) on conflict do nothing")
    assert request.statement is not None
    assert with_clause(request.statement) == head


def test_requests_of_a_lone_statement() -> None:
    found = as_autocommit(query("update t set n = 1"))
    assert found is not None
    assert b"S" not in [kind for kind, _ in _frames(found.body)]
    assert as_autocommit(query("update t set n = 1 where v = '$1'")) is None
    frames = [(kind, b"") for kind in (b"3", b"1", b"2", b"n", b"C")]
    assert strip_surplus(Response(frames, b"I"), found.surplus).frames == [(b"C", b"")]


def test_a_retold_request_keeps_types_and_values() -> None:
    parse_frame = messages.frame(b"P", b"name\0select $1\0" + struct.pack("!HI", 1, 23))
    bind = messages.frame(b"B", b"portal\0name\0\0\0\0\1\0\0\0\0015\0\0")
    told = with_text(Request(parse_frame + bind), "select $1 + 1", "UTF8")
    assert told is not None
    kinds = dict(_frames(told.body))
    assert kinds[b"P"].endswith(b"select $1 + 1\0" + struct.pack("!HI", 1, 23))
    assert kinds[b"B"].endswith(b"\0\0\0\1\0\0\0\0015\0\0")
    assert with_text(Request(bind), "select 1", "UTF8") is None


def test_a_retold_request_leaves_out_parameters_that_it_does_not_name() -> None:
    parse_frame = messages.frame(b"P", b"\0select $1, $2, $3, $4\0" + struct.pack("!HII", 2, 23, 20))
    values = b"\0\0\0\1a" + b"\0\0\0\1b" + b"\0\0\0\1c" + b"\xff\xff\xff\xff"
    bind = messages.frame(b"B", b"\0\0" + struct.pack("!HHHHHH", 4, 0, 1, 0, 1, 4) + values + b"\0\0")
    told = with_text(Request(parse_frame + bind), "select $1, $3, '$4'", "UTF8")
    assert told is not None
    kinds = dict(_frames(told.body))
    assert kinds[b"P"].endswith(struct.pack("!HIII", 3, 23, 25, 0))
    assert kinds[b"B"].endswith(
        struct.pack("!HHHHH", 3, 0, 1, 0, 3) + b"\0\0\0\1a" + b"\xff\xff\xff\xff" + b"\0\0\0\1c" + b"\0\0"
    )


def test_a_retold_request_takes_a_value_more() -> None:
    parse_frame = messages.frame(b"P", b"\0select $1, $2, $3\0" + struct.pack("!HII", 2, 23, 20))
    values = b"\0\0\0\1a" + b"\0\0\0\1b" + b"\0\0\0\1c"
    added = commands.Parameter(99, b"image")
    image = struct.pack("!I", 5) + b"image"
    for formats, expected in ((), (0, 0, 0, 1)), ((1,), (1, 1, 1, 1)), ((0, 1, 0), (0, 1, 0, 1)):
        head = struct.pack(f"!H{len(formats)}HH", len(formats), *formats, 3)
        bind = messages.frame(b"B", b"\0\0" + head + values + b"\0\1\0\1")
        told = with_text(Request(parse_frame + bind), "select $2, $4", "UTF8", added)
        assert told is not None
        kinds = dict(_frames(told.body))
        assert kinds[b"P"].endswith(struct.pack("!HIIII", 4, 25, 20, 25, 99))
        null = b"\xff\xff\xff\xff"
        sent = struct.pack("!HHHHHH", 4, *expected, 4) + null + b"\0\0\0\1b" + null + image + b"\0\1\0\1"
        assert kinds[b"B"].endswith(sent)
    told = with_text(query("select"), "select $1", "UTF8", added)
    assert told is not None
    assert dict(_frames(told.body))[b"B"].endswith(struct.pack("!HHH", 1, 1, 1) + image + b"\0\0")
    assert free_parameter("select $2, '$7', $1") == 3


def test_only_utf8_is_retold_beyond_ascii() -> None:
    assert with_text(query("select 1"), "select 'é'", "LATIN1") is None
    assert with_text(query("select 1"), "select 'é'", "UTF8") is not None


def test_winners_are_named_once_and_in_order() -> None:
    log = ConflictLog()
    for xid, session in ((5, "b"), (3, "a"), (4, "b")):
        log.committed(xid, session)
    assert log.sessions([5, 4, 3, 9]) == ("a", "b")


def _frames(data: bytes) -> list[tuple[bytes, bytes]]:
    found = []
    while data:
        length = int.from_bytes(data[1:5], "big") + 1
        found.append((data[:1], data[:length]))
        data = data[length:]
    return found


@pytest.mark.parametrize(
    ("sqlstate", "message", "expected"),
    [
        ("40P01", "deadlock detected", True),
        ("57014", "canceling statement due to user request", True),
        (
            "XX000",
            "new multixact has more than one updating member: 0 2[887 (nokeyupd), 915 (nokeyupd)]",
            True,
        ),
        ("XX000", "cache lookup failed for relation 16394", False),
        ("40001", "could not serialize access due to concurrent update", False),
    ],
)
def test_errors_after_which_a_statement_runs_again(sqlstate: str, message: str, expected: bool) -> None:
    assert is_interruption({"C": sqlstate, "M": message}) is expected


@pytest.mark.parametrize("sqlstate", ["23505", "23503", "23P01", "40001", "40P01"])
def test_an_error_that_others_can_cause_is_not_passed_on(sqlstate: str) -> None:
    raw = messages.error({"S": "ERROR", "C": sqlstate, "M": "of PostgreSQL"})
    answer = passed_on(Response([(b"E", raw)], messages.FAILED))
    assert answer.error is not None
    assert (answer.error["C"], answer.error["M"]) == (CONFLICT.sqlstate, CONFLICT.message)
