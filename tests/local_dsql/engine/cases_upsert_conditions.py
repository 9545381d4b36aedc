"""INSERT … ON CONFLICT over rows that others have changed: forms of the WHERE clause, functions, and certain errors."""

from __future__ import annotations

from local_dsql.divergences import BY_ID
from tests.local_dsql.engine.interleavings import Case, Step, a, b, rows

assert "unread-upsert-conflicts" in BY_ID

COMMIT, CONFLICT = "COMMIT", "40001"
_T = (
    'create table t(id int primary key, code text unique, n int, "where" int)',
    "insert into t values (1, 'a', 0, 0), (2, 'b', 0, 0)",
)
_STALE: tuple[Step, ...] = (a("begin"), a("select count(*) from t"))
_CONDITIONS: tuple[tuple[str, bool], ...] = (
    ("(select count(*) from t) = 2", True),
    ("(select count(*) from public.t) > 2", False),
    ("(select sum(n) from t) = 0", True),
    ("(select sum(n) from t) > 0", False),
    ("not exists (select from t z where z.id = 7)", True),
    ("exists (select from t z where z.id = excluded.id and z.n = excluded.n)", False),
    ("(select x from counted) = 2", True),
    ("(select x from counted) > 2", False),
    ("(select counted from counted)::text = '(2)'", True),
    ('to_jsonb(excluded) = \'{"id": 1, "code": "a", "n": 5, "where": 0}\'', True),
    ('to_jsonb(excluded) <> \'{"id": 1, "code": "a", "n": 5, "where": 0}\'', False),
    ("excluded::text = '(1,a,5,0)'", True),
    ("row(excluded.*) = row(1, 'a', 5, 0)", True),
    ("t is distinct from excluded", True),
    ("(t.id, t.code) is distinct from (excluded.id, excluded.code)", False),
    ("t.* is not distinct from excluded.*", False),
    ("to_jsonb(t) - 'n' <> to_jsonb(excluded) - 'n'", False),
    ("to_jsonb(t) - 'n' = to_jsonb(excluded) - 'n'", True),
    ("t.n = 0", True),
    ("t.n <> 0", False),
    ("public.t.n = 0", True),
    ("public.t.n <> 0", False),
    ("t.ctid is null", False),
    ("t.tableoid = 't'::regclass", True),
    ("t.tableoid <> 't'::regclass", False),
    ("excluded.where = 1", False),
    ("counting() = 2", True),
    ("counting() > 2", False),
)
"""Conditions of WHERE, and their value for row 1 of the snapshot, of which others have changed `n`."""
_COUNTING = "language sql stable as 'select count(*) from t'"
_FUNCTIONS = (
    "create function counted_now() returns int language sql as 'select count(*) from t'",
    "create function calling() returns int language sql stable as 'select counted_now()'",
    "create function adding() returns int language sql as 'insert into t values (50, ''new'', 0, 0) returning n'",
    "create function at_start() returns int language sql stable as 'select count(*) from t'",
    "create function one(int) returns int language sql immutable as 'select $1'",
    "create function five() returns int language sql as 'select 5'",
)
_SOURCES: tuple[tuple[str, object], ...] = (
    ("select i, 'c' || i, counted_now() from generate_series(1, 4) i", None),
    ("values (1, 'x', counted_now()), (3, 'c3', counted_now()), (4, 'c4', counted_now())", None),
    ("select i, 'c' || i, calling() from generate_series(1, 4) i", None),
    ("select i, 'c' || i, 2 from generate_series(1, 4) i where counted_now() = 2 or i > 1", None),
    ("values (1, 'x', adding())", None),
    ("select i, 'c' || i, at_start() from generate_series(1, 4) i", rows(("3", "2"), ("4", "2"))),
    ("values (1, 'x', at_start()), (3, 'c3', one(7))", rows(("3", "7"))),
    ("select i, 'c' || i, five() from generate_series(1, 4) i", rows(("3", "5"), ("4", "5"))),
    ("values (1, 'x', counted_now())", "INSERT 0 0"),
)
"""Sources of the INSERT, and the rows by the snapshot; None if one sees rows that are skipped."""
_KEYS = (
    "create function five() returns int language sql as 'select 5'",
    "create table t(id int primary key, k int unique, n int unique, v int {})",
)
_CERTAIN: tuple[tuple[str, object], ...] = (
    ("values (9, 1, 9) on conflict (n) do update set v = 1", "23505"),
    ("values (9, 9, 9), (9, 9, 9) on conflict (n) do update set v = 1", "21000"),
    ("values (9, 9, 9) on conflict (n) do update set v = 1 returning 1 / (t.id - 9)", "22012"),
    ("values (9, 1, 9), (3, 9, 3) on conflict (n) do update set v = 1", "23505"),
    ("values (9, 9, 9), (3, 9, 3) on conflict (n) do update set v = 1", CONFLICT),
    ("values (9, 9, 9), (8, 9, 8), (3, 7, 3) on conflict (n) do update set v = 1", "23505"),
    ("values (3, 3, 3), (8, 1, 8) on conflict (n) do update set v = 1 where t.v > 9", "23505"),
)
"""Upserts of which one row fails by any snapshot, in front of one that updates row 3 or not."""

