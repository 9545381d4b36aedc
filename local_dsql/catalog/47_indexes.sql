-- Indexes as DSQL shows them (recorded 2026-09-16, eu-central-1): the access method btree_index, and primary keys that
-- include all other columns. PostgreSQL finds its access method by the name btree and its functions by OID, so the catalog
-- is renamed for clients alone; the columns of pg_index stay as they are.
SET allow_system_table_mods = on;

ALTER TABLE pg_catalog.pg_am RENAME TO postgres_am;
CREATE VIEW pg_catalog.pg_am AS
SELECT tableoid, oid, CASE amname WHEN 'btree' THEN 'btree_index'::pg_catalog.name ELSE amname END AS amname, amhandler, amtype
FROM pg_catalog.postgres_am;
GRANT SELECT ON pg_catalog.pg_am TO PUBLIC;

-- The columns that a primary key has not as keys, as a clause; empty for other indexes and without such columns.
CREATE FUNCTION pg_catalog.local_dsql_included(index oid) RETURNS text LANGUAGE sql STABLE STRICT PARALLEL SAFE AS $$
SELECT coalesce((SELECT ' INCLUDE (' || pg_catalog.string_agg(pg_catalog.quote_ident(a.attname), ', ' ORDER BY a.attnum) || ')'
    FROM pg_catalog.pg_index i JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid
    WHERE i.indexrelid = $1 AND i.indisprimary AND a.attnum > 0 AND NOT a.attisdropped
        AND a.attnum <> ALL ((i.indkey::int2[])[:i.indnkeyatts - 1])), '')
$$;

-- A definition with its own INCLUDE clause replaced; a name in quotes may contain anything.
CREATE FUNCTION pg_catalog.local_dsql_with_columns(definition text, included text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
SELECT CASE included WHEN '' THEN definition ELSE
    pg_catalog.regexp_replace(definition, ' INCLUDE \((?:"(?:[^"]|"")*"|[^")])*\)$', '') || included END
$$;

ALTER FUNCTION pg_catalog.pg_get_indexdef(oid) RENAME TO postgres_indexdef;
ALTER FUNCTION pg_catalog.pg_get_indexdef(oid, int, boolean) RENAME TO postgres_indexdef;
CREATE FUNCTION pg_catalog.local_dsql_index(definition text, index oid) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE AS $$
SELECT pg_catalog.local_dsql_with_columns(
    pg_catalog.regexp_replace(definition, '^((?:"(?:[^"]|"")*"|[^"])*?) USING btree \(', '\1 USING btree_index ('),
    pg_catalog.local_dsql_included(index))
$$;
CREATE FUNCTION pg_catalog.pg_get_indexdef(oid) RETURNS text LANGUAGE sql STABLE STRICT PARALLEL SAFE
AS $$ SELECT pg_catalog.local_dsql_index(pg_catalog.postgres_indexdef($1), $1) $$;
CREATE FUNCTION pg_catalog.pg_get_indexdef(oid, int, boolean) RETURNS text LANGUAGE sql STABLE STRICT PARALLEL SAFE AS $$
SELECT CASE $2 WHEN 0 THEN pg_catalog.local_dsql_index(pg_catalog.postgres_indexdef($1, 0, $3), $1)
    ELSE pg_catalog.postgres_indexdef($1, $2, $3) END
$$;
CREATE OR REPLACE VIEW pg_catalog.pg_indexes AS
SELECT n.nspname AS schemaname, c.relname AS tablename, i.relname AS indexname, t.spcname AS tablespace,
    pg_catalog.pg_get_indexdef(i.oid) AS indexdef
FROM pg_catalog.pg_index x
JOIN pg_catalog.pg_class c ON c.oid = x.indrelid
JOIN pg_catalog.pg_class i ON i.oid = x.indexrelid
LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_tablespace t ON t.oid = i.reltablespace
WHERE c.relkind IN ('r', 'm', 'p') AND i.relkind IN ('i', 'I');

ALTER FUNCTION pg_catalog.pg_get_constraintdef(oid) RENAME TO postgres_constraintdef;
ALTER FUNCTION pg_catalog.pg_get_constraintdef(oid, boolean) RENAME TO postgres_constraintdef;
CREATE FUNCTION pg_catalog.local_dsql_constraint(definition text, of_constraint oid) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE AS $$
SELECT pg_catalog.local_dsql_with_columns(definition, coalesce((SELECT pg_catalog.local_dsql_included(conindid)
    FROM pg_catalog.pg_constraint WHERE oid = of_constraint AND contype = 'p'), ''))
$$;
CREATE FUNCTION pg_catalog.pg_get_constraintdef(oid) RETURNS text LANGUAGE sql STABLE STRICT PARALLEL SAFE
AS $$ SELECT pg_catalog.local_dsql_constraint(pg_catalog.postgres_constraintdef($1), $1) $$;
CREATE FUNCTION pg_catalog.pg_get_constraintdef(oid, boolean) RETURNS text LANGUAGE sql STABLE STRICT PARALLEL SAFE
AS $$ SELECT pg_catalog.local_dsql_constraint(pg_catalog.postgres_constraintdef($1, $2), $1) $$;

RESET allow_system_table_mods;
