-- The role that every cluster has (AWS user guide, database roles and IAM authentication). Roles belong to the whole
-- server, so a second database finds it there already.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'admin') THEN
        CREATE ROLE admin LOGIN CREATEROLE NOSUPERUSER;
    END IF;
END
$$;

-- Only admin creates objects in public; everybody may use it.
GRANT USAGE, CREATE ON SCHEMA public TO admin;

-- There is nothing temporary, and a name in pg_temp would come before all others.
REVOKE TEMPORARY ON DATABASE postgres FROM PUBLIC;
