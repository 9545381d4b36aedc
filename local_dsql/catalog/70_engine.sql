-- The powers of the optimistic concurrency engine (local_dsql/engine). A client's backend is logged in as the client's own
-- role and nothing changes that; what the engine has to do within a client's transaction beyond the client's rights are the
-- functions below. Each wants a token that the engine draws when it starts and sends as a bound parameter, so it is in no
-- query text; check_token, replaced at every start, knows its hash alone. Until then it accepts nothing.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'local_dsql_engine') THEN
        CREATE ROLE local_dsql_engine NOLOGIN NOINHERIT;
        CREATE ROLE local_dsql_control LOGIN;
    END IF;
END
$$;
ALTER ROLE local_dsql_engine INHERIT;
GRANT pg_read_all_data, pg_write_all_data TO local_dsql_engine;
GRANT SET ON PARAMETER session_replication_role TO local_dsql_engine;
-- The engine's own connections look at locks and at the log, and end backends. They touch no table of a client.
GRANT pg_monitor, pg_signal_backend TO local_dsql_control;
GRANT SELECT ON pg_catalog.pg_locks, pg_catalog.pg_stat_activity TO local_dsql_control;
GRANT EXECUTE ON FUNCTION pg_catalog.pg_lock_status(), pg_catalog.pg_stat_get_activity(int), pg_catalog.pg_logical_emit_message(boolean, text, text),
    pg_catalog.pg_terminate_backend(int, bigint), pg_catalog.pg_cancel_backend(int) TO local_dsql_control;

CREATE SCHEMA local_dsql_engine AUTHORIZATION local_dsql_engine;
GRANT USAGE ON SCHEMA local_dsql_engine TO PUBLIC;

CREATE FUNCTION local_dsql_engine.check_token(token text) RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE insufficient_privilege USING MESSAGE = 'permission denied';
END
$$;

-- Returns images: `statement` gives one array of rows of the type of `shape`.
CREATE FUNCTION local_dsql_engine.read_rows(token text, shape anyelement, statement text, places tid[]) RETURNS anyarray
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM local_dsql_engine.check_token(token);
    EXECUTE statement INTO $0 USING places;
    RETURN $0;
END
$$;

-- Switches the CHECKs of a table off or on for this backend: rows that are restored were checked when they were made. No lock
-- on the definition is taken, so no other session waits. PostgreSQL reads as many CHECKs of a table as pg_class counts, in the
-- order of their names, and warns if there are more: these come first, and are always true. A row of a foreign key, inserted
-- and deleted at once, makes PostgreSQL read the table's definition again. None of the rows stays.
CREATE TABLE local_dsql.unchecked (CHECK (true));
CREATE FUNCTION local_dsql_engine.skip_checks(token text, relation oid, skip boolean) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    prefix CONSTANT text := format(E'\x01%s_', pg_backend_pid());
BEGIN
    PERFORM local_dsql_engine.check_token(token);
    IF NOT skip THEN
        DELETE FROM pg_constraint WHERE conrelid = relation AND starts_with(conname, prefix);
    END IF;
    INSERT INTO pg_constraint (oid, conname, connamespace, contype, condeferrable, condeferred, convalidated, conrelid, contypid,
        conindid, conparentid, confrelid, confupdtype, confdeltype, confmatchtype, conislocal, coninhcount, connoinherit, conbin)
    SELECT pg_nextoid('pg_constraint', 'oid', 'pg_constraint_oid_index'), prefix || made.number, k.connamespace, made.type,
        false, false, true, relation, 0, 0, 0, 0, ' ', ' ', ' ', true, 0, false, k.conbin
    FROM pg_constraint k, pg_class c, LATERAL (SELECT 0, 'f'::"char" UNION ALL
        SELECT generate_series(1, CASE WHEN skip THEN c.relchecks ELSE 0 END), 'c') made(number, type)
    WHERE k.conrelid = 'local_dsql.unchecked'::regclass AND c.oid = relation;
    DELETE FROM pg_constraint WHERE conrelid = relation AND conname = prefix || 0;
