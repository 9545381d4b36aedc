"""Row locks of several statements on one row, and of foreign keys that are checked without need."""

from __future__ import annotations

from tests.local_dsql.engine.interleavings import Case, a, b, c, disturb, rows

COMMIT, CONFLICT = "COMMIT", "40001"
_ROWS = ("create table t(id int primary key, n int)", "insert into t values (1, 0), (2, 0)")
_FAMILY = (
    "create table p(id int primary key, code text unique)",
    "create table c(id int primary key, p int references p(id) on update cascade, n int)",
    "insert into p values (1, 'a'), (2, 'b')",
    "insert into c values (1, 1, 0)",
)
_VERSIONS = (
    "create table p(id int primary key, n int)",
    "create table c(id int primary key, p int references p(id))",
    "insert into p values (1, 0), (2, 0)",
)
_DEFERRED = (
    "create table p(id int primary key)",
    "create table c(id int primary key, p int references p(id) deferrable initially deferred, n int)",
    "insert into p values (1), (2), (3)",
    "insert into c values (1, 1, 0), (2, 2, 0)",
)
_UNUSED = "insert into p values (1, 9) on conflict (id) do update set n = 9 where false"
_KEY_SHARE = "select from p where id = 1 for key share"
_SHARED = b("begin"), b("select id from t where id = 1 for key share"), b("commit", COMMIT)

