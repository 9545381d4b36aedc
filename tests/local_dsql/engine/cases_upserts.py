"""INSERT … ON CONFLICT over rows that others have committed since the snapshot."""

from __future__ import annotations

from local_dsql.divergences import BY_ID
from tests.local_dsql.engine.interleavings import Case, Step, a, b, rows

assert "nested-upsert-conflicts" in BY_ID

COMMIT, CONFLICT = "COMMIT", "40001"
_T = (
    "create table t(id int primary key, code text unique, n int)",
    "insert into t values (1, 'a', 0), (2, 'b', 0)",
)
_THREE_KEYS = (
    "create table t(id int primary key, code text unique, n int, h text)",
    "create unique index on t (lower(h)) where n > 3",
    "insert into t values (1, 'a', 5, 'X'), (2, 'b', 5, 'Y')",
)
_ARBITERS = {"id": "(id)", "code": "(code)", "h": "(lower(h)) where n > 3"}
_CLAUSES = (
    ("", ""),
    *(
        (name, f"on conflict {target} {action}")
        for name, target in _ARBITERS.items()
        for action in ("do nothing", "do update set n = t.n + 1 where t.n > 99")
    ),
)
_FREED = {
    "id": ("(1, 'new', 5, 'new')", "update t set id = 9 where id = 1"),
    "code": ("(8, 'a', 5, 'new')", "update t set code = 'z' where id = 1"),
    "h": ("(8, 'new', 5, 'x')", "update t set h = 'z' where id = 1"),
}
"""Rows with one key of row 1, by column, and the statement that changes this key alone."""
_STALE_CHILDREN: tuple[Step, ...] = (a("begin"), a("select count(*) from c"))
_NESTED: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("delete from t where id = 1", "(3, 'a')", (CONFLICT,)),
    ("delete from t where id = 1", "(2, 'a')", (CONFLICT,)),
    ("update t set code = 'z' where id = 1", "(3, 'a')", (CONFLICT,)),
    ("update t set n = 1 where id = 1", "(3, 'a')", ()),
)
"""A change of row 1, a row to insert that the snapshot skips, and the answer; without one it must succeed."""
_STALE: tuple[Step, ...] = (a("begin"), a("select count(*) from t"))