END
$$;

-- Runs a statement with places and images, foreign keys not acting, and returns how many rows it had. `unchecked` is the table
-- whose CHECKs it leaves out, 0 for none.
CREATE FUNCTION local_dsql_engine.write_rows(token text, statement text, places tid[], images anyarray, unchecked oid)
RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET session_replication_role = replica SET client_min_messages = error AS $$
DECLARE
    number bigint;
BEGIN
    PERFORM local_dsql_engine.check_token(token);
    IF unchecked <> 0 THEN
        PERFORM local_dsql_engine.skip_checks(token, unchecked, true);
    END IF;
    EXECUTE statement USING places, images;
    GET DIAGNOSTICS number = ROW_COUNT;
    IF unchecked <> 0 THEN
        PERFORM local_dsql_engine.skip_checks(token, unchecked, false);
    END IF;
    RETURN number;
END
$$;

-- The same for a table whose CHECKs, domains or indexes call code of clients: that runs as the owner of the table.
CREATE FUNCTION local_dsql_engine.write_rows_as(
    token text, owner oid, namespace text, statement text, places tid[], images anyarray, unchecked oid) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET session_replication_role = replica SET client_min_messages = error AS $$
DECLARE
    number bigint;
BEGIN
    PERFORM local_dsql_engine.check_token(token);
    IF unchecked <> 0 THEN
        PERFORM local_dsql_engine.skip_checks(token, unchecked, true);
    END IF;
    EXECUTE format('SELECT local_dsql_engine.%I($1, $2, $3, $4)', 'as_' || owner) INTO number
        USING namespace, statement, places, images;
    IF unchecked <> 0 THEN
        PERFORM local_dsql_engine.skip_checks(token, unchecked, false);
    END IF;
    RETURN number;
END
$$;

ALTER FUNCTION local_dsql_engine.check_token(text) OWNER TO local_dsql_engine;
ALTER FUNCTION local_dsql_engine.read_rows(text, anyelement, text, tid[]) OWNER TO local_dsql_engine;
ALTER FUNCTION local_dsql_engine.write_rows(text, text, tid[], anyarray, oid) OWNER TO local_dsql_engine;
ALTER FUNCTION local_dsql_engine.write_rows_as(text, oid, text, text, tid[], anyarray, oid) OWNER TO local_dsql_engine;

-- Like skip_checks it has a superuser's rights, and constant statements. What it changes is never committed.
CREATE FUNCTION local_dsql_engine.set_unique(token text, indexes oid[], value boolean) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM local_dsql_engine.check_token(token);
    UPDATE pg_catalog.pg_index SET indisunique = value WHERE indexrelid = ANY (indexes);
END
$$;

-- Switches off what PostgreSQL does with a new row of a table besides storing it: the triggers, which are those of foreign keys
-- alone, and the entries in indexes. Queries still read the indexes, which lack the row. Never committed, like set_unique.
CREATE FUNCTION local_dsql_engine.store_rows_only(token text, relation oid) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM local_dsql_engine.check_token(token);
    UPDATE pg_catalog.pg_class SET relhastriggers = false WHERE oid = relation;
    UPDATE pg_catalog.pg_index SET indisready = false WHERE indrelid = relation;
END
$$;

-- The catalog, read with a search_path that no client can change.
CREATE FUNCTION local_dsql_engine.tables(files bigint[], OUT oid bigint, OUT file bigint, OUT namespace text, OUT name text,
    OUT row_type bigint, OUT array_type bigint, OUT owner bigint, OUT columns text[], OUT assignable text[],
    OUT identity text[], OUT key text[], OUT runs_code boolean, OUT checks_vary boolean)
