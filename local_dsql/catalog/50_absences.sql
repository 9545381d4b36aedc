-- Full text search has no language (recorded 2026-09-18, eu-central-1, for english; all others come from the same
-- library, snowball). The configuration simple needs no library and is kept.
DO $$
DECLARE
    name text;
BEGIN
    FOR name IN SELECT cfgname FROM pg_catalog.pg_ts_config WHERE cfgname <> 'simple' LOOP
        EXECUTE pg_catalog.format('DROP TEXT SEARCH CONFIGURATION pg_catalog.%I', name);
    END LOOP;
END
$$;

-- A column of the primary key cannot be dropped (recorded 2026-09-18, eu-central-1), nor can the key itself (measured by
-- the author of a schema tool, 2026-07-23). STABLE is what lets the function see the catalog as it was before the
-- command, with the key that PostgreSQL has just dropped along with its column.
CREATE FUNCTION local_dsql.keep_primary_key() RETURNS event_trigger LANGUAGE plpgsql STABLE AS $$
DECLARE
    name pg_catalog.text;
BEGIN
    SELECT dropped.address_names[3] INTO name
    FROM pg_catalog.pg_event_trigger_dropped_objects() dropped
    JOIN pg_catalog.pg_index i ON i.indrelid = dropped.objid AND i.indisprimary
    WHERE dropped.original AND dropped.object_type = 'table column' AND dropped.objsubid = ANY (i.indkey::pg_catalog.int2[]);
    IF FOUND THEN
        RAISE EXCEPTION 'cannot drop primary key column %', name USING ERRCODE = '0A000',
            HINT = 'Make a new table with the key that you want, and copy the rows in batches.';
    ELSIF EXISTS (
        SELECT FROM pg_catalog.pg_event_trigger_dropped_objects() dropped
        JOIN pg_catalog.pg_constraint c ON c.oid = dropped.objid AND c.contype = 'p'
        WHERE dropped.original AND dropped.object_type = 'table constraint')
    THEN
        RAISE EXCEPTION 'unsupported ALTER TABLE DROP CONSTRAINT statement' USING ERRCODE = '0A000',
            HINT = 'Make a new table with the key that you want, and copy the rows in batches.';
    END IF;
END
$$;
CREATE EVENT TRIGGER keep_primary_key ON sql_drop WHEN TAG IN ('ALTER TABLE')
EXECUTE FUNCTION local_dsql.keep_primary_key();
