"""INSERT … ON CONFLICT over rows that others have committed since the snapshot."""

from __future__ import annotations

from tests.local_dsql.engine.interleavings import Case, Step, a, b, rows

COMMIT, CONFLICT = "COMMIT", "40001"
_T = (
    "create table t(id int primary key, code text unique, n int)",
    "insert into t values (1, 'a', 0), (2, 'b', 0)",
)
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
)
