"""Parents and children with every usual shape of statement: upserts, CTEs, joins, views, functions, COPY, locks."""

from __future__ import annotations

from tests.local_dsql.differential.shapes import Family, Shape, share_lock, update_lock

UPSERT = frozenset({"upsert"})

_P = (
    Shape("UPDATE p SET n = n + {small} WHERE id = {id}", 3),
    Shape("UPDATE p SET code = {maybecode} WHERE id = {id} RETURNING id, code", 2),
    Shape("UPDATE p SET id = {newid} WHERE id = {id}"),
    Shape("DELETE FROM p WHERE id = {id} RETURNING code, n", 2),
    Shape("INSERT INTO p (id, code, n, grp) VALUES ({id}, {maybecode}, {small}, {group})", 3),
    Shape(
        "INSERT INTO p (id, code, n) VALUES ({id}, {maybecode}, 0) ON CONFLICT (id) DO UPDATE SET n = p.n + 1"
        " RETURNING id, n",
        2,
        tags=UPSERT,
    ),
    Shape(
        "INSERT INTO p (id, code) VALUES ({id}, {maybecode}), ({id2}, {maybecode2}) ON CONFLICT DO NOTHING",
        tags=UPSERT,
    ),
    Shape(
        "INSERT INTO p (id, code, n) VALUES ({id}, {code}, 1) ON CONFLICT (code) DO UPDATE SET n = p.n + 10"
        " WHERE p.n < 50 RETURNING id, n",
        tags=UPSERT,
    ),
    Shape("UPDATE p SET n = n"),
    Shape("SELECT id, code, n, grp FROM p ORDER BY id", 2, ordered=True),
    Shape("SELECT (SELECT sum(n) FROM p), (SELECT count(*) FROM c1), (SELECT max(a) FROM c2)"),
    Shape(
        "SELECT id, n FROM p WHERE id = {id} FOR UPDATE",
        locks=update_lock("p", "WHERE id = {id}"),
    ),
    Shape(
        "SELECT id, n FROM p WHERE grp = {group} OR id = {id} ORDER BY id FOR UPDATE",
        ordered=True,
        locks=update_lock("p", "WHERE grp = {group} OR id = {id}"),
    ),
    Shape("SELECT id FROM p ORDER BY id FOR KEY SHARE", ordered=True, locks=share_lock("p", "")),
    Shape(
        "SELECT count(*) FROM (SELECT id FROM p WHERE n < {small} FOR UPDATE) x",
        locks=update_lock("p", "WHERE n < {small}"),
    ),
)
_CHILDREN = (
    Shape("INSERT INTO c1 (id, pid, v, n) VALUES ({id}, {ref}, {word}, {amount})", 3),
    Shape("UPDATE c1 SET pid = {ref}, v = {word} WHERE id = {id}", 2),
    Shape("UPDATE c1 SET v = v || {letter} WHERE id = {id}", 2),
    Shape("DELETE FROM c1 WHERE pid = {id}"),
    Shape("INSERT INTO c1 (id) SELECT 1 WHERE false"),
    Shape("INSERT INTO c2 (a, b, pid, pcode) VALUES ({id}, {letter}, {ref}, {maybecode})", 2),
    Shape("UPDATE c2 SET pcode = {maybecode} WHERE a = {id}", several=True),
    Shape("DELETE FROM c2 WHERE a = {id} AND b = {letter}"),
    Shape(
        "INSERT INTO c2 (a, b, pid) VALUES ({id}, {letter}, NULL) ON CONFLICT (a, b) DO UPDATE"
        " SET pcode = NULL RETURNING b",
        tags=UPSERT,
    ),
    Shape(
        "SELECT c.id, c.pid, c.v, p.code FROM c1 c LEFT JOIN p ON p.id = c.pid ORDER BY 1", 2, ordered=True
    ),
    Shape("SELECT a, b, pid, pcode FROM c2 ORDER BY 1, 2", 2, ordered=True),
    Shape(
        "SELECT t.id, c.id FROM p t JOIN c1 c ON c.pid = t.id ORDER BY 1, 2 FOR UPDATE OF t",
        ordered=True,
        locks=update_lock("p", "WHERE EXISTS (SELECT FROM c1 c WHERE c.pid = t.id)"),
    ),
    Shape("DELETE FROM c1 USING p WHERE c1.pid = p.id AND p.code = {code} RETURNING c1.id"),
    Shape("UPDATE c1 SET v = p.code FROM p WHERE p.id = c1.pid RETURNING c1.id, c1.v"),
    Shape(
        "WITH d AS (DELETE FROM c1 WHERE id = {id} RETURNING pid) UPDATE p SET n = n + 1 FROM d WHERE p.id = d.pid"
        " RETURNING p.id"
    ),
    Shape(
        "WITH i AS (INSERT INTO c1 VALUES ({id}, {ref}, {word}, 5) RETURNING id), u AS (UPDATE c2 SET pcode = NULL"
        " WHERE a = {id} RETURNING a) SELECT (SELECT count(*) FROM i), (SELECT count(*) FROM u),"
        " (SELECT count(*) FROM c1)",
        several=True,
    ),
    Shape(
        "INSERT INTO c1 SELECT id + 10, id, 'sel', n FROM p WHERE grp = {group} OR id = {id}"
        " ON CONFLICT (id) DO UPDATE SET n = excluded.n RETURNING id",
        several=True,
        tags=UPSERT,
    ),
)
_OTHERS = (
    Shape("UPDATE vp SET amount = amount + 1 WHERE ident = {id}"),
    Shape("UPDATE vp SET ident = {newid} WHERE ident = {id}"),
    Shape("INSERT INTO vp VALUES ({id}, {maybecode}, {small})"),
    Shape("DELETE FROM vp WHERE name = {code}"),
    Shape("SELECT addn({id}, {small})"),
    Shape("SELECT lockp({id})", locks=update_lock("p", "WHERE id = {id}")),
    Shape("SELECT mk({id}, {ref})"),
    Shape("COPY c1 (id, pid, v, n) FROM STDIN", copy="{id}\t{ref}\t{word}\t{amount}", several=True),
    Shape("COPY p (id, code) FROM STDIN", copy="{id}\t{maybecode}", several=True),
    Shape("COPY (SELECT id, code, n FROM p ORDER BY id) TO STDOUT", simple=True),
    Shape("COPY (UPDATE p SET n = n + 1 RETURNING id) TO STDOUT", simple=True),
)

