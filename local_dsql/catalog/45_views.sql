-- Views of pg_catalog with fewer rows than PostgreSQL's. Replacing them needs this parameter, which only a superuser sets.
SET allow_system_table_mods = on;

-- A session's own prepared statements (drivers of AWS's ORM adapters read them), without those of the engine.
CREATE FUNCTION local_dsql.prepared_statements(OUT name text, OUT statement text, OUT prepare_time timestamptz,
    OUT parameter_types regtype[], OUT result_types regtype[], OUT from_sql boolean, OUT generic_plans bigint,
    OUT custom_plans bigint)
RETURNS SETOF record LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
SELECT * FROM pg_prepared_statement() p WHERE p.name NOT LIKE 'local\_dsql\_%'
$$;
CREATE OR REPLACE VIEW pg_catalog.pg_prepared_statements AS SELECT * FROM local_dsql.prepared_statements();

-- No extension is available (recorded 2026-09-16, eu-central-1).
CREATE OR REPLACE VIEW pg_catalog.pg_available_extensions AS
SELECT name, default_version, NULL::text COLLATE "C" AS installed_version, comment
FROM pg_catalog.pg_available_extensions() WHERE false;

RESET allow_system_table_mods;
