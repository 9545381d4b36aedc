-- The role that every cluster has (AWS user guide, database roles and IAM authentication). Roles are shared by all
-- databases, so it may exist already.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'admin') THEN
        CREATE ROLE admin LOGIN CREATEROLE NOSUPERUSER;
    END IF;
END
$$;

-- Only admin creates objects in public; all roles may use them.
GRANT USAGE, CREATE ON SCHEMA public TO admin;

-- DSQL has no temporary objects, and a name in pg_temp would hide all others.
REVOKE TEMPORARY ON DATABASE postgres FROM PUBLIC;