RETURNS SETOF record LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
SELECT c.oid::bigint, pg_relation_filenode(c.oid)::bigint, n.nspname::text, c.relname::text, t.oid::bigint,
    t.typarray::bigint, c.relowner::bigint,
    ARRAY(SELECT attname::text FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped
        AND attgenerated = '' ORDER BY attnum),
    ARRAY(SELECT attname::text FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped
        AND attgenerated = '' AND attidentity <> 'a' ORDER BY attnum),
    ARRAY(SELECT attname::text FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped
        AND attidentity = 'a' ORDER BY attnum),
    ARRAY(SELECT a.attname::text FROM pg_index i CROSS JOIN unnest(i.indkey::int2[]) WITH ORDINALITY u(number, k)
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = u.number
        WHERE i.indrelid = c.oid AND i.indisprimary AND u.k <= i.indnkeyatts ORDER BY u.k),
    EXISTS (SELECT FROM pg_depend d WHERE d.refclassid = 'pg_proc'::regclass AND d.refobjid >= 16384
        AND (d.classid, d.objid) IN (SELECT 'pg_constraint'::regclass, k.oid FROM pg_constraint k WHERE k.conrelid = c.oid
            UNION ALL SELECT 'pg_class'::regclass, x.indexrelid FROM pg_index x WHERE x.indrelid = c.oid
            UNION ALL SELECT 'pg_attrdef'::regclass, f.oid FROM pg_attrdef f WHERE f.adrelid = c.oid))
    OR EXISTS (SELECT FROM pg_attribute a JOIN pg_type y ON y.oid = a.atttypid WHERE a.attrelid = c.oid AND y.typtype = 'd'),
    -- A CHECK that has more than operators and functions of PostgreSQL that are immutable.
    EXISTS (SELECT FROM pg_constraint k WHERE k.conrelid = c.oid AND k.contype = 'c' AND (k.conbin::text ~
        '\{(?!(VAR|CONST|OPEXPR|FUNCEXPR|BOOLEXPR|NULLTEST|RELABELTYPE|SCALARARRAYOPEXPR|ARRAYEXPR) )[A-Z]'
        OR EXISTS (SELECT FROM regexp_matches(k.conbin::text, ':(?:funcid|opfuncid) (\d+)', 'g') f
            JOIN pg_proc p ON p.oid = f[1]::oid WHERE p.provolatile <> 'i' OR p.oid >= 16384)))
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_type t ON t.oid = c.reltype
WHERE c.relkind = 'r' AND c.oid >= 16384 AND n.nspname <> 'local_dsql' AND pg_relation_filenode(c.oid) = ANY (files::oid[])
$$;

CREATE FUNCTION local_dsql_engine.file_of(namespace text, relation text) RETURNS bigint
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
SELECT pg_relation_filenode(c.oid)::bigint FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = namespace AND c.relname = relation
$$;

CREATE FUNCTION local_dsql_engine.unique_indexes(tables bigint[], OUT oid bigint, OUT relation bigint, OUT name text,
    OUT nulls_equal boolean, OUT immediate boolean, OUT of_columns boolean, OUT predicate text, OUT keys text[],
    OUT operators text[], OUT collations text[], OUT columns text[])
RETURNS SETOF record LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
SELECT i.indexrelid::bigint, i.indrelid::bigint, x.relname::text, i.indnullsnotdistinct, i.indimmediate,
    i.indpred IS NULL AND i.indexprs IS NULL, coalesce(pg_get_expr(i.indpred, i.indrelid), 'true'),
    ARRAY(SELECT pg_get_indexdef(i.indexrelid, k, true) FROM generate_series(1, i.indnkeyatts) k),
    ARRAY(SELECT format('OPERATOR(%I.%s)', s.nspname, o.oprname) FROM unnest(i.indclass::oid[]) WITH ORDINALITY u(class, k)
        JOIN pg_opclass c ON c.oid = u.class JOIN pg_amop a ON a.amopfamily = c.opcfamily AND a.amoplefttype = c.opcintype
        AND a.amoprighttype = c.opcintype AND a.amopstrategy = 3 JOIN pg_operator o ON o.oid = a.amopopr
        JOIN pg_namespace s ON s.oid = o.oprnamespace WHERE u.k <= i.indnkeyatts ORDER BY u.k),
    ARRAY(SELECT CASE WHEN c.oid IS NULL THEN '' ELSE format(' COLLATE %I.%I', s.nspname, c.collname) END
        FROM unnest(i.indcollation::oid[]) WITH ORDINALITY u(collation_oid, k)
        LEFT JOIN pg_collation c ON c.oid = u.collation_oid LEFT JOIN pg_namespace s ON s.oid = c.collnamespace
        WHERE u.k <= i.indnkeyatts ORDER BY u.k),
    CASE WHEN 0 = ANY ((i.indkey::int2[])[0:i.indnkeyatts - 1]) THEN '{}' ELSE ARRAY(SELECT a.attname::text
        FROM unnest(i.indkey::int2[]) WITH ORDINALITY u(number, k) JOIN pg_attribute a ON a.attrelid = i.indrelid
        AND a.attnum = u.number WHERE u.k <= i.indnkeyatts ORDER BY u.k) END
FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid
WHERE i.indisunique AND i.indrelid = ANY (tables::oid[])
$$;

CREATE FUNCTION local_dsql_engine.foreign_keys(OUT name text, OUT child bigint, OUT parent bigint, OUT is_deferrable boolean,
    OUT columns text[], OUT targets text[], OUT child_file bigint, OUT parent_file bigint, OUT acts boolean)
RETURNS SETOF record LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
SELECT k.conname::text, k.conrelid::bigint, k.confrelid::bigint, k.condeferrable,
    ARRAY(SELECT a.attname::text FROM unnest(k.conkey) WITH ORDINALITY u(number, o)
        JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.number ORDER BY u.o),
    ARRAY(SELECT a.attname::text FROM unnest(k.confkey) WITH ORDINALITY u(number, o)
        JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = u.number ORDER BY u.o),
    pg_relation_filenode(k.conrelid)::bigint, pg_relation_filenode(k.confrelid)::bigint,
    k.confdeltype NOT IN ('a', 'r') OR k.confupdtype NOT IN ('a', 'r')
-- A table that was dropped since the snapshot has rows in it, and no file any more.
FROM pg_constraint k WHERE k.contype = 'f'
    AND pg_relation_filenode(k.conrelid) IS NOT NULL AND pg_relation_filenode(k.confrelid) IS NOT NULL
$$;

-- Whether anything may change or lock rows that no statement shows: an action of a foreign key, a function of a client, or a
-- view with a locking clause. PostgreSQL refuses writes in functions that are not VOLATILE. Whether a body has a handler, with
-- its guard. The names of the routines that may have an upsert: the body has the word CONFLICT, or the name of such a routine. And
-- the names of the procedures of clients that may end transactions: the body has the word, or CALL and the name of such a
-- procedure.
CREATE FUNCTION local_dsql_engine.hidden_writes(OUT by_keys boolean, OUT by_functions boolean, OUT by_views boolean,
    OUT handles_errors boolean, OUT upserting text[], OUT committing text[])
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
WITH RECURSIVE routine AS MATERIALIZED (
    SELECT lower(p.proname::text) AS name, p.prokind, p.provolatile, p.prosrc,
        coalesce(pg_get_function_sqlbody(p.oid), p.prosrc) AS body
    FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
    WHERE p.oid >= 16384 AND n.nspname NOT IN ('pg_catalog', 'sys', 'local_dsql', 'local_dsql_engine')
), committing AS (
    SELECT name FROM routine WHERE prokind = 'p' AND prosrc ~* '\m(commit|rollback)\M'
    UNION
    SELECT r.name FROM routine r, committing c
    WHERE r.prokind = 'p' AND r.prosrc ~* '\mcall\M' AND strpos(lower(r.prosrc), c.name) > 0
), upserting AS (
    SELECT name FROM routine WHERE body ~* '\mconflict\M'
    UNION
    SELECT r.name FROM routine r, upserting u WHERE strpos(lower(r.body), u.name) > 0
)
SELECT EXISTS (SELECT FROM pg_constraint WHERE contype = 'f' AND (confdeltype NOT IN ('a', 'r') OR confupdtype NOT IN ('a', 'r'))),
    EXISTS (SELECT FROM routine WHERE provolatile = 'v'),
    EXISTS (SELECT FROM pg_rewrite WHERE ev_class >= 16384 AND ev_action::text LIKE '%:rowMarks ({%'),
    EXISTS (SELECT FROM routine WHERE strpos(prosrc, 'local_dsql_engine.is_conflict(') > 0),
    ARRAY(SELECT name FROM upserting),
    ARRAY(SELECT name FROM committing)
