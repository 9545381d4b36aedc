-- Functions of sys whose names were observed on clusters (August and September 2026). Only those whose meaning follows
-- from the name and other recordings are implemented.
CREATE FUNCTION sys.uuid_to_base32_str(id uuid) RETURNS text LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    bits CONSTANT bit(130) := (('x' || pg_catalog.replace(id::pg_catalog.text, '-', ''))::bit(128))::bit(130);
    alphabet CONSTANT pg_catalog.text := 'abcdefghijklmnopqrstuvwxyz234567';
BEGIN
    RETURN (SELECT pg_catalog.string_agg(pg_catalog.substr(alphabet,
            pg_catalog.substring(bits, 5 * n + 1, 5)::bit(5)::int + 1, 1), '' ORDER BY n)
        FROM pg_catalog.generate_series(0, 25) n);
END
$$;

CREATE FUNCTION sys.base32_str_to_uuid(str text) RETURNS uuid LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    alphabet CONSTANT pg_catalog.text := 'abcdefghijklmnopqrstuvwxyz234567';
    bits bit varying := '';
    hex pg_catalog.text := '';
BEGIN
    IF str !~ '^[a-z2-7]{25}[aeimquy4]$' THEN
        RAISE EXCEPTION 'Unable to convert text to UUID' USING ERRCODE = '22P02',
            HINT = 'Pass 26 characters of base 32, in lower case and without padding, as in a job_id.';
    END IF;
    FOR n IN 1..26 LOOP
        bits := bits || (pg_catalog.strpos(alphabet, pg_catalog.substr(str, n, 1)) - 1)::bit(5);
    END LOOP;
    FOR n IN 0..31 LOOP
        hex := hex || pg_catalog.to_hex(pg_catalog.substring(bits, 4 * n + 1, 4)::bit(4)::int);
    END LOOP;
    RETURN hex::pg_catalog.uuid;
END
$$;

-- In bytes. The limit is that of a new cluster (AWS user guide, quotas).
CREATE FUNCTION sys.cluster_size() RETURNS bigint LANGUAGE sql STABLE
RETURN pg_catalog.pg_database_size(pg_catalog.current_database());
CREATE FUNCTION sys.cluster_size_limit() RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN 10995116277760;

-- One value a session, another one in each: made of the number and the start of the server process behind it.
CREATE FUNCTION sys.current_session_id() RETURNS text LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog
AS $$
SELECT sys.uuid_to_base32_str(md5(concat(pid, ' ', backend_start))::uuid)
FROM pg_stat_get_activity(pg_backend_pid())
$$;

-- The ARN of the IAM identity that signed the token. The proxy gives it at login, with a digest of it and of a secret that no
-- client can read, so that a client which sets the parameter is not believed.
CREATE TABLE local_dsql.login_secret (secret text NOT NULL);
CREATE FUNCTION sys.iam_session_user() RETURNS text LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
SELECT principal FROM local_dsql.login_secret, substr(current_setting('local_dsql.principal', true), 65) principal
WHERE current_setting('local_dsql.principal', true) = encode(sha256(convert_to(secret || principal || secret, 'UTF8')), 'hex') || principal
$$;
