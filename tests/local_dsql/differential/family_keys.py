"""A parent and children for every type that may be a key, whose values have several texts."""

from __future__ import annotations

from tests.local_dsql.differential.shapes import Family, Shape, share_lock, update_lock
from tests.local_dsql.differential.values import TYPES

_DOMAINS = {
    "posint": "CREATE DOMAIN posint AS int CHECK (VALUE > 0)",
    "colour": "CREATE DOMAIN colour AS text CHECK (VALUE IN ('red', 'green', 'blue'))",
}


def _shapes(kind: str) -> tuple[Shape, ...]:
    parent, cascade, null, key = f"k_{kind}", f"kc_{kind}", f"kn_{kind}", f"{{key{kind}}}"
    other = f"{{key{kind}2}}"
    return (
        Shape(f"INSERT INTO {parent} VALUES ({key}, {{small}})", 2),
        Shape(f"UPDATE {parent} SET w = w + 1 WHERE id = {key}", 3),
        Shape(f"UPDATE {parent} SET id = {other} WHERE id = {key} RETURNING id", 2),
        Shape(f"DELETE FROM {parent} WHERE id = {key}", 2),
        Shape(
            f"INSERT INTO {parent} AS k VALUES ({key}, 0) ON CONFLICT (id) DO UPDATE SET w = k.w + 1 RETURNING w",
            tags=frozenset({"upsert"}),
        ),
        Shape(f"SELECT id, w FROM {parent} ORDER BY id, w", 2, ordered=True),
        Shape(
            f"SELECT id FROM {parent} WHERE id = {key} FOR UPDATE",
            locks=update_lock(parent, f"WHERE id = {key}"),
        ),
        Shape(f"SELECT id FROM {parent} FOR KEY SHARE", locks=share_lock(parent, "")),
        *(
            shape
            for child in (cascade, null)
            for shape in (
                Shape(f"INSERT INTO {child} VALUES ({{id}}, {key})", 2),
                Shape(f"UPDATE {child} SET p = {key} WHERE id = {{id}}"),
                Shape(f"UPDATE {child} SET id = {{newid}} WHERE id = {{id}}"),
                Shape(f"DELETE FROM {child} WHERE p = {key}"),
                Shape(
                    f"SELECT c.id, c.p, k.w FROM {child} c LEFT JOIN {parent} k ON k.id = c.p ORDER BY 1",
                    ordered=True,
                ),
            )
        ),
    )


def _family(kind: str) -> Family:
    declared, values = TYPES[kind]
    parent, cascade, null = f"k_{kind}", f"kc_{kind}", f"kn_{kind}"
    first, second = (value.replace("'", "''") for value in (values[0], values[1]))
    return Family(
        f"key {kind}",
        (
            *([_DOMAINS[kind]] if kind in _DOMAINS else []),
            f"CREATE TABLE {parent} (id {declared} PRIMARY KEY, w int)",
            f"CREATE TABLE {cascade} (id int PRIMARY KEY, p {declared} REFERENCES {parent} (id)"
            " ON DELETE CASCADE ON UPDATE CASCADE)",
            f"CREATE TABLE {null} (id int PRIMARY KEY, p {declared} REFERENCES {parent} (id)"
            " ON DELETE SET NULL ON UPDATE SET NULL)",
        ),
        (
            f"INSERT INTO {parent} VALUES ('{first}', 0) ON CONFLICT DO NOTHING",
            f"INSERT INTO {parent} VALUES ('{second}', 0) ON CONFLICT DO NOTHING",
            f"INSERT INTO {cascade} VALUES (1, '{first}')",
            f"INSERT INTO {null} VALUES (1, '{first}')",
        ),
        _shapes(kind),
        (f"UPDATE {parent} SET w = w",),
        (parent, cascade, null),
    )


_COMPOSITE = Family(
    "key composite",
    (
        "CREATE TABLE kk (a numeric, b text, w int, PRIMARY KEY (a, b))",
        "CREATE TABLE kkc (id int PRIMARY KEY, a numeric, b text, FOREIGN KEY (a, b) REFERENCES kk (a, b)"
        " MATCH FULL ON DELETE CASCADE ON UPDATE CASCADE)",
        "CREATE TABLE kkd (id int PRIMARY KEY, a numeric DEFAULT 1, b text DEFAULT 'x', FOREIGN KEY (a, b)"
        " REFERENCES kk (a, b) ON DELETE SET NULL (b) ON UPDATE SET DEFAULT)",
    ),
    (
        "INSERT INTO kk VALUES (1.0, 'x', 0), (1.00, ')=(', 0), (2, 'a, b', 0)",
        "INSERT INTO kkc VALUES (1, 1, 'x'), (2, 2, 'a, b')",
        "INSERT INTO kkd VALUES (1, 1, 'x')",
    ),
    (
        Shape("INSERT INTO kk VALUES ({keynumeric}, {odd}, {small})", 2),
        Shape("INSERT INTO kk VALUES ({keynumeric}, {letter}, {small})", 2),
        Shape("UPDATE kk SET w = w + 1 WHERE a = {keynumeric}", 2),
        Shape("UPDATE kk SET a = {keynumeric} WHERE b = {letter}", several=True),
        Shape("UPDATE kk SET a = {keynumeric} WHERE a = {keynumeric2} AND b = {odd}"),
        Shape("DELETE FROM kk WHERE a = {keynumeric}", 2, several=True),
        Shape("INSERT INTO kkc VALUES ({id}, {keynumeric}, {letter})", 2),
        Shape("INSERT INTO kkc VALUES ({id}, {keynumeric}, {maybeodd})"),
        Shape("INSERT INTO kkd VALUES ({id}, {keynumeric}, {maybeodd})"),
        Shape("INSERT INTO kkd VALUES ({id})"),
        Shape("DELETE FROM kkc WHERE id = {id}"),
        Shape("DELETE FROM kkd WHERE id = {id}"),
        Shape("SELECT a, b, w FROM kk ORDER BY 1, 2", 2, ordered=True),
        Shape("SELECT c.*, d.* FROM kkc c FULL JOIN kkd d USING (id) ORDER BY c.id, d.id", 2, ordered=True),
        Shape("SELECT a, b FROM kk WHERE b = {odd} FOR UPDATE", locks=update_lock("kk", "WHERE b = {odd}")),
    ),
    ("UPDATE kk SET w = w",),
    ("kk", "kkc", "kkd"),
)

KEYS = (*(_family(kind) for kind in TYPES), _COMPOSITE)