$$;

-- The names of the functions of clients that other objects call: defaults, generated columns, CHECKs, domains, indexes and views.
-- And the names that a statement must mention to reach them: of tables, views, domains, parents with actions on such tables, and
-- of all routines, which may mention those. And whether a domain is among the objects: a bound value may have its type, of which
-- no text has the name.
CREATE FUNCTION local_dsql_engine.hidden_calls(OUT called text[], OUT reached_by text[], OUT by_domains boolean)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
WITH RECURSIVE routine AS (
    SELECT p.oid, lower(p.proname::text) AS name FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
    WHERE p.oid >= 16384 AND n.nspname NOT IN ('pg_catalog', 'sys', 'local_dsql', 'local_dsql_engine')
), call AS MATERIALIZED (
    SELECT r.name, d.classid, d.objid FROM routine r JOIN pg_depend d ON d.refclassid = 'pg_proc'::regclass AND d.refobjid = r.oid
    WHERE d.classid <> 'pg_proc'::regclass
), hiding AS (
    SELECT o.place FROM call c, LATERAL (
        SELECT c.objid AS place WHERE c.classid = 'pg_type'::regclass
        UNION ALL SELECT adrelid FROM pg_attrdef WHERE c.classid = 'pg_attrdef'::regclass AND oid = c.objid
        UNION ALL SELECT greatest(conrelid, contypid) FROM pg_constraint WHERE c.classid = 'pg_constraint'::regclass AND oid = c.objid
        UNION ALL SELECT indrelid FROM pg_index WHERE c.classid = 'pg_class'::regclass AND indexrelid = c.objid
        UNION ALL SELECT ev_class FROM pg_rewrite WHERE c.classid = 'pg_rewrite'::regclass AND oid = c.objid) o
    UNION
    SELECT o.place FROM hiding h, LATERAL (
        SELECT oid AS place FROM pg_type WHERE typbasetype = h.place
        UNION ALL SELECT attrelid FROM pg_attribute WHERE atttypid = h.place
        UNION ALL SELECT w.ev_class FROM pg_depend d JOIN pg_rewrite w ON w.oid = d.objid
            WHERE d.classid = 'pg_rewrite'::regclass AND d.refobjid = h.place
        UNION ALL SELECT confrelid FROM pg_constraint
            WHERE contype = 'f' AND conrelid = h.place AND (confdeltype NOT IN ('a', 'r') OR confupdtype NOT IN ('a', 'r'))) o
)
SELECT ARRAY(SELECT DISTINCT name FROM call),
    ARRAY(SELECT lower(c.relname::text) FROM pg_class c JOIN hiding h ON c.oid = h.place
        UNION SELECT lower(t.typname::text) FROM pg_type t JOIN hiding h ON t.oid = h.place
        UNION SELECT name FROM routine),
    EXISTS (SELECT FROM pg_type t JOIN hiding h ON t.oid = h.place)
$$;

-- The names of the functions of clients that see the rows that a statement has made before it ends: VOLATILE ones that read or
-- write a table, by themselves or by what they call, and what calls these. Any other one sees the rows that the statement sees.
CREATE FUNCTION local_dsql_engine.functions_that_see_new_rows() RETURNS text[]
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
WITH RECURSIVE routine AS MATERIALIZED (
    SELECT lower(p.proname::text) AS name, p.provolatile, lower(coalesce(pg_get_function_sqlbody(p.oid), p.prosrc)) AS body
    FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
    WHERE p.oid >= 16384 AND n.nspname NOT IN ('pg_catalog', 'sys', 'local_dsql', 'local_dsql_engine')
), touching AS (
    SELECT name FROM routine WHERE body ~ '\m(from|table|execute|insert|update|delete|merge)\M'
    UNION
    SELECT r.name FROM routine r, touching t WHERE strpos(r.body, t.name) > 0
), seeing AS (
    SELECT r.name FROM routine r JOIN touching t ON t.name = r.name WHERE r.provolatile = 'v'
    UNION
    SELECT r.name FROM routine r, seeing s WHERE strpos(r.body, s.name) > 0
)
SELECT ARRAY(SELECT name FROM seeing)
$$;

