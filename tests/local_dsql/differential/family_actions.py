"""Every action of a foreign key, immediate and deferred, over a unique column that moves, and a self-reference."""

from __future__ import annotations

from tests.local_dsql.differential.shapes import Family, Shape, update_lock

_ACTIONS = ("NO ACTION", "RESTRICT", "CASCADE", "SET NULL", "SET DEFAULT")


def _child(number: int) -> str:
    on_delete, on_update = _ACTIONS[number % 5], _ACTIONS[(number * 2 + 1) % 5]
    deferred = ("", " DEFERRABLE INITIALLY DEFERRED", " DEFERRABLE INITIALLY IMMEDIATE")[number % 3]
    return (
        f"CREATE TABLE a{number} (id int PRIMARY KEY, code text DEFAULT 'a' REFERENCES ap (code)"
        f" ON DELETE {on_delete} ON UPDATE {on_update}{deferred}, w int)"
    )


def _family(number: int) -> Family:
    child = f"a{number}"
    parent = f"ap{number}"
    return Family(
        f"actions {number}",
        (
            f"CREATE TABLE {parent} (id int PRIMARY KEY, code text UNIQUE, w int)",
            _child(number).replace("REFERENCES ap ", f"REFERENCES {parent} "),
        ),
        (
            f"INSERT INTO {parent} VALUES (1, 'a', 0), (2, 'b', 0), (3, 'c', 0)",
            f"INSERT INTO {child} VALUES (1, 'a', 0), (2, 'b', 0), (3, NULL, 0)",
        ),
        (
            Shape(f"INSERT INTO {parent} VALUES ({{id}}, {{maybecode}}, 0)", 2),
            Shape(f"UPDATE {parent} SET code = {{maybecode}} WHERE id = {{id}}", 3),
            Shape(f"UPDATE {parent} SET code = 'z' WHERE id = {{id}}", 2),
            Shape(f"UPDATE {parent} SET id = {{newid}} WHERE id = {{id}}"),
            Shape(f"UPDATE {parent} SET w = w + 1 WHERE id = {{id}}", 2),
            Shape(f"DELETE FROM {parent} WHERE id = {{id}}", 2),
            Shape(f"DELETE FROM {parent} WHERE code = {{code}}", 2),
            Shape(f"INSERT INTO {child} VALUES ({{id}}, {{maybecode}}, 0)", 3),
            Shape(f"INSERT INTO {child} (id) VALUES ({{id}})"),
            Shape(f"UPDATE {child} SET code = {{maybecode}} WHERE id = {{id}}", 3),
            Shape(f"UPDATE {child} SET w = w + 1 WHERE id = {{id}}", 2),
            Shape(f"UPDATE {child} SET code = DEFAULT WHERE id = {{id}}"),
            Shape(f"DELETE FROM {child} WHERE id = {{id}}", 2),
            Shape(f"SELECT id, code, w FROM {parent} ORDER BY id", 2, ordered=True),
            Shape(f"SELECT id, code, w FROM {child} ORDER BY id", 2, ordered=True),
            Shape(
                f"SELECT id FROM {parent} WHERE code = {{code}} FOR UPDATE",
                locks=update_lock(parent, "WHERE code = {code}"),
            ),
            Shape("SET CONSTRAINTS ALL IMMEDIATE"),
            Shape("SET CONSTRAINTS ALL DEFERRED"),
        ),
        (f"UPDATE {parent} SET w = w", f"UPDATE {child} SET w = w"),
        (parent, child),
    )


_SELF = Family(
    "self reference",
    (
        "CREATE TABLE sf (id int PRIMARY KEY, k int UNIQUE, parent int REFERENCES sf (k) ON DELETE CASCADE"
        " ON UPDATE CASCADE DEFERRABLE INITIALLY IMMEDIATE, n int)",
    ),
    ("INSERT INTO sf VALUES (1, 1, NULL, 0), (2, 2, 1, 0), (3, 3, 2, 0)",),
    (
        Shape("INSERT INTO sf VALUES ({id}, {newid}, {ref}, 0)", 3),
        Shape("UPDATE sf SET parent = {ref}, n = n + 1 WHERE id = {id}", 2),
        Shape("UPDATE sf SET k = {newid} WHERE id = {id}", 2),
        Shape("UPDATE sf SET n = n + 1 WHERE parent = {id}"),
        Shape("DELETE FROM sf WHERE id = {id}", 2),
        Shape("SELECT id, k, parent, n FROM sf ORDER BY id", 3, ordered=True),
        Shape("SET CONSTRAINTS ALL DEFERRED"),
        Shape("SELECT id FROM sf WHERE k = {id} FOR UPDATE", locks=update_lock("sf", "WHERE k = {id}")),
    ),
    ("UPDATE sf SET n = n",),
    ("sf",),
)

ACTIONS = (*(_family(number) for number in range(10)), _SELF)
