-- Data of the proxy, in a schema without access for clients; they see it through the views of sys.
CREATE SCHEMA local_dsql;
REVOKE ALL ON SCHEMA local_dsql FROM PUBLIC;

-- Return whether the session's dialect has an answer that was first seen on a day. The proxy gives the day of the dialect at
-- login; without it every answer counts.
CREATE FUNCTION local_dsql.answers_since(day date) RETURNS boolean LANGUAGE sql STABLE SET search_path = pg_catalog
RETURN coalesce(nullif(pg_catalog.current_setting('local_dsql.as_of', true), ''), 'infinity')::date >= day;

CREATE TABLE local_dsql.iam_mapping (
    iam_oid oid PRIMARY KEY,
    arn text NOT NULL,
    role oid NOT NULL,
    grantor oid NOT NULL,
    UNIQUE (arn, role)
);
CREATE SEQUENCE local_dsql.iam_oid START 16384;

-- The transaction that submits a job inserts its row, so the row is visible after its COMMIT.
CREATE TABLE local_dsql.job (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    job_id text NOT NULL UNIQUE,
    status text NOT NULL DEFAULT 'submitted',
    details text,
    job_type text NOT NULL,
    class_id oid NOT NULL,
    object_id oid NOT NULL,
    object_name text,
    start_time timestamptz NOT NULL DEFAULT clock_timestamp(),
    update_time timestamptz NOT NULL DEFAULT clock_timestamp(),
    work jsonb NOT NULL DEFAULT '{}'
);

CREATE SCHEMA sys;
GRANT USAGE ON SCHEMA sys TO PUBLIC;

-- Nine columns in this order (recorded 2026-09-16, eu-central-1).
CREATE VIEW sys.jobs AS
SELECT job_id, status, details, job_type, class_id, object_id, object_name, start_time, update_time
FROM local_dsql.job
WHERE status IN ('submitted', 'processing') OR update_time > clock_timestamp() - interval '30 minutes';

CREATE VIEW sys.iam_pg_role_mappings AS
SELECT m.iam_oid, m.arn, m.role AS pg_role_oid, r.rolname AS pg_role_name,
       m.grantor AS grantor_pg_role_oid, g.rolname AS grantor_pg_role_name
FROM local_dsql.iam_mapping m
JOIN pg_catalog.pg_roles r ON r.oid = m.role
LEFT JOIN pg_catalog.pg_roles g ON g.oid = m.grantor;

GRANT SELECT ON sys.jobs, sys.iam_pg_role_mappings TO PUBLIC;

-- It polls in its own transactions, so it cannot be called in a transaction block. False means failed, unknown or purged.
-- A text that is not base32 of 128 bits is not a job id (message recorded September 2026, eu-central-1).
CREATE PROCEDURE sys.wait_for_job(job_id text, INOUT succeeded boolean DEFAULT NULL)
LANGUAGE plpgsql AS $$
DECLARE
    found pg_catalog.text;
BEGIN
    IF job_id !~ '^[a-z2-7]{26}$' THEN
        RAISE EXCEPTION 'Unable to convert text to UUID' USING ERRCODE = '22P02',
            HINT = 'Pass the job_id that the asynchronous statement returned, or one of sys.jobs.';
    END IF;
    LOOP
        SELECT j.status INTO found FROM sys.jobs j WHERE j.job_id = wait_for_job.job_id;
        EXIT WHEN found IS NULL OR found NOT IN ('submitted', 'processing');
        COMMIT;
        PERFORM pg_catalog.pg_sleep(0.01);
    END LOOP;
    succeeded := coalesce(found = 'completed', false);
END
$$;
GRANT EXECUTE ON PROCEDURE sys.wait_for_job TO PUBLIC;
