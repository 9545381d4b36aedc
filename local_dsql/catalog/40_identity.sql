-- version() and current_setting() of DSQL (recorded 2026-09-16, eu-central-1). PostgreSQL runs built-in functions by OID
-- whatever their catalog row says, so they are renamed and replaced by new functions. current_setting() is not STRICT, so
-- that PostgreSQL replaces a call by the body.
ALTER FUNCTION pg_catalog.version() RENAME TO postgres_version;
CREATE FUNCTION pg_catalog.version() RETURNS text LANGUAGE sql STABLE PARALLEL SAFE
AS $$ SELECT 'PostgreSQL 16'::pg_catalog.text $$;

ALTER FUNCTION pg_catalog.current_setting(text) RENAME TO postgres_setting;
CREATE FUNCTION pg_catalog.current_setting(text) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE
AS $$
SELECT CASE pg_catalog.lower($1)
    WHEN 'server_version' THEN '16.15'
    WHEN 'server_version_num' THEN '160015'
    WHEN 'disable_sync_create_index' THEN pg_catalog.postgres_setting('dsql.disable_sync_create_index')
    ELSE pg_catalog.postgres_setting($1)
END
$$;