ORDERS = (
    Family(
        "orders",
        (
            "CREATE TABLE p (id int PRIMARY KEY, code text UNIQUE, n int NOT NULL DEFAULT 0, grp int)",
            "CREATE TABLE c1 (id int PRIMARY KEY, pid int REFERENCES p (id) ON DELETE CASCADE ON UPDATE CASCADE,"
            " v text, n int CHECK (n < 1000))",
            "CREATE TABLE c2 (a int, b text, pid int DEFAULT 1 REFERENCES p (id) ON DELETE SET DEFAULT"
            " DEFERRABLE INITIALLY DEFERRED, pcode text REFERENCES p (code) ON DELETE SET NULL ON UPDATE CASCADE,"
            " PRIMARY KEY (a, b))",
            "CREATE INDEX ASYNC c1_pid ON c1 (pid)",
            "CREATE VIEW vp AS SELECT id AS ident, code AS name, n AS amount FROM p WHERE n >= 0",
            "CREATE FUNCTION addn(i int, d int) RETURNS int LANGUAGE sql"
            " AS 'UPDATE p SET n = n + d WHERE id = i RETURNING n'",
            "CREATE FUNCTION lockp(i int) RETURNS int LANGUAGE sql AS 'SELECT id FROM p WHERE id = i FOR UPDATE'",
            "CREATE FUNCTION mk(i int, q int) RETURNS int LANGUAGE sql"
            " AS 'INSERT INTO c1 VALUES (i, q, ''f'', 0) RETURNING id'",
        ),
        (
            "INSERT INTO p (id, code, n, grp) VALUES (1, 'a', 0, 0), (2, 'b', 0, 1), (3, 'c', 1, 0), (4, NULL, 2, 1)",
            "INSERT INTO c1 VALUES (1, 1, 'one', 1), (2, 2, 'two', 2)",
            "INSERT INTO c2 VALUES (1, 'x', 1, 'a'), (2, 'y', NULL, 'b')",
        ),
        _P + _CHILDREN + _OTHERS,
        ("UPDATE p SET n = n", "UPDATE c1 SET v = v", "UPDATE c2 SET b = b"),
        ("p", "c1", "c2"),
        (
            ("ALTER TABLE c1 ADD COLUMN late int", "ALTER TABLE c1 DROP COLUMN late"),
            ("CREATE TABLE further (id int PRIMARY KEY, p int REFERENCES p (id))", "DROP TABLE further"),
            ("CREATE INDEX ASYNC p_grp ON p (grp)", "DROP INDEX p_grp"),
            ("CREATE TABLE unrelated (id int)", "DROP TABLE unrelated"),
        ),
    ),
)
