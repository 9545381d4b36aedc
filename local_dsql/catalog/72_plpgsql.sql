-- What is put into bodies in PL/pgSQL (dsql_dialect/plpgsql/guards.py).

-- The SQL of an EXECUTE, once the proxy has accepted it. The proxy is asked by files in the folder of the socket, which only
-- PostgreSQL and the proxy can enter: this backend's number and a short text in a pipe that the proxy reads, a long text in a
-- file. The answer has the question's identifier. A file is seen whatever the snapshot, and in any process, such as that of a
-- job. The answer to a text that is asked for again stays in a file that has the name of its hash value.
CREATE FUNCTION local_dsql_engine.checked(query text) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    folder CONSTANT text := current_setting('unix_socket_directories') || '/';
    reply text;
    answer jsonb;
BEGIN
    IF query IS NULL THEN
        RETURN NULL;
    END IF;
    reply := pg_read_file(folder || 'verdict_' || encode(sha256(convert_to(query, 'UTF8')), 'hex'), true);
    IF reply IS NULL THEN
        reply := local_dsql_engine.verdict(query, folder);
    END IF;
    IF reply = '{}' THEN
        RETURN $1;
    END IF;
    answer := reply::jsonb;
    IF answer ->> 'sqlstate' IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = answer ->> 'sqlstate', MESSAGE = answer ->> 'message', HINT = answer ->> 'hint';
    END IF;
    RETURN coalesce(answer ->> 'query', query);
END
$$;

CREATE FUNCTION local_dsql_engine.verdict(query text, folder text) RETURNS text
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    file CONSTANT text := folder || 'execute_' || pg_backend_pid();
    question CONSTANT text := gen_random_uuid();
    line text := pg_backend_pid() || ' ' || question;
    data CONSTANT text := encode(convert_to(query, 'UTF8'), 'hex');
    waits_until CONSTANT timestamptz := clock_timestamp() + interval '30 s';
    tries int := 0;
    reply text;
BEGIN
    IF length(data) < 4000 THEN  -- one write to a pipe of at most 4,096 bytes is not divided
        line := line || ' ' || data;
    ELSE
        EXECUTE format('COPY (SELECT %L) TO %L', data, file || '.sql');
    END IF;
    EXECUTE format('COPY (SELECT %L) TO %L', line, folder || 'execute');
    LOOP
        reply := pg_read_file(file || '.answer', true);
        IF starts_with(reply, question) THEN
            RETURN rtrim(substr(reply, length(question) + 1));
        END IF;
        IF clock_timestamp() > waits_until THEN
            RAISE insufficient_privilege USING MESSAGE = 'EXECUTE cannot be checked: the proxy does not answer',
                HINT = 'Restart the local database.';
        END IF;
        tries := tries + 1;
        IF tries > 100 THEN  -- a sleep is a millisecond at least
            PERFORM pg_sleep(0.001);
        END IF;
    END LOOP;
END
$$;
REVOKE EXECUTE ON FUNCTION local_dsql_engine.verdict(text, text) FROM PUBLIC;

-- Whether the error in a handler is one that DSQL does not have there: PostgreSQL's own of concurrency, and a violation by rows
-- that the snapshot does not show. It goes on to the engine. An error that a body has raised with the text of PostgreSQL's own
-- has RAISE as the innermost place; of the others only a cancellation can have that, too. The keys are those of the message,
-- which has none of columns that the caller may not read, and the rights are the caller's. Keys of several columns that cannot
-- be taken apart, and those with NULL, are compared as text. A row that the block itself has made is gone when its handler runs, as if the snapshot
-- did not show it: the engine then runs the statement again with the setting, once it knows that others have made no rows.
CREATE FUNCTION local_dsql_engine.is_conflict(state text, message text, detail text, schema_name text, table_name text,
    constraint_name text, context text) RETURNS boolean LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    relation CONSTANT oid := (SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = schema_name AND c.relname = table_name);
    names text;
    keys text[];
    types text[];
    predicate text := 'true';
    before text;
    behind text;
    told text;
    given text[];
    condition text;
    is_visible boolean;