CASES = (
    Case(
        "DO UPDATE by the WHERE clause for the row of the snapshot, whatever the clause reads",
        (*_T, f"create function counting() returns bigint {_COUNTING}"),
        tuple(
            step
            for condition, is_true in _CONDITIONS
            for step in (
                b("delete from t"),
                b(_T[1]),
                *_STALE,
                b("update t set n = 9 where id = 1"),
                a(
                    "with counted as (select count(*) as x from t) insert into t values (1, 'a', 5, 0), (7, 'y', 7, 0)"
                    f" on conflict (id) do update set n = t.n + excluded.n where {condition} returning id",
                    *(() if is_true else (rows(("7",)),)),
                ),
                a("commit", CONFLICT if is_true else COMMIT),
                b("select n from t where id = 1", rows(("9",))),
            )
        ),
    ),
    Case(
        "DO UPDATE of a row that is equal to the proposed one by the snapshot",
        _T,
        tuple(
            step
            for condition in (
                "t.* is distinct from excluded.*",
                "t is distinct from excluded",
                "to_jsonb(t) <> to_jsonb(excluded)",
            )
            for step in (
                *_STALE,
                b("update t set n = 0 where id = 1"),
                a(
                    "insert into t values (1, 'a', 0, 0) on conflict (id) do update set n = excluded.where"
                    f" where {condition}",
                    "INSERT 0 0",
                ),
                a("commit", COMMIT),
            )
        ),
    ),
    Case(
        "sources that call functions, of which VOLATILE ones see the rows of the statement"
        " (divergence `unread-upsert-conflicts`)",
        (*_T, *_FUNCTIONS),
        tuple(
            step
            for clause in ("do nothing", "(id) do update set n = 1 where t.n > 5")
            for source, answer in _SOURCES
            for step in (
                b("delete from t"),
                b(_T[1]),
                *_STALE,
                b("update t set n = 9 where id = 1"),
                a(
                    f"insert into t {source} on conflict {clause} returning id, n",
                    *(() if answer is None else (answer,)),
                ),
                a("commit", *((CONFLICT, "ROLLBACK") if answer is None else (COMMIT,))),
            )
        ),
    ),
    *(
        Case(
            f"errors of rows in front of one that others have changed, in a table with the default {default}",
            (_KEYS[0], _KEYS[1].format(f"default {default}")),
            tuple(
                step
                for insert, answer in _CERTAIN
                for step in (
                    b("delete from t"),
                    b("insert into t values (1, 1, 1), (2, 2, 2), (3, 3, 3)"),
                    *_STALE,
                    b("delete from t where id = 3"),
                    a(f"insert into t (id, k, n) {insert}", answer),
                    a("commit", "ROLLBACK"),
                )
            ),
        )
        for default in ("7", "five()")
    ),
)
