"""Scripts of one transaction with expected responses, which interference must not change."""

from __future__ import annotations

from tests.isolation.shape_protocol import PROTOCOL
from tests.isolation.shapes import Shape, rows
from tests.local_dsql.proxy.scenarios import ANY, Error

_TREE = (
    "CREATE TABLE parent (id int PRIMARY KEY, name text)",
    "CREATE TABLE child (id int PRIMARY KEY, pid int DEFAULT 9 REFERENCES parent (id) {0}, note text)",
    "INSERT INTO parent VALUES (1,'one'), (2,'two'), (9,'nine')",
    "INSERT INTO child VALUES (10,1,'a'), (11,1,'b'), (20,2,'c')",
)
_ODD = "it''s \\ \"q\" {a,b} (x,y) $$ %s $1 -- /* \té\U0001f600\u2028 NULL"
_ODD_READ = 'it\'s \\ "q" {a,b} (x,y) $$ %s $1 -- /* \té\U0001f600\u2028 NULL'


def tree(action: str) -> tuple[str, ...]:
    """Tables with a parent row, child rows, and a foreign key action."""
    return tuple(sql.replace("{0}", action) for sql in _TREE)


REFERENCES = [
    Shape(
        "cascade of a delete",
        tree("ON DELETE CASCADE"),
        (
            ("UPDATE child SET note = 'touched' WHERE id = 10", "UPDATE 1"),
            ("DELETE FROM parent WHERE id = 1", "DELETE 1"),
            ("SELECT id FROM child ORDER BY id", rows([20])),
            ("INSERT INTO parent VALUES (1, 'again')", "INSERT 0 1"),
            ("INSERT INTO child VALUES (12, 1, 'd')", "INSERT 0 1"),
        ),
        "SELECT id, pid, note FROM child ORDER BY id",
        rows([12, 1, "d"], [20, 2, "c"]),
    ),
    Shape(
        "cascade of a key's update",
        tree("ON UPDATE CASCADE"),
        (
            ("UPDATE parent SET id = 5 WHERE id = 1", "UPDATE 1"),
            ("SELECT pid FROM child ORDER BY id", rows([5], [5], [2])),
            ("UPDATE parent SET id = id + 100", "UPDATE 3"),
            ("UPDATE child SET note = note || pid", "UPDATE 3"),
        ),
        "SELECT pid, note FROM child ORDER BY id",
        rows([105, "a105"], [105, "b105"], [102, "c102"]),
    ),
    Shape(
        "set null, then the children are deleted",
        tree("ON DELETE SET NULL"),
        (
            ("DELETE FROM parent WHERE id = 1", "DELETE 1"),
            ("SELECT count(*) FROM child WHERE pid IS NULL", rows([2])),
            ("DELETE FROM child WHERE id = 10", "DELETE 1"),
        ),
        "SELECT id, pid FROM child ORDER BY id",
        rows([11, None], [20, 2]),
    ),
    Shape(
        "set default",
        tree("ON DELETE SET DEFAULT"),
        (
            ("DELETE FROM parent WHERE id < 3", "DELETE 2"),
            ("SELECT DISTINCT pid FROM child", rows([9])),
            ("DELETE FROM parent WHERE id = 9", Error("23503")),
        ),
        "SELECT id, pid FROM child ORDER BY id",
    ),
    Shape(
        "set default to a parent made just now",
        tree("ON DELETE SET DEFAULT"),
        (
            ("UPDATE parent SET id = 8 WHERE id = 9", "UPDATE 1"),
            ("INSERT INTO parent VALUES (9, 'new')", "INSERT 0 1"),
            ("DELETE FROM parent WHERE id = 2", "DELETE 1"),
        ),
        "SELECT id, pid FROM child ORDER BY id",
        rows([10, 1], [11, 1], [20, 9]),
    ),
    Shape(
        "deferred: child first, parent last",
        tree("DEFERRABLE INITIALLY DEFERRED"),
        (
            ("INSERT INTO child VALUES (30, 3, 'early')", "INSERT 0 1"),
            ("UPDATE child SET pid = 4 WHERE id = 10", "UPDATE 1"),
            ("INSERT INTO parent VALUES (3, 'three'), (4, 'four')", "INSERT 0 2"),
        ),
        "SELECT pid FROM child ORDER BY id",
        rows([4], [1], [2], [3]),
    ),
    Shape(
        "deferred: a parent that is gone and comes back",
        tree("DEFERRABLE INITIALLY DEFERRED"),
        (
            ("DELETE FROM parent WHERE id = 1", "DELETE 1"),
            ("SELECT count(*) FROM child", rows([3])),
            ("INSERT INTO parent VALUES (1, 'back')", "INSERT 0 1"),
        ),
        "SELECT name FROM parent ORDER BY id",
        rows(["back"], ["two"], ["nine"]),
    ),
    Shape(
        "deferred: a parent that is not restored",
        tree("DEFERRABLE INITIALLY DEFERRED"),
        (("DELETE FROM parent WHERE id = 1", "DELETE 1"), ("SELECT count(*) FROM child", rows([3]))),
        "SELECT name FROM parent ORDER BY id",
        commit=Error("23503"),
    ),
    Shape(
        "deferred until SET CONSTRAINTS says otherwise",
        tree("DEFERRABLE INITIALLY DEFERRED"),
        (
            ("INSERT INTO child VALUES (30, 3, 'early')", "INSERT 0 1"),
            ("INSERT INTO parent VALUES (3, 'three')", "INSERT 0 1"),
            ("SET CONSTRAINTS ALL IMMEDIATE", "SET CONSTRAINTS"),
            ("INSERT INTO child VALUES (40, 4, 'early')", Error("23503")),
        ),
        "SELECT pid FROM child ORDER BY id",
    ),
    Shape(
        "a tree of references to itself",
        (
            "CREATE TABLE node (id int PRIMARY KEY, up int REFERENCES node (id) ON DELETE CASCADE)",
            "INSERT INTO node VALUES (1, NULL), (2, 1), (3, 2), (4, 2), (5, 5)",
        ),
        (
            ("INSERT INTO node VALUES (6, 7), (7, 6)", "INSERT 0 2"),
            ("DELETE FROM node WHERE id = 2", "DELETE 1"),
            ("UPDATE node SET up = 1 WHERE id = 5", "UPDATE 1"),
            ("SELECT id, up FROM node ORDER BY id", rows([1, None], [5, 1], [6, 7], [7, 6])),
        ),
        "SELECT id, up FROM node ORDER BY id",
        rows([1, None], [5, 1], [6, 7], [7, 6]),
    ),
    Shape(
        "a composite key, half of it moved",
        (
            "CREATE TABLE pair (a int, b text, n int, PRIMARY KEY (a, b))",
            "CREATE TABLE link (id int PRIMARY KEY, a int, b text,"
            " FOREIGN KEY (a, b) REFERENCES pair ON UPDATE CASCADE)",
            "INSERT INTO pair VALUES (1,'x,y',1), (1,'x',2), (2,'(',3)",
            "INSERT INTO link VALUES (1,1,'x,y')",
        ),
        (
            ("UPDATE pair SET b = 'é\"' WHERE b = 'x,y'", "UPDATE 1"),
            ("UPDATE pair SET a = 9 WHERE b = 'x'", "UPDATE 1"),
            ("INSERT INTO pair VALUES (1, 'x,y', 7) RETURNING n", rows([7])),
            ("DELETE FROM pair WHERE b = '('", "DELETE 1"),
        ),
        "SELECT pair.a, pair.b, n, link.id FROM pair LEFT JOIN link USING (a, b) ORDER BY n",
        rows([1, 'é"', 1, 1], [9, "x", 2, None], [1, "x,y", 7, None]),
    ),
]

