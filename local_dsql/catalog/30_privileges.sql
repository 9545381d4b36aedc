-- Not available on DSQL (AWS user guide, system tables), and a window into other sessions here.
REVOKE ALL ON pg_catalog.pg_locks, pg_catalog.pg_stat_activity, pg_catalog.pg_prepared_statements FROM PUBLIC;

-- The backend is logged in as superuser and runs under the client's role; whoever can set session_authorization,
-- by function or by rule, would be superuser again. The front refuses the statements.
REVOKE EXECUTE ON FUNCTION pg_catalog.set_config(text, text, boolean) FROM PUBLIC;
REVOKE UPDATE ON pg_catalog.pg_settings FROM PUBLIC;

-- What one session could do to another one's backend, or to its own transaction behind the front's back.
REVOKE EXECUTE ON FUNCTION pg_catalog.pg_cancel_backend(int), pg_catalog.pg_terminate_backend(int, bigint),
    pg_catalog.pg_export_snapshot() FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION pg_catalog.pg_advisory_lock(bigint), pg_catalog.pg_advisory_lock(int, int),
    pg_catalog.pg_advisory_xact_lock(bigint), pg_catalog.pg_advisory_xact_lock(int, int),
    pg_catalog.pg_advisory_lock_shared(bigint), pg_catalog.pg_advisory_lock_shared(int, int),
    pg_catalog.pg_advisory_xact_lock_shared(bigint), pg_catalog.pg_advisory_xact_lock_shared(int, int) FROM PUBLIC;