BEGIN
    IF state = '57014' AND message LIKE 'canceling statement due to %' THEN
        RETURN true;
    ELSIF state = '40001' AND message LIKE 'could not serialize access%' OR state = '40P01' AND message = 'deadlock detected'
            OR state = 'XX000' AND message LIKE 'new multixact has more than one updating member%' THEN
        RETURN context !~ '^PL/pgSQL function [^\n]* line \d+ at RAISE(\n|$)';
    ELSIF relation IS NULL OR state NOT IN ('23505', '23503')
            OR current_setting('local_dsql.handles_violations', true) = 'on' THEN
        RETURN false;
    ELSIF state = '23505' THEN
        SELECT array_agg(pg_get_indexdef(i.indexrelid, a.attnum, true) ORDER BY a.attnum),
            array_agg(format_type(a.atttypid, NULL) ORDER BY a.attnum),
            max(coalesce(pg_get_expr(i.indpred, i.indrelid), 'true')) INTO keys, types, predicate
        FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid JOIN pg_attribute a ON a.attrelid = x.oid
        WHERE i.indrelid = relation AND x.relname = constraint_name AND a.attnum <= i.indnkeyatts;
        names := array_to_string(keys, ', ');
        behind := ') already exists.';
    ELSIF message LIKE 'update or delete on table %' THEN
        SELECT array_agg(quote_ident(a.attname) ORDER BY u.o), array_agg(format_type(a.atttypid, NULL) ORDER BY u.o),
            string_agg(p.attname, ', ' ORDER BY u.o) INTO keys, types, names
        FROM pg_constraint k, unnest(k.conkey, k.confkey) WITH ORDINALITY u(child, parent, o), pg_attribute a, pg_attribute p
        WHERE k.conrelid = relation AND k.conname = constraint_name AND a.attrelid = k.conrelid AND a.attnum = u.child
            AND p.attrelid = k.confrelid AND p.attnum = u.parent;
        behind := format(') is still referenced from table "%s".', table_name);
    END IF;
    IF keys IS NULL THEN
        RETURN false;
    END IF;
    before := 'Key (' || names || ')=(';
    IF NOT starts_with(detail, before) OR right(detail, length(behind)) <> behind THEN
        RETURN true;
    END IF;
    told := substr(detail, length(before) + 1, length(detail) - length(before) - length(behind));
    given := CASE WHEN cardinality(keys) = 1 THEN ARRAY[told] ELSE string_to_array(told, ', ') END;
    IF cardinality(given) = cardinality(keys) AND 'null' <> ALL (given) THEN
        SELECT string_agg(format('(%s) = %L::%s', key, value, type), ' AND ') INTO condition
        FROM unnest(keys, given, types) u(key, value, type);
    ELSE
        SELECT format('concat_ws('', '', %s) = %L', string_agg(
            format('CASE WHEN (%s) IS NULL THEN ''null'' ELSE format(''%%s'', %s) END', key, key), ', ' ORDER BY o), told)
        INTO condition FROM unnest(keys) WITH ORDINALITY u(key, o);
    END IF;
    EXECUTE format('SELECT EXISTS (SELECT FROM %I.%I WHERE (%s) AND %s)', schema_name, table_name, predicate, condition)
    INTO is_visible;
    RETURN NOT is_visible;
EXCEPTION
    WHEN insufficient_privilege THEN
        RETURN true;
END
$$;

-- Definitions of functions as their owners have written them.
ALTER FUNCTION pg_catalog.pg_get_functiondef(oid) RENAME TO postgres_get_functiondef;
CREATE FUNCTION pg_catalog.pg_get_functiondef(func oid) RETURNS text LANGUAGE sql STABLE STRICT PARALLEL SAFE
RETURN pg_catalog.regexp_replace(pg_catalog.postgres_get_functiondef(func),
    '/\*local_dsql<\*/.*?/\*local_dsql>\*/', '', 'g');