CASES = (
    Case(
        "FOR UPDATE of a row that the transaction has updated, and FOR KEY SHARE",
        _ROWS,
        (
            a("begin"),
            a("update t set n = 1 where id = 1"),
            a("select n from t where id = 1 for update", rows(("1",))),
            *_SHARED,
            a("select n from t where id = 1", rows(("1",))),
            a("commit", CONFLICT),
        ),
    ),
    Case(
        "FOR UPDATE of a row that the transaction updates afterwards, and FOR KEY SHARE",
        _ROWS,
        (
            a("begin"),
            a("select n from t where id = 1 for update"),
            a("update t set n = 1 where id = 1"),
            *_SHARED,
            a("commit", CONFLICT),
        ),
    ),
    Case(
        "FOR KEY SHARE of a row that the transaction has updated conflicts with no FOR KEY SHARE",
        _ROWS,
        (
            a("begin"),
            a("update t set n = 1 where id = 1"),
            a("select n from t where id = 1 for key share", rows(("1",))),
            *_SHARED,
            a("commit", COMMIT),
            b("select n from t where id = 1", rows(("1",))),
        ),
    ),
    Case(
        "DELETE, and FOR KEY SHARE committed before and after it",
        _ROWS,
        (
            a("begin"),
            a("delete from t where id = 1"),
            *_SHARED,
            a("commit", CONFLICT),
            a("begin"),
            a("select * from t"),
            *_SHARED,
            a("delete from t where id = 1", "DELETE 1"),
            a("commit", CONFLICT),
            a("begin"),
            a("update t set n = 5 where id = 1"),
            a("delete from t where id = 1", "DELETE 1"),
            *_SHARED,
            a("commit", CONFLICT),
            b("select n from t where id = 1", rows(("0",))),
        ),
    ),
    Case(
        "Q1: a child updated twice needs no lock of its parent",
        _FAMILY,
        (
            a("begin"),
            a("update c set n = 1"),
            a("update c set n = 2"),
            b("update p set code = 'z' where id = 1", "UPDATE 1"),
            a("select n from c", rows(("2",))),
            a("commit", COMMIT),
            a("begin"),
            a("update c set n = 4"),
            a("update c set n = 5"),
            b("begin"),
            b("select id from p where id = 1 for update"),
            b("commit", COMMIT),
            a("commit", COMMIT),
            b("select * from c", rows(("1", "1", "5"))),
        ),
    ),
    Case(
        "Q1: a child that was made or moved needs the lock of its parent",
        _FAMILY,
        (
            a("begin"),
            a("insert into c values (2, 1, 0)"),
            a("update c set n = 1 where id = 2"),
            b("update p set code = 'z' where id = 1", "UPDATE 1"),
            a("commit", CONFLICT),
            a("begin"),
            a("update c set p = 2"),
            a("update c set n = 2"),
            b("update p set code = 'y' where id = 2", "UPDATE 1"),
            a("commit", CONFLICT),
            a("begin"),
            a("update c set n = 1"),
            a("update c set n = 2"),
            a("select id from p where id = 1 for key share"),
            *disturb("update p set code = 'x' where id = 1"),
            b("update p set code = 'x' where id = 1", "UPDATE 1"),
            a("commit", CONFLICT),
        ),
    ),
    *(
        Case(
            f"a reference, made {when} a DELETE, to a row that others have updated since the snapshot",
            _VERSIONS,
            (
                b("begin"),
                b("select from p"),
                c("update p set n = 1 where id = 1"),
                a("begin"),
                a("select n from p where id = 1", rows(("1",))),
                *order,
                b("commit", COMMIT),
                a("commit", CONFLICT),
                c("select p.id from c join p on p.id = c.p", rows(("1",))),
            ),
        )
        for when, order in (
            ("before", (b("insert into c values (1, 1)"), a("delete from p where id = 1", "DELETE 1"))),
            ("after", (a("delete from p where id = 1", "DELETE 1"), b("insert into c values (1, 1)"))),
        )
    ),
    *(
        Case(
            f"{name} of a row that others update under it, before a snapshot that {which} COMMIT",
            _VERSIONS,
            (
                b("begin"),
                b(sql),
                c("begin"),
                c("update p set n = 1 where id = 1"),
                c("update p set n = 2 where id = 1"),
                c("commit", COMMIT),
                c("update p set n = 3 where id = 1"),
                *((b("commit", COMMIT),) if ends else ()),
                a("begin"),
                a("select n from p where id = 1", rows(("3",))),
                *(() if ends else (b("commit", COMMIT),)),
                a("delete from p where id = 1", *deleted),
                a("commit", verdict),
            ),
        )
        for name, sql, ends, which, deleted, verdict in (
            ("FOR KEY SHARE", _KEY_SHARE, False, "precedes its", ("DELETE 1",), CONFLICT),
            ("FOR KEY SHARE", _KEY_SHARE, True, "follows its", ("DELETE 1",), COMMIT),
            ("a reference", "insert into c values (1, 1)", False, "precedes its", ("DELETE 1",), CONFLICT),
            ("a reference", "insert into c values (1, 1)", True, "follows its", ("23503",), "ROLLBACK"),
        )
    ),
    *(
        Case(
            f"a reference, made {when} an upsert of the parent that changes nothing",
            _VERSIONS,
            (
                a("begin"),
                *order,
                b("delete from p where id = 1", "DELETE 1"),
                a("commit", CONFLICT),
                b("insert into p values (1, 0)"),
                b("begin"),
                b("select from p"),
                a("begin"),
                *order,
                b("delete from p where id = 1", "DELETE 1"),
                a("commit", COMMIT),
                b("commit", CONFLICT),
                b("select p.id from c join p on p.id = c.p", rows(("1",))),
            ),
        )
        for when, order in (
            ("before", (a("insert into c values (1, 1)"), a(_UNUSED, "INSERT 0 0"))),
            ("after", (a(_UNUSED, "INSERT 0 0"), a("insert into c values (1, 1)"))),
        )
    ),
    Case(
        "an upsert that changes nothing shares no row to which the transaction does not refer",
        _VERSIONS,
        (
            a("begin"),
            a(_UNUSED, "INSERT 0 0"),
            a("insert into c values (1, 2)"),
            b("delete from p where id = 1", "DELETE 1"),
            a("commit", COMMIT),
            b("insert into p values (1, 0)"),
            b("begin"),
            b("select from p"),
            a("begin"),
            a(_UNUSED, "INSERT 0 0"),
            a("commit", COMMIT),
            b("delete from p where id = 1", "DELETE 1"),
            b("commit", COMMIT),
        ),
    ),
    Case(
        "a deferred check locks the parents of those rows alone whose references an UPDATE has changed",
        _DEFERRED,
        (
            a("begin"),
            a("update c set n = 1, p = p where id = 1"),
            a("update c set p = null where id = 2"),
            *disturb("update c set n = 2"),
            b("begin"),
            b("select id from p where id = 1 for update"),
            b("commit", COMMIT),
            a("commit", COMMIT),
            b("select * from c", rows(("1", "1", "1"), ("2", None, "0"))),
        ),
    ),
    *(
        Case(
            f"a deferred check meets a parent that others have deleted, in {encoding}, {when}",
            _DEFERRED,
            (
                a(f"set client_encoding = '{encoding}'"),
                a("begin"),
                a("update c set p = 3 where id = 1"),
                *disturb("update c set n = 2"),
                b("delete from p where id = 3", "DELETE 1"),
                *end,
                b("select p from c where id = 1", rows(("1",))),
            ),
        )
        for encoding in ("UTF8", "LATIN1")
        for when, end in (
            ("at COMMIT", (a("commit", CONFLICT),)),
            ("at SET CONSTRAINTS", (a("set constraints all immediate", CONFLICT), a("commit", "ROLLBACK"))),
        )
    ),
    Case(  # divergence `unused-upsert-shares-row`
        "an upsert that changes nothing shares its row if the transaction makes others",
        _VERSIONS,
        (
            b("begin"),
            b("select from p"),
            a("begin"),
            a("insert into c values (1, 2)"),
            a(_UNUSED, "INSERT 0 0"),
            a("commit", COMMIT),
            b("delete from p where id = 1", "DELETE 1"),
            b("commit", CONFLICT),
        ),
    ),
)