UNIQUENESS = [
    Shape(
        "unique values change places in one statement of the client's making",
        (
            "CREATE TABLE seat (id int PRIMARY KEY, place int UNIQUE)",
            "INSERT INTO seat VALUES (1,10), (2,20), (3,30)",
        ),
        (
            ("UPDATE seat SET place = -place", "UPDATE 3"),
            ("UPDATE seat SET place = CASE id WHEN 1 THEN 20 WHEN 2 THEN 30 ELSE 10 END", "UPDATE 3"),
            ("INSERT INTO seat VALUES (4, 20)", Error("23505")),
        ),
        "SELECT id, place FROM seat ORDER BY id",
    ),
    Shape(
        "a row takes over the unique value of one deleted",
        (
            "CREATE TABLE seat (id int PRIMARY KEY, place int UNIQUE)",
            "INSERT INTO seat VALUES (1,10), (2,20)",
        ),
        (
            ("DELETE FROM seat WHERE id = 1", "DELETE 1"),
            ("UPDATE seat SET place = 10 WHERE id = 2", "UPDATE 1"),
            ("INSERT INTO seat VALUES (3, 20) RETURNING *", rows([3, 20])),
            ("UPDATE seat SET id = 1 WHERE id = 3", "UPDATE 1"),
        ),
        "SELECT id, place FROM seat ORDER BY id",
        rows([1, 20], [2, 10]),
    ),
    Shape(
        "primary keys change places",
        ("CREATE TABLE item (id int PRIMARY KEY, v text)", "INSERT INTO item VALUES (1,'a'), (2,'b')"),
        (
            ("UPDATE item SET id = id + 10", "UPDATE 2"),
            ("UPDATE item SET id = 2 WHERE v = 'a'", "UPDATE 1"),
            ("UPDATE item SET id = 1 WHERE v = 'b'", "UPDATE 1"),
            (
                "INSERT INTO item VALUES (2, 'c') ON CONFLICT (id) DO UPDATE SET v = item.v || excluded.v",
                "INSERT 0 1",
            ),
        ),
        "SELECT id, v FROM item ORDER BY id",
        rows([1, "b"], [2, "ac"]),
    ),
    Shape(
        "a partial unique index",
        (
            "CREATE TABLE job (id int PRIMARY KEY, who int, open bool)",
            "CREATE UNIQUE INDEX ASYNC one_open ON job (who) WHERE open",
            "INSERT INTO job VALUES (1,7,true), (2,7,false), (3,8,true)",
        ),
        (
            ("UPDATE job SET open = NOT open WHERE id = 1", "UPDATE 1"),
            ("UPDATE job SET open = true WHERE id = 2", "UPDATE 1"),
            ("INSERT INTO job VALUES (4, 7, false)", "INSERT 0 1"),
            ("INSERT INTO job VALUES (5, 8, true) ON CONFLICT DO NOTHING", "INSERT 0 0"),
            ("INSERT INTO job VALUES (6, 7, true)", Error("23505")),
        ),
        "SELECT id, who, open FROM job ORDER BY id",
    ),
    Shape(
        "swaps under a partial unique index",
        (
            "CREATE TABLE job (id int PRIMARY KEY, who int, open bool)",
            "CREATE UNIQUE INDEX ASYNC one_open ON job (who) WHERE open",
            "INSERT INTO job VALUES (1,7,true), (2,7,false), (3,8,true)",
        ),
        (
            ("UPDATE job SET open = false WHERE id = 1", "UPDATE 1"),
            ("UPDATE job SET open = true WHERE id = 2", "UPDATE 1"),
            ("UPDATE job SET who = 9 WHERE id = 3", "UPDATE 1"),
            ("INSERT INTO job VALUES (4, 8, true)", "INSERT 0 1"),
        ),
        "SELECT id, who, open FROM job ORDER BY id",
        rows([1, 7, False], [2, 7, True], [3, 9, True], [4, 8, True]),
    ),
    Shape(
        "NULLs that are not distinct",
        (
            "CREATE TABLE n (id int PRIMARY KEY, u int, UNIQUE NULLS NOT DISTINCT (u))",
            "INSERT INTO n VALUES (1, NULL), (2, 2)",
        ),
        (
            ("UPDATE n SET u = 1 WHERE id = 1", "UPDATE 1"),
            ("UPDATE n SET u = NULL WHERE id = 2", "UPDATE 1"),
            ("INSERT INTO n VALUES (3, NULL)", Error("23505")),
        ),
        "SELECT id, u FROM n ORDER BY id",
    ),
]