CASES = (
    Case(
        "M1: DO NOTHING of several rows, of which some have twins",
        _T,
        (
            *_STALE,
            b("update t set n = 1 where id = 1"),
            a(
                "insert into t values (1, 'x', 9), (3, 'c', 9), (3, 'd', 9), (4, 'b', 9) on conflict do nothing"
                " returning id, code",
                rows(("3", "c")),
            ),
            a("select id, n from t", rows(("1", "0"), ("2", "0"), ("3", "9"))),
            a("update t set n = 8 where id = 3", "UPDATE 1"),
            a("commit", COMMIT),
            b("select id, code, n from t", rows(("1", "a", "1"), ("2", "b", "0"), ("3", "c", "8"))),
            *_STALE,
            b("delete from t where id = 1"),
            a("insert into t values (1, 'x', 7), (5, 'e', 7) on conflict (id) do nothing", "INSERT 0 1"),
            a("commit", COMMIT),
            b("select id, n from t", rows(("2", "0"), ("3", "8"), ("5", "7"))),
        ),
    ),
    Case(
        "M1: DO NOTHING of several rows, of which one has a newer twin",
        _T,
        (
            *_STALE,
            b("update t set n = 1 where id = 1"),
            b("insert into t values (3, 'z', 1)"),
            a("insert into t values (1, 'x', 9), (3, 'c', 9) on conflict do nothing", "INSERT 0 1"),
            a("select id, n from t where id <> 1", rows(("2", "0"), ("3", "9"))),
            a("commit", CONFLICT),
            b("select id, n from t", rows(("1", "1"), ("2", "0"), ("3", "1"))),
        ),
    ),
    Case(
        "M1: DO NOTHING with a foreign key, and a parent that others re-key afterwards",
        (
            "create table p(id int primary key, code text unique)",
            "insert into p values (1, 'a'), (2, 'b')",
            "create table c(id int primary key, p int references p)",
            "insert into c values (1, 1)",
        ),
        (
            a("begin"),
            a("select count(*) from c"),
            b("update c set p = null"),
            a("insert into c values (1, 1), (2, 2) on conflict do nothing", "INSERT 0 1"),
            b("update p set code = 'z' where id = 2"),
            a("commit", CONFLICT),
        ),
    ),
    Case(
        "M2: DO UPDATE whose WHERE is false for the row of the snapshot",
        _T,
        (
            *_STALE,
            b("update t set n = 200 where id = 1"),
            a(
                "insert into t values (1, 'x', 9) on conflict (id) do update set n = 7 where t.n > 100",
                "INSERT 0 0",
            ),
            a(
                "insert into t as old values (1, 'x', 9), (3, 'c', 9) on conflict (id) do update set n = 7"
                " where old.n > excluded.n returning id",
                rows(("3",)),
            ),
            a("commit", COMMIT),
            b("select id, n from t", rows(("1", "200"), ("2", "0"), ("3", "9"))),
            *_STALE,
            b("delete from t where id = 1"),
            a(
                "insert into t values (1, 'x', 9) on conflict (id) do update set n = 7 where t.n < 100",
                "INSERT 0 0",
            ),
            a("select n from t where id = 1", rows(("200",))),
            a("commit", COMMIT),
        ),
    ),
    Case(
        "M2: DO UPDATE whose WHERE is true for the row of the snapshot",
        _T,
        (
            *_STALE,
            b("update t set n = 200 where id = 1"),
            a("insert into t values (1, 'x', 9) on conflict (id) do update set n = 7 where t.n < 100"),
            a("commit", CONFLICT),
            b("select n from t where id = 1", rows(("200",))),
        ),
    ),
    *(
        Case(
            f"rows that {name} changes after a lost DO UPDATE",
            (*_T, "create index on t (n)", "insert into t values (3, 'c', 0)"),
            (
                *_STALE,
                b("begin"),
                b("select from t where id < 3 for update"),
                b(change),
                b("commit", COMMIT),
                b("update t set n = n + 1 where id = 3"),
                a(
                    "insert into t values (3, 'c', 9) on conflict (id) do update set n = t.n + 1",
                    "INSERT 0 1",
                ),
                a("select id from t", rows(*seen)),
                a("update t set n = n + 1 where id < 3", f"UPDATE {len(seen) - 1}"),
                a("commit", CONFLICT),
            ),
        )
        for name, change, seen in (
            ("a locked UPDATE", "update t set n = n + 1 where id < 3", (("1",), ("2",), ("3",))),
            ("a locked UPDATE of a key", "update t set id = 7 - id where id < 3", (("3",),)),
        )
    ),
    *(
        Case(
            f"DO UPDATE {name} beside a new child (divergence `upsert-locks-key`)",
            (
                "create table p(id int primary key, n int)",
                "insert into p values (1, 0)",
                "create table c(id int primary key, p int references p)",
            ),
            (
                a("begin"),
                a(f"insert into p values (1, 5) on conflict (id) do update set {assignments}", "INSERT 0 1"),
                b("insert into c values (1, 1)", "INSERT 0 1"),
                a("commit", ending),
            ),
        )
        for name, assignments, ending in (
            ("of no key", "n = 7", COMMIT),
            ("of a key to its old value", "id = excluded.id, n = 7", CONFLICT),
        )
    ),
    *(
        Case(
            f"a duplicate in another index than the one of {action}, over a row that others {name}",
            _T,
            (
                *_STALE,
                b(change),
                a(f"insert into t values (2, 'a', 9) on conflict (code) {action}", answer),
                a("commit", end),
            ),
        )
        for name, change in (
            ("delete", "delete from t where id = 1"),
            ("re-key", "update t set code = 'z' where id = 1"),
        )
        for action, answer, end in (
            ("do update set n = 5", CONFLICT, "ROLLBACK"),
            ("do nothing", "INSERT 0 0", COMMIT),
        )
    ),
    Case(
        "a duplicate in another index that an upsert's update makes is real",
        _T,
        (
            *_STALE,
            b("insert into t values (3, 'c', 0)"),
            b("update t set n = 1 where id = 3"),
            a("insert into t values (1, 'x', 9) on conflict (id) do update set code = 'b'", "23505"),
            a("commit", "ROLLBACK"),
        ),
    ),
    *(
        Case(
            f"INSERT with and without clauses, of a key in {column} that others have freed",
            _THREE_KEYS[:-1],
            tuple(
                step
                for change in (rekey, "delete from t where id = 1")
                for arbiter, clause in _CLAUSES
                for step in (
                    b("delete from t"),
                    b(_THREE_KEYS[-1]),
                    *_STALE,
                    a("update t set n = 6 where id = 2"),
                    b(change),
                    a(f"insert into t values {row} {clause}", "INSERT 0 0" if arbiter == column else "23505"),
                    a("commit", COMMIT if arbiter == column else "ROLLBACK"),
                    b("select count(*) from t where id = 8 or code = 'new'", rows(("0",))),
                )
            ),
        )
        for column, (row, rekey) in _FREED.items()
    ),
    Case(
        "rows of DO NOTHING that repeat keys of each other and of rows that others have removed",
        _T,
        (
            *_STALE,
            b("delete from t where id = 1"),
            b("update t set n = 1 where id = 2"),
            a(
                "insert into t values (1, 'k', 9), (3, 'b', 9), (4, 'd', 9), (4, 'e', 9), (5, 'e', 9), (5, 'f', 9),"
                " (6, 'f', 9), (7, 'k', 9), (8, null, 9), (9, null, 9), (8, null, 9)"
                " on conflict do nothing returning id, code",
                rows(("4", "d"), ("5", "e"), ("6", "f"), ("7", "k"), ("8", None), ("9", None)),
            ),
            a("commit", COMMIT),
        ),
    ),
    *(
        Case(
            f"rows that are skipped have keys of {whose} in another index",
            _T,
            (
                *_STALE,
                b(change),
                a(
                    f"insert into t values (3, 'c', 9), (2, 'a', 9), {more} on conflict (code) {action} returning id",
                    answer,
                ),
                a("commit", end),
            ),
        )
        for change in ("delete from t where id = 1", "update t set n = 1 where id = 1")
        for action in ("do nothing", "do update set n = 7 where t.n > 0")
        for whose, more, answer, end in (
            ("visible rows", "(4, 'd', 9)", rows(("3",), ("4",)), COMMIT),
            ("rows that stay", "(3, 'a', 9)", rows(("3",)), COMMIT),
            ("visible rows, as one that stays has", "(2, 'd', 9)", "23505", "ROLLBACK"),
        )
    ),
    Case(
        "skipped rows are judged as the owner of a domain's function does",
        (
            "create function even(int) returns boolean language sql immutable return $1 % 2 = 0",
            "create domain d as int check (even(value))",
            "create table t(id d primary key, code text unique)",
            "insert into t values (2, 'a'), (4, 'b')",
        ),
        (
            *_STALE,
            b("delete from t where id = 2"),
            b("update t set code = 'x' where id = 4"),
            a(
                "insert into t values (2, 'c'), (6, 'd'), (6, 'e'), (8, 'b') on conflict do nothing",
                "INSERT 0 1",
            ),
            a("commit", COMMIT),
            *_STALE,
            b("delete from t where id = 6"),
            a("insert into t values (8, 'e'), (6, 'f') on conflict (code) do nothing", "23505"),
            a("commit", "ROLLBACK"),
        ),
    ),
    *(
        Case(
            f"an upsert in {form} over changed rows (divergence `nested-upsert-conflicts`)",
            (
                _T[0],
                "create table w(id int)",
                "create function f(int, text) returns setof int language sql as"
                " 'insert into t values ($1, $2) on conflict (code) do nothing returning id'",
                "create function g(int, text) returns setof int language sql begin atomic"
                " insert into t values ($1, $2) on conflict (code) do nothing returning id; end",
                "create function h(i int, c text) returns int language plpgsql as"
                " 'begin insert into t values (i, c) on conflict (code) do nothing; return 0; end'",
            ),
            tuple(
                step
                for change, values, answer in _NESTED
                for step in (
                    b("delete from t"),
                    b(_T[1]),
                    *_STALE,
                    b(change),
                    a(statement.format(values=values), *answer),
                    a("commit", "ROLLBACK" if answer else CONFLICT),
                    b("select count(*) from t where id = 3", rows(("0",))),
                )
            ),
        )
        for form, statement in (
            (
                "a CTE",
                "with i as (insert into t values {values} on conflict (code) do nothing returning id) select from i",
            ),
            (
                "a CTE of an INSERT",
                "with i as (insert into t values {values} on conflict (code) do nothing returning id)"
                " insert into w select id from i",
            ),
            ("a function", "select f{values}"),
            ("a function without text", "select g{values}"),
            ("a function in PL/pgSQL", "select h{values}"),
            ("a DO", "do $$ begin insert into t values {values} on conflict (code) do nothing; end $$"),
        )
    ),
    *(
        Case(
            f"DO NOTHING through a view over a row that others {name}",
            (*_T, "create view v as select code, id as number from t"),
            (
                *_STALE,
                b(change),
                a(f"insert into v values ('a', 1), ('c', 3) on conflict {target} do nothing", "INSERT 0 1"),
                a("select id, code from t", rows(("1", "a"), ("2", "b"), ("3", "c"))),
                a("commit", COMMIT),
            ),
        )
        for target in ("", "(code)")
        for name, change in (
            ("delete", "delete from t where id = 1"),
            ("update", "update t set n = 1 where id = 1"),
        )
    ),
    *(
        Case(
            f"a skipped row whose parent others delete, beside {whose}",
            (
                "create table p(id int primary key)",
                "insert into p values (1), (2), (3)",
                "create table c(id int primary key, p int references p on delete cascade)",
                "insert into c values (1, 1)",
            ),
            (
                *_STALE_CHILDREN,
                b("delete from p where id = 1"),
                a(f"insert into c values (1, 1){more} on conflict do nothing", answer),
                *between,
                a("commit", end),
                b("select id from c", rows(*left)),
            ),
        )
        for whose, more, answer, between, end, left in (
            ("none that stays", "", "INSERT 0 0", (), COMMIT, ()),
            ("one that stays", ", (2, 2)", "INSERT 0 1", (), COMMIT, (("2",),)),
            ("one without a parent", ", (2, 9)", "23503", (), "ROLLBACK", ()),
            (
                "one whose parent others delete then",
                ", (2, 2)",
                "INSERT 0 1",
                (b("delete from p where id = 2"),),
                CONFLICT,
                (),
            ),
            ("one whose parent others have deleted", ", (2, 1)", CONFLICT, (), "ROLLBACK", ()),
        )
    ),
    Case(
        "a plain INSERT beside a function with an upsert",
        (
            *_T,
            "create function f(int) returns void language sql as"
            " 'insert into t values ($1) on conflict (id) do nothing'",
        ),
        (
            *_STALE,
            b("update t set n = 1 where id = 2"),
            a("insert into t values (abs(-2), 'conflict')", "23505"),
            a("rollback"),
            *_STALE,
            b("delete from t where id = 1"),
            a("insert into t values (abs(-1), 'conflict')", "23505"),
            a("rollback"),
        ),
    ),
)
