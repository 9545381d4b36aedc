"""INSERT … ON CONFLICT over rows that others have changed: errors, rows of several kinds, and upserts that no text
shows."""

from __future__ import annotations

from local_dsql.divergences import BY_ID
from tests.local_dsql.engine.interleavings import Case, Step, a, b, rows

assert {"nested-upsert-conflicts", "unread-upsert-conflicts"} <= BY_ID.keys()

COMMIT, CONFLICT = "COMMIT", "40001"
_T = (
    "create table t(id int primary key, code text unique, n int)",
    "insert into t values (1, 'a', 0), (2, 'b', 0)",
)
_STALE: tuple[Step, ...] = (a("begin"), a("select count(*) from t"))
_FAILING = (
    "create table p(id int primary key)",
    "insert into p values (1)",
    "create table t(id int primary key, n int not null check (n < 100), p int references p)",
    "create index on t ((10 / n))",
)
_NO_ROW, _THIRD = "INSERT 0 0", rows(("3",))
_ERRORS: tuple[tuple[str, object, bool], ...] = (
    ("values (1, 1, 99) {}", _NO_ROW, False),
    ("values (1, 0, 1) {}", _NO_ROW, False),
    ("values (1, 1, 1) {} returning 1 / (t.id - 1)", _NO_ROW, False),
    ("values (1, 1, 1), (1, 1, 1) {}", _NO_ROW, False),
    ("values (1, 1, 99), (3, 1, 1) {} returning id", _THIRD, False),
    ("values (1, 1, 1), (3, 1, 99) {}", "23503", False),
    ("values (1, 1, 1), (3, 0, 1) {}", "22012", False),
    ("values (1, 1, 1), (3, 1, 1) {} returning 1 / (id - 3)", "22012", False),
    ("values (1, 200, 1) {}", "23514", True),
    ("values (1, null, 1) {}", "23502", True),
    ("select 1, 1, 1 / (id - 2) from t {}", "22012", True),
    ("values (1, 1, 1) {} returning none", "42703", True),
    ("values (1, 1, 1) on conflict (n) do nothing", "42P10", True),
)
"""Rows whose INSERT is an error, of which the snapshot skips the first one; the answer; and whether it is the same if
the clause updates that row instead, which others have changed."""
_UNRELATED = (
    ("insert into w values (1), (1)", "23505"),
    ("insert into t values (5, 0, 1)", "22012"),
    ("update t set n = 500", "23514"),
)
"""Statements without an upsert, and their errors."""
_HIDING = (
    "create function f(k int) returns int language sql as"
    " 'insert into t values (k, ''f'') on conflict (id) do nothing; select k'",
    "create function x(k int) returns int immutable language sql as 'select f(k)'",
)
_HIDDEN = {
    "a DEFAULT": ("create table d(id int, x int default f(1))", "insert into d (id) values (1)"),
    "a DEFAULT of a view's table": (
        "create table e(id int, x int default f(1)); create view d as select * from e",
        "insert into d (id) values (1)",
    ),
    "a CHECK": ("create table d(id int, x int check (f(x) = x))", "insert into d values (1, 1)"),
    "a generated column": (
        "create table d(id int, x int generated always as (x(id)) stored)",
        "insert into d values (1)",
    ),
    "a domain": ("create domain d as int check (f(value) = value)", "insert into w values (1::d)"),
    "a view": ("create view d as select f(1) as x", "insert into w select x from d"),
    "a view of a view": (
        "create view e as select f(1) as x; create view d as select x from e",
        "insert into w select x from d",
    ),
    "an action": (
        "create table d(id int primary key);"
        " create table e(id int default f(1) references d on delete set default);"
        " insert into d values (1), (5); insert into e values (5)",
        "delete from d where id = 5",
    ),
    "a function": (
        "create table e(id int, x int default f(1));"
        " create function d(i int) returns int language sql as 'insert into e values (i) returning id'",
        "insert into w select d(5)",
    ),
    "a DO": ("select", "do $$ begin perform f(1); end $$"),
    "attribute notation": (
        "create function k(w) returns int language sql as 'select f(1)'; insert into w values (1)",
        "update w set id = w.k",
    ),
}
"""Objects that call a function with an upsert, and statements that reach it without its name."""

