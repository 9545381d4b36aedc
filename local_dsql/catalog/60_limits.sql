-- Maximum numbers of objects in a cluster (AWS user guide, quotas; messages observed on clusters in October 2026). Where an
-- observation of 2026-10-01 by AWS's agent plugins contradicts the user guide, dialects of later days have it.
CREATE FUNCTION local_dsql.refuse(code text, message text, hint text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION USING ERRCODE = code, MESSAGE = message, HINT = hint;
END
$$;

CREATE FUNCTION local_dsql.limit_table(relation oid) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
    observed CONSTANT boolean := local_dsql.answers_since('2026-10-01');
BEGIN
    IF (SELECT count(*) FROM pg_attribute WHERE attrelid = relation AND attnum > 0 AND NOT attisdropped)
            > (CASE WHEN observed THEN 256 ELSE 255 END) THEN
        PERFORM local_dsql.refuse('54011', CASE
            WHEN observed AND EXISTS (SELECT FROM pg_index WHERE indrelid = relation AND indisprimary)
            THEN 'cannot use more than 256 columns in an index' ELSE 'tables can have at most 255 columns' END,
            'Put the other columns into a second table with the same primary key, or into one jsonb column.');
    ELSIF (SELECT max(indnkeyatts) FROM pg_index WHERE indrelid = relation) > 8 THEN
        PERFORM local_dsql.refuse('54011', 'more than 8 column keys in an index are not supported',
            'Name at most eight columns in a key; others can be INCLUDEd.');
    ELSIF (SELECT count(*) FROM pg_index WHERE indrelid = relation) > 24 THEN
        PERFORM local_dsql.refuse('54000', 'more than 24 indexes per table are not allowed',
            'Drop an index of the table first; its primary key and unique constraints count, too.');
    ELSIF (SELECT count(*) FROM pg_statistic_ext WHERE stxrelid = relation) > 5 THEN
        PERFORM local_dsql.refuse('54000', 'more than 5 extended statistics per table are not allowed',
            'Drop a statistics object of the table first.');
    END IF;
END
$$;

-- The lengths with which the columns of a key are declared. Keys of tables that an older dialect has created are kept.
CREATE FUNCTION local_dsql.limit_key(of_index oid) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    IF local_dsql.answers_since('2026-10-01') AND (
        SELECT sum(atttypmod - 4) FROM pg_index JOIN pg_attribute ON attrelid = indrelid AND attnum = ANY ((indkey::int2[])[:indnkeyatts - 1])
        WHERE indexrelid = of_index AND atttypid IN ('varchar'::regtype, 'bpchar'::regtype) AND atttypmod > 4) > 2000
    THEN
        PERFORM local_dsql.refuse('54000', 'key size greater than 2000 bytes not supported',
            'Declare the columns of the key shorter, or take other columns as the key.');
    END IF;
END
$$;

CREATE FUNCTION local_dsql.limit_database() RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
    ours CONSTANT regnamespace[] := '{pg_catalog,information_schema,pg_toast,sys,local_dsql}';
    tables bigint;
    views bigint;
    sequences bigint;
BEGIN
    SELECT count(*) FILTER (WHERE relkind = 'r'), count(*) FILTER (WHERE relkind = 'v'),
        count(*) FILTER (WHERE relkind = 'S') INTO tables, views, sequences
    FROM pg_class WHERE relkind IN ('r', 'v', 'S') AND relnamespace <> ALL (ours);
    IF tables > 1000 THEN
        PERFORM local_dsql.refuse('54000', 'creating more than 1000 tables not allowed', 'Drop a table first.');
    ELSIF views > 5000 THEN
        PERFORM local_dsql.refuse('54000', 'creating more than 5000 views not allowed', 'Drop a view first.');
    ELSIF sequences > 5000 THEN
        PERFORM local_dsql.refuse('54000', 'creating more than 5000 sequences is not allowed',
            'Drop a sequence first; those of identity columns count, too.');
    ELSIF (SELECT count(*) FROM pg_namespace WHERE oid <> ALL (ours) AND nspname <> 'public') > 10 THEN
        PERFORM local_dsql.refuse('54000', 'more than 10 schemas not allowed',
            'Drop a schema first; public and sys do not count.');
    END IF;
END
$$;

CREATE FUNCTION local_dsql.limit_objects() RETURNS event_trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog AS $$
DECLARE
    relation oid;
BEGIN
    FOR relation IN
        SELECT DISTINCT CASE object_type
            WHEN 'index' THEN (SELECT indrelid FROM pg_index WHERE indexrelid = objid)
            WHEN 'statistics object' THEN (SELECT stxrelid FROM pg_statistic_ext WHERE oid = objid)
            ELSE objid
        END
        FROM pg_event_trigger_ddl_commands() WHERE object_type IN ('table', 'index', 'statistics object')
    LOOP
        PERFORM local_dsql.limit_table(relation);
    END LOOP;
    PERFORM local_dsql.limit_key(objid) FROM pg_event_trigger_ddl_commands()
    WHERE object_type = 'index' AND tg_tag <> 'ALTER TABLE';
    PERFORM local_dsql.limit_database();
END
$$;
CREATE EVENT TRIGGER limit_objects ON ddl_command_end
WHEN TAG IN ('CREATE TABLE', 'ALTER TABLE', 'CREATE INDEX', 'CREATE STATISTICS', 'CREATE VIEW', 'CREATE SEQUENCE',
    'CREATE SCHEMA')
EXECUTE FUNCTION local_dsql.limit_objects();
