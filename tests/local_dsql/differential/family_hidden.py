"""Writes that no word of the statement shows: functional notation, domains, views, CHECK expressions of functions."""

from __future__ import annotations

from tests.local_dsql.differential.shapes import Family, Shape, update_lock

HIDDEN = (
    Family(
        "hidden writes",
        (
            "CREATE TABLE hw (id int PRIMARY KEY, n int)",
            "CREATE TABLE hl (id int PRIMARY KEY, hw int REFERENCES hw (id))",
            "CREATE FUNCTION pay(r hw) RETURNS int LANGUAGE sql"
            " AS 'UPDATE hw SET n = n + 10 WHERE id = r.id RETURNING n'",
            "CREATE FUNCTION raised(i int) RETURNS boolean LANGUAGE sql"
            " AS 'UPDATE hw SET n = n + 100 WHERE id = i RETURNING true'",
            "CREATE DOMAIN writing AS int CHECK (raised(VALUE))",
            "CREATE FUNCTION kept(i int) RETURNS int LANGUAGE sql AS 'SELECT id FROM hw WHERE id = i FOR UPDATE'",
            "CREATE FUNCTION drops(i int) RETURNS bigint LANGUAGE sql"
            " AS 'WITH d AS (DELETE FROM hl WHERE hw = i RETURNING 1) SELECT count(*) FROM d'",
            "CREATE VIEW hv AS SELECT id AS ident, n AS amount FROM hw",
            "CREATE VIEW hk AS SELECT kept(id) AS id FROM hw",
        ),
        ("INSERT INTO hw VALUES (1, 0), (2, 0), (3, 0)", "INSERT INTO hl VALUES (1, 1)"),
        (
            Shape("SELECT t.pay FROM hw t WHERE t.id = {id}", 3),
            Shape("SELECT {id}::writing", 2),
            Shape("SELECT drops({id})"),
            Shape("SELECT kept({id})", 2, locks=update_lock("hw", "WHERE id = {id}")),
            Shape("SELECT id FROM hk ORDER BY id", ordered=True, locks=update_lock("hw", "")),
            Shape("UPDATE hv SET amount = amount + 1 WHERE ident = {id}", 2),
            Shape("UPDATE hv SET ident = {newid} WHERE ident = {id}"),
            Shape("INSERT INTO hv VALUES ({id}, {small})"),
            Shape("DELETE FROM hv WHERE ident = {id}"),
            Shape("INSERT INTO hl VALUES ({id}, {ref})", 2),
            Shape("UPDATE hl SET hw = {ref} WHERE id = {id}"),
            Shape("SELECT id, n FROM hw ORDER BY id", 3, ordered=True),
            Shape("SELECT id, hw FROM hl ORDER BY id", ordered=True),
        ),
        ("UPDATE hw SET n = n",),
        ("hw", "hl"),
    ),
)