ROWS = [
    Shape(
        "equal rows without a key",
        (
            "CREATE TABLE heap (a int, b text)",
            "INSERT INTO heap VALUES (1,'x'), (1,'x'), (1,'x'), (NULL,NULL)",
        ),
        (
            ("INSERT INTO heap VALUES (1,'x'), (NULL,NULL)", "INSERT 0 2"),
            ("UPDATE heap SET b = 'y' WHERE a = 1", "UPDATE 4"),
            ("DELETE FROM heap WHERE a IS NULL", "DELETE 2"),
            ("INSERT INTO heap SELECT * FROM heap", "INSERT 0 4"),
            ("SELECT a, b, count(*) FROM heap GROUP BY a, b", rows([1, "y", 8])),
        ),
        "SELECT a, b, count(*) FROM heap GROUP BY a, b",
        rows([1, "y", 8]),
    ),
    Shape(
        "generated and identity columns",
        (
            "CREATE TABLE g (id bigint GENERATED ALWAYS AS IDENTITY (CACHE 1) PRIMARY KEY, a int,"
            " twice int GENERATED ALWAYS AS (a * 2) STORED, at timestamptz DEFAULT clock_timestamp())",
            "CREATE TABLE told (id bigint, at timestamptz)",
            "INSERT INTO g (a) VALUES (1), (2)",
        ),
        (
            ("INSERT INTO g (a) VALUES (3) RETURNING a, twice", rows([3, 6])),
            ("INSERT INTO told SELECT id, at FROM g WHERE a = 3", "INSERT 0 1"),
            ("UPDATE g SET a = 10 WHERE a = 1 RETURNING twice", rows([20])),
            ("UPDATE g SET a = 11 WHERE a = 3 RETURNING twice", rows([22])),
            ("INSERT INTO g (id, a) VALUES (5, 5)", Error("428C9")),
        ),
        "SELECT a FROM g ORDER BY a",
    ),
    Shape(
        "values that the client was told are those that are committed",
        (
            "CREATE TABLE g (id bigint GENERATED ALWAYS AS IDENTITY (CACHE 1) PRIMARY KEY,"
            " u uuid DEFAULT gen_random_uuid(), a int, twice int GENERATED ALWAYS AS (a * 2) STORED,"
            " at timestamptz DEFAULT clock_timestamp())",
            "CREATE TABLE told (id bigint, u uuid, at timestamptz)",
            "INSERT INTO g (a) VALUES (1), (2)",
        ),
        (
            ("INSERT INTO g (a) VALUES (3) RETURNING a, twice", rows([3, 6])),
            ("INSERT INTO told SELECT id, u, at FROM g WHERE a = 3", "INSERT 0 1"),
            ("UPDATE g SET a = 30 WHERE a = 3", "UPDATE 1"),
            ("SELECT count(*) FROM g JOIN told USING (id, u, at)", rows([1])),
            ("SELECT currval(pg_get_serial_sequence('g', 'id')) = id FROM told", rows([True])),
        ),
        "SELECT a, twice FROM g LEFT JOIN told USING (id, u, at) ORDER BY a",
        rows([1, 2], [2, 4], [30, 60]),
    ),
    Shape(
        "domains and their checks",
        (
            "CREATE DOMAIN even AS int CHECK (VALUE % 2 = 0)",
            "CREATE DOMAIN word AS text NOT NULL",
            "CREATE TABLE d (id even PRIMARY KEY, w word, r even DEFAULT 4)",
            "INSERT INTO d VALUES (2, 'two')",
        ),
        (
            ("INSERT INTO d (id, w) VALUES (4, '') RETURNING r", rows([4])),
            ("UPDATE d SET id = 6, w = '''' WHERE id = 2", "UPDATE 1"),
            ("UPDATE d SET r = 3", Error("23514")),
        ),
        "SELECT id, w, r FROM d ORDER BY id",
    ),
    Shape(
        "odd characters in every type that can hold them",
        (
            'CREATE TABLE "Odd ""T"" é" ("select" int PRIMARY KEY, "a b,c" text, "Ü\'x" jsonb, bytes bytea,'
            " f double precision, n numeric, t timestamptz, i interval, c char(5), d date)",
            'INSERT INTO "Odd ""T"" é" VALUES (1, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)',
        ),
        (
            (
                f'INSERT INTO "Odd ""T"" é" VALUES (2, \'{_ODD}\', \'{{"k": ["\\\\", null, "\\u00e9\'\'"]}}\','
                " '\\x00ff5c27', 'NaN', 1e-30, 'infinity', '-1 mon +2 days -00:00:00.000001', 'ab', '4713-01-01 BC')",
                "INSERT 0 1",
            ),
            ('UPDATE "Odd ""T"" é" SET "a b,c" = \'\', f = 0.1::float8 + 0.2 WHERE "select" = 1', "UPDATE 1"),
            ('SELECT "a b,c" FROM "Odd ""T"" é" ORDER BY 1', rows([""], [_ODD_READ])),
        ),
        'SELECT "select", "a b,c", "Ü\'x"::text, encode(bytes, \'hex\'), f::text, n::text, t::text, i::text, c, d::text'
        ' FROM "Odd ""T"" é" ORDER BY 1',
        rows(
            [1, "", None, None, "0.30000000000000004", None, None, None, None, None],
            [
                2,
                _ODD_READ,
                '{"k": ["\\\\", null, "é\'"]}',
                "00ff5c27",
                "NaN",
                "0.000000000000000000000000000001",
                "infinity",
                "-1 mons +2 days -00:00:00.000001",
                "ab   ",
                "4713-01-01 BC",
            ],
        ),
    ),
    Shape(
        "very long values, and a row all of NULLs",
        (
            "CREATE TABLE long (id int PRIMARY KEY, v text, w text)",
            "INSERT INTO long VALUES (1, repeat('é', 300000))",
        ),
        (
            (
                "INSERT INTO long SELECT g, repeat(chr(960 + g), 200000), NULL FROM generate_series(2, 4) g",
                "INSERT 0 3",
            ),
            ("UPDATE long SET w = 'x' WHERE id = 1", "UPDATE 1"),
            ("UPDATE long SET v = NULL WHERE id = 3", "UPDATE 1"),
            ("SELECT id, length(v), w FROM long ORDER BY id", ANY),
        ),
        "SELECT id, length(v), left(v, 1), w FROM long ORDER BY id",
        rows([1, 300000, "é", "x"], [2, 200000, "ς", None], [3, None, None, None], [4, 200000, "τ", None]),
    ),
    Shape(
        "inserts from its own inserts",
        ("CREATE TABLE s (id int PRIMARY KEY, v int)", "INSERT INTO s VALUES (1, 1)"),
        (
            ("INSERT INTO s SELECT id + 1, v * 2 FROM s RETURNING id, v", rows([2, 2])),
            ("INSERT INTO s SELECT id + 2, v * 2 FROM s RETURNING id, v", rows([3, 2], [4, 4])),
            ("DELETE FROM s WHERE id IN (SELECT id FROM s WHERE v = 2) RETURNING id", rows([2], [3])),
            ("UPDATE s SET v = (SELECT sum(v) FROM s)::int RETURNING id, v", ANY),
            (
                "WITH gone AS (DELETE FROM s WHERE id = 1 RETURNING v) INSERT INTO s SELECT 9, v FROM gone",
                "INSERT 0 1",
            ),
        ),
        "SELECT id, v FROM s ORDER BY id",
        rows([4, 5], [9, 5]),
    ),
    Shape(
        "2,999 rows deleted",
        (
            "CREATE TABLE many (id int PRIMARY KEY, v text)",
            "INSERT INTO many SELECT g, 'v' || g FROM generate_series(1, 2999) g",
        ),
        (
            ("DELETE FROM many", "DELETE 2999"),
            ("SELECT count(*) FROM many", rows([0])),
            ("INSERT INTO hook VALUES (2, 2)", Error("54000")),
        ),
        "SELECT count(*) FROM many",
    ),
    Shape(
        "2,999 rows deleted",
        (
            "CREATE TABLE many (id int PRIMARY KEY, v text)",
            "INSERT INTO many SELECT g, 'v' || g FROM generate_series(1, 2999) g",
        ),
        (("DELETE FROM many", "DELETE 2999"), ("SELECT count(*) FROM many", rows([0]))),
        "SELECT count(*) FROM many",
        rows([0]),
    ),
    Shape(
        "made and unmade",
        ("CREATE TABLE s (id int PRIMARY KEY, v int)", "INSERT INTO s VALUES (1, 1)"),
        (
            ("INSERT INTO s VALUES (2, 2), (3, 3)", "INSERT 0 2"),
            ("DELETE FROM s", "DELETE 3"),
            ("INSERT INTO s VALUES (1, 7), (3, 9)", "INSERT 0 2"),
            ("UPDATE s SET id = 2 WHERE id = 3", "UPDATE 1"),
            ("DELETE FROM s WHERE id = 2 RETURNING v", rows([9])),
        ),
        "SELECT id, v FROM s",
        rows([1, 7]),
    ),
    Shape(
        "views and functions write through",
        (
            "CREATE TABLE base (id int PRIMARY KEY, v text)",
            "CREATE VIEW shown AS SELECT id, v FROM base WHERE v <> 'hidden'",
            "INSERT INTO base VALUES (1, 'a')",
        ),
        (
            ("INSERT INTO shown VALUES (2, 'b'), (3, 'hidden')", "INSERT 0 2"),
            ("UPDATE shown SET v = 'c' WHERE id = 1 RETURNING v", rows(["c"])),
            ("DELETE FROM shown WHERE id = 3", "DELETE 0"),
            ("SELECT id, v FROM shown ORDER BY id", rows([1, "c"], [2, "b"])),
        ),
        "SELECT id, v FROM base ORDER BY id",
        rows([1, "c"], [2, "b"], [3, "hidden"]),
    ),
    Shape(
        "a sequence never goes back",
        ("CREATE SEQUENCE s CACHE 1", "CREATE TABLE t (id bigint PRIMARY KEY DEFAULT nextval('s'))"),
        (
            ("INSERT INTO t DEFAULT VALUES RETURNING id", rows([1])),
            ("SELECT nextval('s')", rows([2])),
            ("INSERT INTO t DEFAULT VALUES RETURNING id", rows([3])),
            ("SELECT currval('s'), lastval()", rows([3, 3])),
            ("SELECT id FROM t ORDER BY id", rows([1], [3])),
        ),
        "SELECT id FROM t ORDER BY id",
        rows([1], [3]),
    ),
    Shape(
        "a failed check fails at the statement",
        ("CREATE TABLE c (id int PRIMARY KEY, n int NOT NULL CHECK (n > 0))", "INSERT INTO c VALUES (1, 1)"),
        (
            ("UPDATE c SET n = 2 WHERE id = 1", "UPDATE 1"),
            ("INSERT INTO c VALUES (2, NULL)", Error("23502")),
        ),
        "SELECT id, n FROM c",
    ),
    Shape(
        "rows taken FOR UPDATE and FOR KEY SHARE, then changed",
        ("CREATE TABLE l (id int PRIMARY KEY, v int)", "INSERT INTO l VALUES (1,1), (2,2), (3,3)"),
        (
            ("SELECT id FROM l WHERE id < 3 ORDER BY id FOR UPDATE", rows([1], [2])),
            ("SELECT id FROM l ORDER BY id FOR KEY SHARE", rows([1], [2], [3])),
            ("DELETE FROM l WHERE id = 1", "DELETE 1"),
            ("UPDATE l SET id = 9 WHERE id = 3", "UPDATE 1"),
            ("SELECT id FROM l ORDER BY id FOR UPDATE", rows([2], [9])),
        ),
        "SELECT id, v FROM l ORDER BY id",
        rows([2, 2], [9, 3]),
    ),
]

ALL = [*REFERENCES, *UNIQUENESS, *ROWS, *PROTOCOL]
