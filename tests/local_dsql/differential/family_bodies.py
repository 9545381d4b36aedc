"""Writes and locks in bodies in PL/pgSQL: handlers, dynamic SQL, loops, blocks that are undone."""

from __future__ import annotations

from tests.local_dsql.differential.shapes import Family, Shape, update_lock

BODIES = (
    Family(
        "bodies",
        (
            "CREATE TABLE bw (id int PRIMARY KEY, n int)",
            "CREATE TABLE bl (id int PRIMARY KEY, bw int REFERENCES bw (id))",
            "CREATE FUNCTION added(i int) RETURNS int LANGUAGE plpgsql AS $$ DECLARE v int; BEGIN"
            " UPDATE bw SET n = n + 10 WHERE id = i RETURNING n INTO v; RETURN v; END $$",
            "CREATE FUNCTION added_dynamic(i int) RETURNS int LANGUAGE plpgsql AS $$ DECLARE v int; BEGIN"
            " EXECUTE format('UPDATE %I SET n = n + 100 WHERE id = $1 RETURNING n', 'bw') INTO v USING i;"
            " RETURN v; END $$",
            "CREATE FUNCTION added_safely(i int) RETURNS int LANGUAGE plpgsql AS $$ DECLARE v int; BEGIN"
            " BEGIN UPDATE bw SET n = n + 1 WHERE id = i RETURNING n INTO v; EXCEPTION WHEN OTHERS THEN RETURN -1; END;"
            " RETURN v; END $$",
            "CREATE FUNCTION undone(i int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN"
            " BEGIN UPDATE bw SET n = n + 1000 WHERE id = i; BEGIN UPDATE bw SET n = n + 7 WHERE id = i;"
            " RAISE EXCEPTION 'no'; EXCEPTION WHEN raise_exception THEN UPDATE bw SET n = n + 1 WHERE id = i; END;"
            " END; RETURN (SELECT n FROM bw WHERE id = i); END $$",
            "CREATE FUNCTION put(i int, v int) RETURNS text LANGUAGE plpgsql AS $$ BEGIN"
            " BEGIN INSERT INTO bw VALUES (i, v); EXCEPTION WHEN unique_violation THEN"
            " UPDATE bw SET n = v WHERE id = i; END; RETURN 'put'; END $$",
            "CREATE FUNCTION removed(i int) RETURNS text LANGUAGE plpgsql AS $$ BEGIN"
            " BEGIN DELETE FROM bw WHERE id = i; EXCEPTION WHEN foreign_key_violation THEN RETURN 'kept'; END;"
            " RETURN 'removed'; END $$",
            "CREATE FUNCTION held(i int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN"
            " BEGIN PERFORM id FROM bw WHERE id = i FOR UPDATE; EXCEPTION WHEN OTHERS THEN RETURN -1; END;"
            " RETURN i; END $$",
            "CREATE FUNCTION looped() RETURNS int LANGUAGE plpgsql AS $$ DECLARE r record; c int := 0; BEGIN"
            " FOR r IN SELECT id FROM bw WHERE n < 5 ORDER BY id LOOP UPDATE bw SET n = n + 1 WHERE id = r.id;"
            " c := c + 1; END LOOP; RETURN c; END $$",
            "CREATE PROCEDURE called(i int) LANGUAGE plpgsql AS $$ BEGIN PERFORM added(i); END $$",
        ),
        ("INSERT INTO bw VALUES (1, 0), (2, 0), (3, 0)", "INSERT INTO bl VALUES (1, 1)"),
        (
            Shape("SELECT added({id})", 2),
            Shape("SELECT added_dynamic({id})", 2),
            Shape("SELECT added_safely({id})", 3),
            Shape("SELECT undone({id})", 2),
            Shape("SELECT put({id}, {small})", 2),
            Shape("SELECT removed({id})", 2),
            Shape("SELECT held({id})", 2, locks=update_lock("bw", "WHERE id = {id}")),
            Shape("SELECT looped()"),
            Shape("CALL called({id}::int)"),
            Shape("DO $$ BEGIN PERFORM added(1); END $$", simple=True),
            Shape("INSERT INTO bl VALUES ({id}, {ref})", 2),
            Shape("UPDATE bl SET bw = {ref} WHERE id = {id}"),
            Shape("INSERT INTO bw VALUES ({id}, {small})"),
            Shape("SELECT id, n FROM bw ORDER BY id", 3, ordered=True),
            Shape("SELECT id, bw FROM bl ORDER BY id", ordered=True),
        ),
        ("UPDATE bw SET n = n",),
        ("bw", "bl"),
    ),
)
