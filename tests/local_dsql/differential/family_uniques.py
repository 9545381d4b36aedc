"""Unique indexes of every kind: generated, on expressions, partial, NULLS NOT DISTINCT; odd names and values."""

from __future__ import annotations

from tests.local_dsql.differential.shapes import Family, Shape, update_lock
from tests.local_dsql.differential.wire_session import HIDDEN_COLUMN

_W, _X, _Q = '"Wei""rd T)=("', '"x,y)=("', '"q\'("'
_UPSERT = frozenset({"upsert"})
_HIDDEN = f"'{HIDDEN_COLUMN}'"

UNIQUES = (
    Family(
        "generated unique",
        (
            "CREATE TABLE g (id int PRIMARY KEY, x int, y int GENERATED ALWAYS AS (x % 5) STORED UNIQUE, z text)",
        ),
        ("INSERT INTO g (id, x, z) VALUES (1, 1, 'one'), (2, 2, 'two'), (3, 8, 'three')",),
        (
            Shape("INSERT INTO g (id, x, z) VALUES ({id}, {small}, {word})", 3),
            Shape("UPDATE g SET x = {small} WHERE id = {id} RETURNING y", 3),
            Shape("UPDATE g SET z = {word} WHERE y < {id}"),
            Shape("DELETE FROM g WHERE id = {id}"),
            Shape("SELECT id, x, y, z FROM g ORDER BY id", 2, ordered=True),
            Shape("SELECT id FROM g FOR UPDATE", locks=update_lock("g", "")),
        ),
        ("UPDATE g SET z = z",),
        ("g",),
    ),
    Family(
        "unique expression",
        (
            "CREATE TABLE e (id int PRIMARY KEY, email text)",
            "CREATE UNIQUE INDEX ASYNC e_lower ON e (lower(email))",
        ),
        ("INSERT INTO e VALUES (1, 'a'), (2, 'B')",),
        (
            Shape("INSERT INTO e VALUES ({id}, {email})", 3),
            Shape("UPDATE e SET email = {email} WHERE id = {id}", 2),
            Shape("DELETE FROM e WHERE id = {id}", 2),
            Shape(
                "INSERT INTO e VALUES ({id}, {email}) ON CONFLICT (lower(email)) DO UPDATE SET email = upper(e.email)"
                " RETURNING id, email",
                tags=_UPSERT,
            ),
            Shape("SELECT id, email FROM e ORDER BY id", 2, ordered=True),
        ),
        ("UPDATE e SET email = email",),
        ("e",),
        (("ALTER TABLE e ADD COLUMN late text", "ALTER TABLE e DROP COLUMN late"),),
    ),
    Family(
        "unique partial",
        (
            "CREATE TABLE pe (id int PRIMARY KEY, email text, active boolean)",
            "CREATE UNIQUE INDEX ASYNC pe_active ON pe (email) WHERE active",
        ),
        ("INSERT INTO pe VALUES (1, 'a', true), (2, 'a', false), (3, 'b', false)",),
        (
            Shape("INSERT INTO pe VALUES ({id}, {email}, {flag})", 3),
            Shape("UPDATE pe SET active = {flag} WHERE id = {id}", 3),
            Shape("DELETE FROM pe WHERE id = {id}"),
            Shape(
                "INSERT INTO pe VALUES ({id}, {email}, true) ON CONFLICT (email) WHERE active"
                " DO UPDATE SET active = false RETURNING id",
                tags=_UPSERT,
            ),
            Shape("COPY pe (id, email, active) FROM STDIN", copy="{id}\t{email}\t{flag}", several=True),
            Shape("SELECT id, email, active FROM pe ORDER BY id", 2, ordered=True),
        ),
        ("UPDATE pe SET email = email",),
        ("pe",),
    ),
    Family(
        "nulls not distinct",
        (
            "CREATE TABLE nd (id int PRIMARY KEY, k1 int, k2 numeric, k3 text, UNIQUE (k1, k2),"
            " UNIQUE NULLS NOT DISTINCT (k3))",
        ),
        ("INSERT INTO nd VALUES (1, 1, 1.0, NULL), (2, 1, 2, 'x')",),
        (
            Shape("INSERT INTO nd VALUES ({id}, {ref}, {number}, {maybecode})", 3),
            Shape("UPDATE nd SET k3 = {maybecode} WHERE id = {id}", 2),
            Shape("UPDATE nd SET k1 = {ref}, k2 = {number} WHERE id = {id}", 2),
            Shape("DELETE FROM nd WHERE id = {id}"),
            Shape(
                "INSERT INTO nd VALUES ({id}, NULL, NULL, {maybecode}) ON CONFLICT DO NOTHING", tags=_UPSERT
            ),
            Shape("SELECT id, k1, k2, k3 FROM nd ORDER BY id", 2, ordered=True),
        ),
        ("UPDATE nd SET id = id",),
        ("nd",),
    ),
    Family(
        "upserts of several keys",
        (
            "CREATE TABLE u (id int PRIMARY KEY, code text UNIQUE, email text, n int)",
            "CREATE UNIQUE INDEX ASYNC u_email ON u (lower(email)) WHERE n > 0",
            "CREATE VIEW uv AS SELECT code, id AS number FROM u",
        ),
        ("INSERT INTO u VALUES (1, 'a', 'a', 1), (2, 'b', 'B', 1), (3, 'c', NULL, 0)",),
        (
            *(
                Shape(
                    f"INSERT INTO u VALUES ({{id}}, {{code}}, {{email}}, 1) ON CONFLICT {clause}",
                    2,
                    tags=_UPSERT,
                )
                for clause in (
                    "DO NOTHING",
                    "(id) DO NOTHING",
                    "(code) DO NOTHING RETURNING id",
                    "(lower(email)) WHERE n > 0 DO NOTHING",
                    "(id) DO UPDATE SET n = u.n + 1",
                    "(code) DO UPDATE SET n = u.n + 1 WHERE u.n > 1 RETURNING n",
                    "(lower(email)) WHERE n > 0 DO UPDATE SET id = excluded.id",
                )
            ),
            Shape(
                "INSERT INTO u VALUES ({id}, {code}, {email}, 1), ({id2}, {code}, {email}, 0) ON CONFLICT (code)"
                " DO NOTHING RETURNING id, code",
                2,
                tags=_UPSERT,
            ),
            Shape("INSERT INTO uv VALUES ({code}, {id}) ON CONFLICT (code) DO NOTHING", tags=_UPSERT),
            Shape("INSERT INTO u VALUES ({id}, {code}, {email}, 1)"),
            Shape("UPDATE u SET id = {id}, code = {maybecode} WHERE id = {id2}", 2),
            Shape("UPDATE u SET n = n + 1 WHERE id = {id}", 2),
            Shape("DELETE FROM u WHERE id = {id}", 4),
            Shape("SELECT id, code, email, n FROM u ORDER BY id", ordered=True),
        ),
        ("UPDATE u SET n = n",),
        ("u",),
    ),
    Family(
        "upserts by conditions",
        (
            'CREATE TABLE uc (id int PRIMARY KEY, code text UNIQUE, n int, "where" int DEFAULT 0)',
            "CREATE FUNCTION uc_rows() RETURNS bigint LANGUAGE sql VOLATILE AS 'SELECT count(*) FROM uc'",
            "CREATE FUNCTION uc_seen() RETURNS bigint LANGUAGE sql STABLE AS 'SELECT count(*) FROM uc'",
        ),
        ("INSERT INTO uc VALUES (1, 'a', 1), (2, 'b', 1), (3, 'c', 0)",),
        (
            *(
                Shape(
                    "WITH k AS (SELECT count(*) AS x FROM uc) INSERT INTO uc VALUES ({id}, {code}, {small}),"
                    " ({id2}, {maybecode}, {small2}) ON CONFLICT (id) DO UPDATE SET n = uc.n + excluded.n"
                    f" WHERE {condition} RETURNING id, code, n",
                    tags=_UPSERT,
                    several=True,
                )
                for condition in (
                    "(SELECT count(*) FROM uc) = 3",
                    "(SELECT x FROM k) < 3",
                    "(SELECT sum(n) FROM uc) <= {small}::int",
                    "NOT EXISTS (SELECT FROM uc z WHERE z.n = excluded.n)",
                    f"to_jsonb(uc) - {_HIDDEN} <> to_jsonb(excluded) - {_HIDDEN}",
                    f"to_jsonb(uc) - 'n' - {_HIDDEN} <> to_jsonb(excluded) - 'n' - {_HIDDEN}",
                    'to_jsonb(excluded) @> \'{"n": 1, "where": 0}\' OR uc.n = 1',
                    "excluded.where = 1 OR uc.n = {small}::int",
                    "uc_seen() = 3",
                )
            ),
            *(
                Shape(
                    f"INSERT INTO uc (id, n, code) {source} ON CONFLICT {clause}", tags=_UPSERT, several=True
                )
                for clause in (
                    "DO NOTHING RETURNING id, n",
                    "(id) DO UPDATE SET n = 7 WHERE uc.n > 1 RETURNING id, n",
                )
                for source in (
                    "SELECT i, uc_seen(), {code} || i FROM generate_series(1, 5) i",
                    "VALUES ({id}, uc_rows(), {code})",
                )
            ),
            Shape("INSERT INTO uc VALUES ({id}, {code}, {small})", 2, several=True),
            Shape("UPDATE uc SET n = n + 1 WHERE id = {id}", 8),
            Shape('UPDATE uc SET "where" = 1 - "where" WHERE id = {id}', 4),
            Shape("SELECT id, code, n FROM uc ORDER BY id", 2, ordered=True),
        ),
        ("UPDATE uc SET n = n",),
        ("uc",),
    ),
    Family(
        "odd names",
        (f'CREATE TABLE {_W} ("Sel ect" int PRIMARY KEY, {_X} text UNIQUE, {_Q} text)',),
        (f"INSERT INTO {_W} VALUES (1, ')=(', 'one'), (2, 'a,b', 'two')",),
        (
            Shape(f"INSERT INTO {_W} VALUES ({{id}}, {{odd}}, {{word}})", 3),
            Shape(f'UPDATE {_W} SET {_X} = {{maybeodd}} WHERE "Sel ect" = {{id}}', 3),
            Shape(f'UPDATE {_W} SET {_Q} = {{word}} WHERE "Sel ect" = {{id}}', 2),
            Shape(f'DELETE FROM {_W} WHERE "Sel ect" = {{id}}'),
            Shape(
                f"INSERT INTO {_W} VALUES ({{id}}, {{odd}}, {{word}}) ON CONFLICT ({_X}) DO UPDATE SET {_Q} ="
                f" excluded.{_Q} RETURNING *",
                tags=_UPSERT,
            ),
            Shape(f"SELECT * FROM {_W} ORDER BY 1", 2, ordered=True),
        ),
        (f"UPDATE {_W} SET {_Q} = {_Q}",),
        ('Wei"rd T)=(',),
    ),
    Family(
        "domains",
        (
            "CREATE DOMAIN positive AS int CHECK (VALUE > 0)",
            "CREATE TABLE dm (id positive PRIMARY KEY, r varchar(10), s char(5) UNIQUE)",
        ),
        ("INSERT INTO dm VALUES (1, 'one', 'a'), (2, 'two', 'b')",),
        (
            Shape("INSERT INTO dm VALUES ({signed}, {letter}, {padded})", 3),
            Shape("UPDATE dm SET s = {padded} WHERE id = {id}", 2),
            Shape("UPDATE dm SET r = r || {letter} WHERE id = {id}", 2),
            Shape("UPDATE dm SET id = {signed} WHERE id = {id}"),
            Shape("DELETE FROM dm WHERE id = {id}"),
            Shape("SELECT id, r, s FROM dm ORDER BY id", 2, ordered=True),
        ),
        ("UPDATE dm SET r = r",),
        ("dm",),
    ),
)
