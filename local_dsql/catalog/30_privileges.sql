-- Not available on DSQL (AWS user guide, system tables); here they would show other sessions.
REVOKE ALL ON pg_catalog.pg_locks, pg_catalog.pg_stat_activity FROM PUBLIC;

-- What clients call by the name of set_config sets what SET may set, and nothing else.
REVOKE EXECUTE ON FUNCTION pg_catalog.set_config(text, text, boolean) FROM PUBLIC;
ALTER FUNCTION pg_catalog.set_config(text, text, boolean) RENAME TO postgres_set_config;
CREATE FUNCTION pg_catalog.set_config(setting_name text, new_value text, is_local boolean) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    applied text;
    called jsonb := coalesce(nullif(pg_catalog.current_setting('local_dsql.set', true), ''), '{}');
    stored_name text := CASE pg_catalog.lower(setting_name)
        WHEN 'disable_sync_create_index' THEN 'dsql.disable_sync_create_index' ELSE setting_name END;
BEGIN
    IF pg_catalog.lower(setting_name) ~ '^dsql\.' AND pg_catalog.lower(setting_name) <> 'dsql.enable_batched_nestloop'
            AND local_dsql.answers_since('2026-10-04') THEN
        RAISE EXCEPTION 'invalid configuration parameter name "%"', setting_name USING ERRCODE = '42602',
            DETAIL = '"dsql" is a reserved prefix.', HINT = 'Correct the name, or delete the statement.';
    ELSIF pg_catalog.lower(setting_name) NOT IN ('application_name', 'client_encoding', 'datestyle', 'extra_float_digits',
            'intervalstyle', 'timezone', 'search_path', 'dsql.enable_batched_nestloop', 'disable_sync_create_index') AND pg_catalog.lower(setting_name) !~ '^enable_[a-z_]+$' THEN
        RAISE EXCEPTION 'setting configuration parameter "%" not supported', setting_name USING ERRCODE = '0A000',
            HINT = 'Leave it out; for a time limit, set one in the client.';
    END IF;
    IF pg_catalog.lower(setting_name) = 'dsql.enable_batched_nestloop' AND local_dsql.answers_since('2026-10-04')
            AND pg_catalog.lower(new_value) !~ '^(t(r(ue?)?)?|f(a(l(se?)?)?)?|y(es?)?|no?|on|off?|[01])$' THEN
        RAISE EXCEPTION 'parameter "%" requires a Boolean value', setting_name USING ERRCODE = '22023',
            HINT = 'Write on or off.';
    END IF;
    applied := pg_catalog.postgres_set_config(stored_name, new_value, is_local);
    -- For the engine: a function may have called this, and a suspension resets the value (local_dsql/engine/hidden_settings.py).
    -- By name, so that the record does not grow with the number of calls. A value of the session stays behind a local one, which
    -- ends with the transaction.
    called := called OPERATOR(pg_catalog.||) pg_catalog.jsonb_build_object(pg_catalog.lower(setting_name),
        (CASE WHEN is_local THEN coalesce(called OPERATOR(pg_catalog.->) pg_catalog.lower(setting_name), '{}') ELSE '{}' END)
        OPERATOR(pg_catalog.||) pg_catalog.jsonb_build_object('name', setting_name, 'stored_name', stored_name,
            CASE WHEN is_local THEN 'local' ELSE 'session' END, applied));
    PERFORM pg_catalog.postgres_set_config('local_dsql.set', called::pg_catalog.text, true);
    RETURN applied;
END
$$;
REVOKE UPDATE ON pg_catalog.pg_settings FROM PUBLIC;

-- Functions that affect the backend of another session, or the own transaction without the proxy's knowledge.
REVOKE EXECUTE ON FUNCTION pg_catalog.pg_cancel_backend(int), pg_catalog.pg_terminate_backend(int, bigint),
    pg_catalog.pg_export_snapshot(), pg_catalog.pg_lock_status(), pg_catalog.pg_stat_get_activity(int),
    pg_catalog.pg_prepared_statement() FROM PUBLIC;
-- Messages between sessions, the log, and SQL in a string, which the proxy cannot check.
REVOKE EXECUTE ON FUNCTION pg_catalog.pg_notify(text, text),
    pg_catalog.pg_logical_emit_message(boolean, text, text), pg_catalog.pg_logical_emit_message(boolean, text, bytea),
    pg_catalog.query_to_xml(text, boolean, boolean, text), pg_catalog.query_to_xmlschema(text, boolean, boolean, text),
    pg_catalog.query_to_xml_and_xmlschema(text, boolean, boolean, text), pg_catalog.ts_stat(text),
    pg_catalog.ts_stat(text, text), pg_catalog.ts_rewrite(tsquery, text) FROM PUBLIC;
-- Large objects, which DSQL does not have: their rows are in no table, and would not be counted.
REVOKE EXECUTE ON FUNCTION pg_catalog.lo_creat(int), pg_catalog.lo_create(oid), pg_catalog.lo_from_bytea(oid, bytea),
    pg_catalog.lo_open(oid, int), pg_catalog.lo_put(oid, bigint, bytea), pg_catalog.lo_unlink(oid),
    pg_catalog.lo_truncate(int, int), pg_catalog.lo_truncate64(int, bigint), pg_catalog.lowrite(int, bytea) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION pg_catalog.pg_advisory_lock(bigint), pg_catalog.pg_advisory_lock(int, int),
    pg_catalog.pg_advisory_xact_lock(bigint), pg_catalog.pg_advisory_xact_lock(int, int),
    pg_catalog.pg_advisory_lock_shared(bigint), pg_catalog.pg_advisory_lock_shared(int, int),
    pg_catalog.pg_advisory_xact_lock_shared(bigint), pg_catalog.pg_advisory_xact_lock_shared(int, int) FROM PUBLIC;