CASES = (
    *(
        Case(
            f"errors of rows that {clause} skips, and of others, over a row that others have changed by {change}",
            _FAILING,
            tuple(
                step
                for insert, answer, always in _ERRORS
                for step in (
                    b("delete from t"),
                    b("insert into t values (1, 1, 1), (2, 1, 1)"),
                    *_STALE,
                    b(change),
                    a(
                        f"insert into t {insert.format(clause)}",
                        CONFLICT if updates and not always else answer,
                    ),
                    a(
                        "commit",
                        COMMIT if not updates and answer in (_NO_ROW, _THIRD) else "ROLLBACK",
                    ),
                )
            ),
        )
        for clause, updates in (
            ("on conflict do nothing", False),
            ("on conflict (id) do nothing", False),
            ("on conflict (id) do update set n = 5 where t.n > 50", False),
            ("on conflict (id) do update set n = 5", True),
        )
        for change in ("delete from t where id = 1", "update t set id = 7 where id = 1")
    ),
    *(
        Case(
            f"errors of an upsert in {form} over freed keys (divergence `nested-upsert-conflicts`)",
            (
                *_FAILING,
                "create table w(id int primary key)",
                "create function f(int, int, int) returns int language sql as"
                " 'insert into t values ($1, $2, $3) on conflict do nothing returning 1 / (id - 1)'",
            ),
            tuple(
                step
                for insert, answer in ((statement, CONFLICT), ("select 1 / 0", "22012"), *_UNRELATED)
                for values in ("1, 1, 99", "1, 1, 1", "1, 0, 1")
                for step in (
                    b("delete from t"),
                    b("insert into t values (1, 1, 1)"),
                    *_STALE,
                    b("delete from t"),
                    a(insert.format(values=values), answer),
                    a("commit", "ROLLBACK"),
                )
            ),
        )
        for form, statement in (
            (
                "a CTE",
                "with i as (insert into t values ({values}) on conflict do nothing returning 1 / (id - 1))"
                " select from i",
            ),
            ("a function", "select f({values})"),
            ("a DO", "do $$ begin perform f({values}); end $$"),
        )
    ),
    Case(
        "an error is that of the statement if others have freed no key of its table",
        _FAILING,
        (
            b("insert into t values (1, 1, 1)"),
            *_STALE,
            b("update t set n = 2"),
            b("delete from p where id = 5"),
            a("insert into t values (4, 1, 99) on conflict (id) do update set n = 5", "23503"),
            a("commit", "ROLLBACK"),
        ),
    ),
    *(
        Case(
            f"DO UPDATE of changed and unchanged rows, whose WHERE is {whose}",
            _T,
            (
                *_STALE,
                b("update t set n = 9 where id = 2"),
                a(
                    f"insert into t values (1, 'x', 5), (2, 'y', 5), {more} on conflict (id) do update"
                    f" set n = t.n + excluded.n where {condition} returning id, n",
                    answer,
                ),
                a("commit", end),
                b("select id, n from t", left),
            ),
        )
        for whose, more, condition, answer, end, left in (
            (
                "false for the changed one",
                "(3, 'z', 5)",
                "t.id <> 2",
                rows(("1", "5"), ("3", "5")),
                COMMIT,
                rows(("1", "5"), ("2", "9"), ("3", "5")),
            ),
            (
                "false for both",
                "(3, 'z', 5)",
                "t.n > excluded.n",
                rows(("3", "5")),
                COMMIT,
                rows(("1", "0"), ("2", "9"), ("3", "5")),
            ),
            (
                "true for the changed one",
                "(3, 'z', 5)",
                "t.id = 2 and t.n = 0",
                rows(("3", "5")),  # by the newer values, which a doomed transaction sees
                CONFLICT,
                rows(("1", "0"), ("2", "9")),
            ),
            (
                "false for the changed one, and true twice for another",
                "(1, 'z', 5)",
                "t.id <> 2",
                "21000",
                "ROLLBACK",
                rows(("1", "0"), ("2", "9")),
            ),
        )
    ),
    *(
        Case(
            f"a row that an upsert skips {where} (divergence `unread-upsert-conflicts`)",
            (*_T, *made),
            (
                *_STALE,
                b("delete from t where id = 1"),
                a(f"insert into {insert}", CONFLICT, "INSERT 0 1"),
                a("commit", "ROLLBACK", CONFLICT),
            ),
        )
        for where, made, insert in (
            (
                "of a source that writes",
                (
                    "create table w(id int)",
                    "create function f() returns int language sql as 'insert into w values (1) returning id'",
                ),
                "t values (f(), 'x', 0) on conflict (id) do nothing",
            ),
            (
                "through a view",
                ("create view v as select id as n, n as id from t",),
                "v values (1, 5) on conflict (n) do update set id = 5 where v.id > 5",
            ),
            (
                "of a table with an index on an expression of a client",
                (
                    "create function f(int) returns int language plpgsql immutable as 'begin return $1; end'",
                    "create table c(id int)",
                    "create unique index on c (f(id))",
                    "insert into c values (1)",
                    "alter table t rename to u",
                    "alter table c rename to t",
                ),
                "t values (1) on conflict (f(id)) do update set id = 5 where t.id > 5",
            ),
        )
    ),
    *(
        Case(
            "a row that an upsert skips " + where,
            (*_T, *made),
            (
                *_STALE,
                b("delete from t where id = 1"),
                a(f"{head}insert into {insert}", rows(("3",))),
                a("commit", COMMIT),
                b("select id, code from t", rows(("2", "b"), ("3", "ü"))),
            ),
        )
        for where, made, head, insert in (
            (
                "in a text that is not ASCII",
                (),
                "",
                "t values (1, 'ä', 0), (3, 'ü', 0) on conflict (id) do nothing returning id",
            ),
            (
                "behind a WITH clause that the clause of DO UPDATE reads",
                (),
                "",
                "t as old with k(i, c) as (values (1, 'ä'), (3, 'ü')) select i, c, 5 from k on conflict (id)"
                " do update set n = excluded.n where old.n > 5 returning old.id",
            ),
            (
                "in front of which a WITH clause is",
                (),
                "with k(i, c) as (values (1, 'ä'), (3, 'ü')) ",
                "t select i, c, 5 from k on conflict (id) do update set n = (select min(i) from k)"
                " where t.n > (select max(i) from k) returning id",
            ),
            (
                "with columns in another order, a generated one and an identity",
                (
                    "drop table t",
                    "create table t(id int primary key, i bigint generated always as identity (cache 1), code text,"
                    " g int generated always as (id + 1) stored)",
                    "insert into t (id, code) values (1, 'a'), (2, 'b')",
                ),
                "",
                "t (code, id) values ('ä', 1), ('ü', 3) on conflict (id) do nothing returning g - 1",
            ),
            (
                "through views of views",
                (
                    "create view u as select code as k, n + 1 as m, id as code from t",
                    "create view v as select code as id, k from u",
                ),
                "",
                "v (k, id) values ('ä', 1), ('ü', 3) on conflict (id) do nothing returning v.id",
            ),
        )
    ),
    *(
        Case(
            f"an upsert that {what} calls over changed rows (divergence `nested-upsert-conflicts`)",
            (_T[0], "create table w(id int)", *_HIDING, *made.split("; ")),
            tuple(
                step
                for change in ("delete from t where id = 1", "update t set id = 9 where id = 1")
                for step in (
                    b("delete from t"),
                    b(_T[1]),
                    *_STALE,
                    b(change),
                    a(statement, CONFLICT),
                    a("commit", "ROLLBACK"),
                    *_STALE,
                    b("delete from t where id = 2"),
                    a("insert into t values (2, 'b', 0)", "23505"),
                    a("commit", "ROLLBACK"),
                )
            ),
        )
        for what, (made, statement) in _HIDDEN.items()
    ),
)
