"""Transactions that another session makes step aside: what they have done must come back as it was."""

from __future__ import annotations

from tests.local_dsql.differential.cases import ORPHAN, Case, a, b, case, suspend


def family(name: str, kind: str, action: str) -> list[str]:
    """Return a parent with a key of a type and a child."""
    return [
        f"CREATE TABLE {name}p (id {kind} PRIMARY KEY, w int)",
        f"CREATE TABLE {name}c (id int PRIMARY KEY, p {kind} REFERENCES {name}p (id) {action})",
    ]


CASCADES = "ON DELETE CASCADE ON UPDATE CASCADE"
_ROTATED = [
    "CREATE TABLE l3p (id int PRIMARY KEY, code text UNIQUE, w int)",
    "CREATE TABLE l3c (id int PRIMARY KEY, code text REFERENCES l3p (code) ON UPDATE SET NULL ON DELETE CASCADE)",
    "INSERT INTO l3p VALUES (1, 'a', 0), (2, 'b', 0)",
    "INSERT INTO l3c VALUES (1, 'a')",
]


def _given_on(action: str, kept: str) -> Case:
    """A unique code given to another row, and a new child of it."""
    return case(
        f"L3b: code given on, {action}",
        [
            "CREATE TABLE l4p (id int PRIMARY KEY, code int UNIQUE, w int)",
            "CREATE TABLE l4c (id int PRIMARY KEY, code int DEFAULT 0 REFERENCES l4p (code) ON UPDATE CASCADE"
            f" ON DELETE {action})",
            "INSERT INTO l4p VALUES (0, 0, 0), (1, 1, 0), (2, 2, 0)",
        ],
        a("BEGIN"),
        a("DELETE FROM l4p WHERE id = 1", "DELETE 1"),
        a("UPDATE l4p SET code = 1 WHERE id = 2", "UPDATE 1"),
        a("INSERT INTO l4c VALUES (7, 1)", "INSERT 0 1"),
        suspend("UPDATE l4p SET w = 3 WHERE id = 1"),
        a("SELECT id, code FROM l4c", [("7", kept)]),
        a("COMMIT", "COMMIT"),
        b("SELECT id, code FROM l4c", [("7", kept)]),
        b("SELECT id, code FROM l4p", [("0", "0"), ("2", "1")]),
    )


