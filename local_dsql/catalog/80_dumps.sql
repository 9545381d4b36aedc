-- What pg_dump leaves out: the objects that the scripts before have made, and the privileges that they have changed. It
-- leaves out members of an extension that belongs to the system, by its number, and privileges that an object has had from
-- the beginning. The extension has no files; no client can create, alter or drop one.
INSERT INTO pg_catalog.pg_extension (oid, extname, extowner, extnamespace, extrelocatable, extversion)
SELECT 9999, 'local_dsql', nspowner, oid, false, '1' FROM pg_catalog.pg_namespace WHERE nspname = 'local_dsql';

-- The engine makes a function for an owner of tables when it first writes to them, and then sets its privileges
-- (local_dsql/engine/owner_functions.py).
CREATE FUNCTION local_dsql.keep_out_of_dumps() RETURNS event_trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    WITH later AS (
        SELECT p.oid, p.proacl FROM pg_proc p WHERE p.pronamespace = 'local_dsql_engine'::regnamespace
            AND NOT EXISTS (SELECT FROM pg_init_privs i WHERE i.classoid = 'pg_proc'::regclass AND i.objoid = p.oid)
            AND p.proname LIKE 'as\_%'
    ), member AS (
        INSERT INTO pg_depend (classid, objid, objsubid, refclassid, refobjid, refobjsubid, deptype)
        SELECT 'pg_proc'::regclass, oid, 0, 'pg_extension'::regclass, 9999, 0, 'e' FROM later WHERE NOT EXISTS (
            SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = later.oid AND d.deptype = 'e')
    )
    INSERT INTO pg_init_privs (objoid, classoid, objsubid, privtype, initprivs)
    SELECT oid, 'pg_proc'::regclass, 0, 'e', proacl FROM later WHERE proacl IS NOT NULL AND tg_tag = 'GRANT';
END
$$;
CREATE EVENT TRIGGER keep_out_of_dumps ON ddl_command_end WHEN TAG IN ('CREATE FUNCTION', 'GRANT')
EXECUTE FUNCTION local_dsql.keep_out_of_dumps();

INSERT INTO pg_catalog.pg_depend (classid, objid, objsubid, refclassid, refobjid, refobjsubid, deptype)
SELECT made.class, made.oid, 0, 'pg_extension'::regclass, 9999, 0, 'e' FROM (
    SELECT 'pg_namespace'::regclass AS class, oid FROM pg_catalog.pg_namespace WHERE oid >= 16384
    UNION ALL SELECT 'pg_class'::regclass, oid FROM pg_catalog.pg_class WHERE oid >= 16384 AND relkind IN ('r', 'v', 'S')
    UNION ALL SELECT 'pg_proc'::regclass, oid FROM pg_catalog.pg_proc WHERE oid >= 16384
    UNION ALL SELECT 'pg_event_trigger'::regclass, oid FROM pg_catalog.pg_event_trigger
) made;

DELETE FROM pg_catalog.pg_init_privs WHERE objsubid = 0;
INSERT INTO pg_catalog.pg_init_privs (objoid, classoid, objsubid, privtype, initprivs)
SELECT oid, class, 0, CASE WHEN oid >= 16384 THEN 'e' ELSE 'i' END, acl FROM (
    SELECT 'pg_namespace'::regclass AS class, oid, nspacl AS acl FROM pg_catalog.pg_namespace
    UNION ALL SELECT 'pg_class'::regclass, oid, relacl FROM pg_catalog.pg_class
    UNION ALL SELECT 'pg_proc'::regclass, oid, proacl FROM pg_catalog.pg_proc
    UNION ALL SELECT 'pg_language'::regclass, oid, lanacl FROM pg_catalog.pg_language
) made WHERE acl IS NOT NULL;