-- What statements of DSQL's own write into the tables of the proxy, within the client's transaction. They are functions of
-- the superuser, whose statements are constant.
CREATE FUNCTION local_dsql_engine.map_identity(token text, role text, arn text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM local_dsql_engine.check_token(token);
    INSERT INTO local_dsql.iam_mapping (iam_oid, arn, role, grantor)
    SELECT nextval('local_dsql.iam_oid'), map_identity.arn, r.oid, g.oid FROM pg_roles r, pg_roles g
    WHERE r.rolname = map_identity.role AND g.rolname = session_user ON CONFLICT DO NOTHING;
END
$$;

CREATE FUNCTION local_dsql_engine.unmap_identity(token text, role text, arn text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM local_dsql_engine.check_token(token);
    DELETE FROM local_dsql.iam_mapping m USING pg_roles r
    WHERE r.oid = m.role AND r.rolname = unmap_identity.role AND m.arn = unmap_identity.arn;
END
$$;

-- Makes the index that the transaction has just created invalid, and records the job that will make it valid; false if there
-- is none. What the transaction has made are the visible rows of the catalog that its snapshot does not cover.
CREATE FUNCTION local_dsql_engine.record_index_job(token text, id text, is_unique boolean) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    covered CONSTANT bigint := pg_snapshot_xmax(pg_current_snapshot())::text::bigint % 4294967296;
BEGIN
    PERFORM local_dsql_engine.check_token(token);
    WITH fresh AS (
        UPDATE pg_index i SET indisvalid = false, indisunique = is_unique FROM pg_class c
        WHERE c.oid = i.indexrelid AND c.relkind = 'i'
            AND (c.xmin::text::bigint - covered + 4294967296) % 4294967296 < 2147483648
        RETURNING c.oid, c.relname, c.relnamespace
    )
    INSERT INTO local_dsql.job (job_id, job_type, class_id, object_id, object_name)
    SELECT id, 'INDEX_BUILD', 'pg_class'::regclass, f.oid, format('%s.%s', n.nspname, f.relname)
    FROM fresh f JOIN pg_namespace n ON n.oid = f.relnamespace;
    RETURN FOUND;
END
$$;

CREATE FUNCTION local_dsql_engine.record_validation_job(token text, id text, relation regclass, constraint_name text)
RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM local_dsql_engine.check_token(token);
    INSERT INTO local_dsql.job (job_id, job_type, class_id, object_id, object_name)
    SELECT id, 'VALIDATE_CONSTRAINT', 'pg_constraint'::regclass, c.oid, c.conname FROM pg_constraint c
    WHERE c.conrelid = relation AND c.conname = constraint_name AND NOT c.convalidated;
    RETURN FOUND;
END
$$;

-- Whether a statement may lock rows that its text does not say: in a function or a view of a client.
CREATE FUNCTION local_dsql_engine.locks_beside() RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
SELECT EXISTS (SELECT FROM pg_rewrite WHERE ev_class >= 16384 AND ev_action::text LIKE '%:rowMarks ({%')
    OR EXISTS (SELECT FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE p.oid >= 16384
        AND n.nspname NOT IN ('pg_catalog', 'sys', 'local_dsql', 'local_dsql_engine'))
$$;

-- PostgreSQL's own functions on large objects read and write files of the server; revoked from every role.
REVOKE EXECUTE ON FUNCTION pg_catalog.lo_import(text), pg_catalog.lo_import(text, oid), pg_catalog.lo_export(oid, text)
    FROM PUBLIC;