RESTORED = [
    case(
        "L1: key of timestamptz in another time zone",
        [
            *family("l1", "timestamptz", "ON DELETE CASCADE"),
            "INSERT INTO l1p VALUES ('2026-01-01 00:00Z', 1)",
            "INSERT INTO l1c VALUES (1, '2026-01-01 00:00Z')",
        ],
        a("SET TIME ZONE 'Asia/Tokyo'"),
        a("BEGIN"),
        a("UPDATE l1p SET w = 2 WHERE id = '2026-01-01 00:00Z'", "UPDATE 1"),
        suspend("UPDATE l1p SET w = 3"),
        a("SELECT id FROM l1c", [("1",)]),
        a("COMMIT", "COMMIT"),
        b("SELECT w FROM l1p", [("2",)]),
        b("SELECT id FROM l1c", [("1",)]),
    ),
    case(
        "L2: numeric key of another scale",
        [
            *family("l2", "numeric", CASCADES),
            "INSERT INTO l2p VALUES (1.0, 1)",
            "INSERT INTO l2c VALUES (1, 1.0)",
        ],
        a("BEGIN"),
        a("UPDATE l2p SET id = 1.00 WHERE id = 1", "UPDATE 1"),
        suspend("UPDATE l2p SET w = 3"),
        a("SELECT id FROM l2c", [("1",)]),
        a("COMMIT", "COMMIT"),
        b("SELECT id FROM l2p", [("1.00",)]),
        b("SELECT id FROM l2c", [("1",)]),
    ),
    case(
        "L2: minus zero",
        [
            *family("m19", "double precision", CASCADES),
            "INSERT INTO m19p VALUES (0, 0)",
            "INSERT INTO m19c VALUES (1, 0)",
        ],
        a("BEGIN"),
        a("UPDATE m19p SET id = '-0', w = 2", "UPDATE 1"),
        suspend("UPDATE m19p SET w = 5"),
        a("COMMIT", "COMMIT"),
        b("SELECT * FROM m19p", [("-0", "2")]),
        b("SELECT id FROM m19c", [("1",)]),
    ),
    case(
        "M18: padded key",
        [
            *family("m18", "char(5)", "ON DELETE CASCADE"),
            "INSERT INTO m18p VALUES ('a', 0)",
            "INSERT INTO m18c VALUES (1, 'a')",
        ],
        a("BEGIN"),
        a("UPDATE m18p SET id = 'a ', w = 2 WHERE id = 'a'", "UPDATE 1"),
        suspend("UPDATE m18p SET w = 5"),
        a("COMMIT", "COMMIT"),
        b("SELECT w FROM m18p", [("2",)]),
        b("SELECT id FROM m18c", [("1",)]),
    ),
    *(
        case(
            f"N2: deferred cascade, {name}",
            [
                "CREATE TABLE n2p (id int PRIMARY KEY, n int)",
                "CREATE TABLE n2c (id int PRIMARY KEY, p int REFERENCES n2p (id) ON DELETE CASCADE"
                " DEFERRABLE INITIALLY DEFERRED)",
                "INSERT INTO n2p VALUES (3, 0)",
                "INSERT INTO n2c VALUES (1, 3), (2, 3)",
            ],
            a("BEGIN"),
            a("UPDATE n2p SET id = 5 WHERE id = 3", "UPDATE 1"),
            suspend("UPDATE n2p SET n = 1 WHERE id = 3"),
            *steps,
        )
        for name, steps in (
            (
                "children re-keyed",
                (
                    a("UPDATE n2c SET p = 5 WHERE p = 3", "UPDATE 2"),
                    a("COMMIT", "COMMIT"),
                    b("SELECT * FROM n2c", [("1", "5"), ("2", "5")]),
                ),
            ),
            (
                "children left",
                (
                    a("COMMIT", ORPHAN),
                    b("SELECT id FROM n2p", [("3",)]),
                    b("SELECT * FROM n2c", [("1", "3"), ("2", "3")]),
                ),
            ),
            (
                "children left, checked at once",
                (a("SET CONSTRAINTS ALL IMMEDIATE", ORPHAN), a("ROLLBACK", "ROLLBACK")),
            ),
        )
    ),
    case(
        "L3: rotated unique code",
        _ROTATED,
        a("BEGIN"),
        a("UPDATE l3p SET code = 'z' WHERE id = 1", "UPDATE 1"),
        a("UPDATE l3p SET code = 'a' WHERE id = 2", "UPDATE 1"),
        a("UPDATE l3c SET code = 'a' WHERE id = 1", "UPDATE 1"),
        suspend("UPDATE l3p SET w = 3 WHERE id = 1"),
        a("SELECT code FROM l3c", [("a",)]),
        a("COMMIT", "COMMIT"),
        b("SELECT code FROM l3c", [("a",)]),
        b("SELECT id, code FROM l3p", [("1", "z"), ("2", "a")]),
    ),
    *(_given_on(action, "1") for action in ("CASCADE", "SET DEFAULT", "SET NULL", "RESTRICT", "NO ACTION")),
    case(
        "L3b: code given on, self-reference",
        [
            "CREATE TABLE m11 (id int PRIMARY KEY, k int UNIQUE, up int REFERENCES m11 (k) ON DELETE CASCADE, n int)",
            "INSERT INTO m11 VALUES (1, 1, NULL, 0), (2, 2, 1, 0)",
        ],
        a("BEGIN"),
        a("DELETE FROM m11 WHERE id = 1", "DELETE 1"),
        a("INSERT INTO m11 VALUES (3, 1, NULL, 0)", "INSERT 0 1"),
        a("INSERT INTO m11 VALUES (4, 4, 1, 0)", "INSERT 0 1"),
        suspend("UPDATE m11 SET n = 1 WHERE id = 1"),
        a("SELECT id FROM m11", [("3",), ("4",)]),
        a("COMMIT", "COMMIT"),
        b("SELECT id FROM m11", [("3",), ("4",)]),
    ),
    case(
        "L14: identity key drawn again",
        [
            "CREATE TABLE l14 (id bigint GENERATED ALWAYS AS IDENTITY (CACHE 1) PRIMARY KEY)",
            "INSERT INTO l14 DEFAULT VALUES",
            "INSERT INTO l14 DEFAULT VALUES",
        ],
        a("BEGIN"),
        a("UPDATE l14 SET id = DEFAULT WHERE id = 1 RETURNING id", [("3",)]),
        suspend("UPDATE l14 SET id = DEFAULT WHERE id = 1"),
        a("SELECT * FROM l14", [("2",), ("3",)]),
        a("COMMIT", "COMMIT"),
        a("SELECT * FROM l14", [("2",), ("3",)]),
        oracle=False,
    ),
    case(
        "L15: table without columns",
        ["CREATE TABLE l15 ()", "INSERT INTO l15 DEFAULT VALUES"],
        a("BEGIN"),
        a("DELETE FROM l15", "DELETE 1"),
        a("INSERT INTO l15 DEFAULT VALUES", "INSERT 0 1"),
        a("INSERT INTO l15 DEFAULT VALUES", "INSERT 0 1"),
        suspend("DELETE FROM l15"),
        a("SELECT count(*) FROM l15", [("2",)]),
        a("COMMIT", "COMMIT"),
        a("SELECT count(*) FROM l15", [("2",)]),
    ),
    case(
        "L16: identity column drawn again",
        [
            "CREATE TABLE l16 (id int PRIMARY KEY, n bigint GENERATED ALWAYS AS IDENTITY (CACHE 1), w int)",
            "INSERT INTO l16 (id, w) VALUES (1, 0)",
        ],
        a("BEGIN"),
        a("UPDATE l16 SET n = DEFAULT, w = 5 WHERE id = 1 RETURNING *", [("1", "2", "5")]),
        suspend("UPDATE l16 SET w = 9 WHERE id = 1"),
        a("SELECT * FROM l16", [("1", "2", "5")]),
        a("COMMIT", "COMMIT"),
        b("SELECT * FROM l16", [("1", "2", "5")]),
        oracle=False,
    ),
    case(
        "L17: large generated column",
        [
            "CREATE TABLE l17 (id int PRIMARY KEY, big text, h text GENERATED ALWAYS AS (md5(big)) STORED, w int)",
            "INSERT INTO l17 (id, big, w) SELECT 1, string_agg(md5(i::text), ''), 0 FROM generate_series(1, 3000) i",
        ],
        a("BEGIN"),
        a("UPDATE l17 SET w = 5", "UPDATE 1"),
        suspend("UPDATE l17 SET w = 9"),
        a("SELECT md5(big) = h, length(big), w FROM l17", [("t", "96000", "5")]),
        a("COMMIT", "COMMIT"),
        b("SELECT md5(big) = h, w FROM l17", [("t", "5")]),
    ),
    case(
        "E1: another client encoding",
        ["CREATE TABLE enc (id int PRIMARY KEY, t text, n int)", "INSERT INTO enc VALUES (1, U&'\\00E9', 0)"],
        a("SET client_encoding = 'LATIN1'"),
        a("BEGIN"),
        a("UPDATE enc SET n = 1 WHERE id = 1", "UPDATE 1"),
        suspend("UPDATE enc SET n = 2"),
        a("SELECT n FROM enc", [("1",)]),
        a("COMMIT", "COMMIT"),
        b("SELECT t = U&'\\00E9', n FROM enc", [("t", "1")]),
    ),
    case(
        "M9: unique values swapped by way of a third",
        ["CREATE TABLE m9 (id int PRIMARY KEY, u int UNIQUE)", "INSERT INTO m9 VALUES (1, 1), (2, 2)"],
        a("BEGIN"),
        a("UPDATE m9 SET u = 3 WHERE id = 1", "UPDATE 1"),
        a("UPDATE m9 SET u = 1 WHERE id = 2", "UPDATE 1"),
        a("UPDATE m9 SET u = 2 WHERE id = 1", "UPDATE 1"),
        suspend("UPDATE m9 SET u = 9 WHERE id = 1"),
        a("COMMIT", "COMMIT"),
        a("SELECT * FROM m9", [("1", "2"), ("2", "1")]),
    ),
    case(
        "M14: volatile defaults stay",
        [
            "CREATE TABLE m14 (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), at timestamptz DEFAULT now(), n int)",
            "CREATE TABLE m14copy (id uuid, at timestamptz)",
        ],
        a("BEGIN"),
        a("WITH i AS (INSERT INTO m14 (n) VALUES (1) RETURNING id, at) INSERT INTO m14copy SELECT * FROM i"),
        suspend("UPDATE m14 SET n = 2"),
        a("UPDATE m14 SET n = 3", "UPDATE 1"),
        a("COMMIT", "COMMIT"),
        b("SELECT count(*) FROM m14 JOIN m14copy USING (id, at) WHERE n = 3", [("1",)]),
    ),
    case(
        "M17: key moved away and made anew",
        [
            "CREATE TABLE m17 (id int PRIMARY KEY, n int)",
            f"CREATE TABLE m17c (id int PRIMARY KEY, p int REFERENCES m17 (id) {CASCADES}, v int)",
            "INSERT INTO m17 VALUES (1, 0)",
            "INSERT INTO m17c VALUES (1, 1, 0)",
        ],
        a("BEGIN"),
        a("UPDATE m17 SET id = 2 WHERE id = 1", "UPDATE 1"),
        a("INSERT INTO m17 VALUES (1, 9)", "INSERT 0 1"),
        a("INSERT INTO m17c VALUES (2, 1, 0)", "INSERT 0 1"),
        suspend("UPDATE m17 SET n = 5"),
        a("SELECT * FROM m17c", [("1", "2", "0"), ("2", "1", "0")]),
        a("COMMIT", "COMMIT"),
        b("SELECT * FROM m17c", [("1", "2", "0"), ("2", "1", "0")]),
    ),
    case(
        "key assigned, child set to NULL by another action",
        [
            "CREATE TABLE kap (id int PRIMARY KEY, code text UNIQUE, w int)",
            "CREATE TABLE kac (id int PRIMARY KEY, code text REFERENCES kap (code) ON DELETE SET NULL)",
            "INSERT INTO kap VALUES (1, 'a', 0)",
            "INSERT INTO kac VALUES (1, 'a')",
        ],
        a("BEGIN"),
        a("UPDATE kap SET id = 6 WHERE id = 1", "UPDATE 1"),
        suspend("UPDATE kap SET w = 1 WHERE id = 1"),
        a("SELECT id, code FROM kac", [("1", "a")]),
        a("COMMIT", "COMMIT"),
        b("SELECT id, code FROM kac", [("1", "a")]),
    ),
    case(
        "P7: one of several equal rows",
        ["CREATE TABLE p7 (a int, t text)", "INSERT INTO p7 VALUES (1, 'x'), (1, 'x'), (1, 'x')"],
        a("BEGIN"),
        a("UPDATE p7 SET t = 'y' WHERE ctid = (SELECT min(ctid) FROM p7)", "UPDATE 1"),
        suspend("UPDATE p7 SET t = 'z'"),
        a("SELECT t FROM p7", [("x",), ("x",), ("y",)]),
        a("COMMIT", "COMMIT"),
        b("SELECT t FROM p7", [("x",), ("x",), ("y",)]),
    ),
    case(
        "P8: the place in a partial unique index changes hands",
        [
            "CREATE TABLE p8 (id int PRIMARY KEY, e text, active bool)",
            "CREATE UNIQUE INDEX ASYNC p8u ON p8 (e) WHERE active",
            "INSERT INTO p8 VALUES (1, 'a', true), (2, 'a', false)",
        ],
        a("BEGIN"),
        a("UPDATE p8 SET active = false WHERE id = 1", "UPDATE 1"),
        a("UPDATE p8 SET active = true WHERE id = 2", "UPDATE 1"),
        suspend("UPDATE p8 SET e = e"),
        a("COMMIT", "COMMIT"),
        b("SELECT id FROM p8 WHERE active", [("2",)]),
        a("BEGIN"),
        a("UPDATE p8 SET active = false WHERE id = 2", "UPDATE 1"),
        a("UPDATE p8 SET active = true WHERE id = 1", "UPDATE 1"),
        suspend("UPDATE p8 SET e = e"),
        a("COMMIT", "COMMIT"),
        b("SELECT id FROM p8 WHERE active", [("1",)]),
    ),
    case(
        "P9: values rotated in an index on an expression",
        [
            "CREATE TABLE p9 (id int PRIMARY KEY, e text)",
            "CREATE UNIQUE INDEX ASYNC p9u ON p9 (lower(e))",
            "INSERT INTO p9 VALUES (1, 'a'), (2, 'b')",
        ],
        a("BEGIN"),
        a("UPDATE p9 SET e = 'c' WHERE id = 1", "UPDATE 1"),
        a("UPDATE p9 SET e = 'A' WHERE id = 2", "UPDATE 1"),
        a("UPDATE p9 SET e = 'B' WHERE id = 1", "UPDATE 1"),
        suspend("UPDATE p9 SET e = e"),
        a("COMMIT", "COMMIT"),
        b("SELECT * FROM p9", [("1", "B"), ("2", "A")]),
    ),
]
