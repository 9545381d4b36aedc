"""Faulty folders of migrations, as people write them.

«rule» stands right before the token that is to blame; it is taken out before the file is written. A folder must
have exactly the findings that are marked in it.
"""

# One case a line.
# ruff: noqa: E501

from __future__ import annotations

BOM = "\ufeff"
TABLE = "CREATE TABLE accounts (id uuid PRIMARY KEY);"

ONE_FILE: dict[str, str] = {
    "serial key": "CREATE TABLE a (\n    id «serial»bigserial PRIMARY KEY,\n    name text NOT NULL\n);",
    "two kinds of serial": "CREATE TABLE a (id «serial»serial, n «serial»smallserial);",
    "identity column": "CREATE TABLE a (id bigint «identity-column»GENERATED ALWAYS AS IDENTITY (CACHE 1) PRIMARY KEY);",
    "foreign key on the column": "CREATE TABLE a (\n  id uuid PRIMARY KEY,\n  b uuid «foreign-key»REFERENCES b (id)\n);",
    "foreign key on the table": "CREATE TABLE a (id uuid, b uuid,\n  «foreign-key»FOREIGN KEY (b) REFERENCES b (id));",
    "named foreign key": "CREATE TABLE a (b uuid,\n  «foreign-key»CONSTRAINT a_b FOREIGN KEY (b) REFERENCES b (id));",
    "jsonb": "CREATE TABLE a (id int, data «jsonb-column»jsonb);",
    "array": "CREATE TABLE a (tags «array-column»text[] NOT NULL);",
    "type of PostgreSQL alone": "CREATE TABLE a (\n\tip «column-type»inet,\n\tprice «column-type»money\n);",
    "too long a varchar": "CREATE TABLE a (v «column-length»varchar(65536));",
    "too precise a numeric": "CREATE TABLE a (v «numeric-38»numeric(40, 2));",
    "temporary table": "-- scratch\n«temp-table»CREATE TEMP TABLE a (id int);",
    "unlogged table": "«unlogged-table»CREATE UNLOGGED TABLE a (id int);",
    "partitioned table": "CREATE TABLE a (id int, at date)\n«partition-by»PARTITION BY RANGE (at);",
    "inheritance": "CREATE TABLE a (id int) «inherits»INHERITS (b);",
    "storage parameters": "CREATE TABLE a (id int) «storage-parameters»WITH (fillfactor = 70);",
    "tablespace": "CREATE TABLE a (id int) «table-tablespace»TABLESPACE fast;",
    "collation of a column": 'CREATE TABLE a (name text «column-collation»COLLATE "de_DE");',
    "exclusion constraint": "CREATE TABLE a (r int, «exclusion-constraint»EXCLUDE USING gist (r WITH =));",
    "deferrable key": "CREATE TABLE a (id int UNIQUE «deferrable-key»DEFERRABLE);",
    "table from a query": "«create-table-as»CREATE TABLE a AS SELECT 1 AS x;",
    "enum": "«create-enum»CREATE TYPE mood AS ENUM ('sad', 'ok');",
    "composite type": "«composite-type»CREATE TYPE pair AS (a int, b int);",
    "extension": "«create-extension»CREATE EXTENSION pgcrypto;",
    "sequence": "«create-sequence»CREATE SEQUENCE numbers CACHE 1;",
    "view": "«create-view»CREATE VIEW v AS SELECT 1;",
    "materialized view": "«create-table-as»CREATE MATERIALIZED VIEW v AS SELECT 1;",
    "trigger": "«create-trigger»CREATE TRIGGER t AFTER INSERT ON a EXECUTE FUNCTION f();",
    "PL/pgSQL": "CREATE FUNCTION f() RETURNS int «function-language»LANGUAGE plpgsql AS $$ BEGIN RETURN 1; END $$;",
    "procedure": "CREATE «create-procedure»PROCEDURE p() LANGUAGE sql AS $$ SELECT 1 $$;",
    "anonymous block": "«do-block»DO $$ BEGIN PERFORM 1; END $$;",
    "rule": "«create-rule»CREATE RULE r AS ON INSERT TO a DO INSTEAD NOTHING;",
    "policy": "«create-policy»CREATE POLICY p ON a USING (true);",
    "row level security": "ALTER TABLE a ENABLE «row-level-security»ROW LEVEL SECURITY;",
    "domain": "«create-domain»CREATE DOMAIN d AS text;",
    "index without ASYNC": "CREATE «create-index-sync»INDEX a_v ON a (v);",
    "unique index without ASYNC": "CREATE UNIQUE «create-index-sync»INDEX a_v ON a (v);",
    "index, concurrently": "CREATE INDEX «create-index-concurrently»CONCURRENTLY a_v ON a (v);",
    "index method": "CREATE INDEX ASYNC a_v ON a «index-using»USING gin (v);",
    "index, descending": "CREATE INDEX ASYNC a_v ON a (v «index-sort-order»DESC, w);",
    "partial index": "CREATE INDEX ASYNC a_v ON a (v)\n  «partial-index»WHERE active;",
    "index on an expression": "CREATE INDEX ASYNC a_v ON a («expression-index»lower(v));",
    "unnamed index": "\n\n«unnamed-index»CREATE INDEX ASYNC ON a (v);",
    "column with default": "ALTER TABLE a ADD COLUMN status text «add-column-constraint»DEFAULT 'new';",
    "column, not null": "ALTER TABLE a\n  ADD COLUMN n int «add-column-constraint»NOT NULL;",
    "drop column": "ALTER TABLE a «drop-column»DROP COLUMN v;",
    "change of a type": "ALTER TABLE a ALTER COLUMN v «alter-column-type»TYPE bigint;",
    "set not null": "ALTER TABLE a ALTER COLUMN v SET «set-not-null»NOT NULL;",
    "unique constraint afterwards": "ALTER TABLE a ADD «add-constraint»CONSTRAINT c UNIQUE (v);",
    "drop index, concurrently": "DROP INDEX «drop-index-concurrently»CONCURRENTLY a_v;",
    "truncate": "-- fresh start\n\n  «truncate»TRUNCATE accounts;",
    "merge": "«merge»MERGE INTO a USING b ON a.id = b.id WHEN MATCHED THEN DELETE;",
    "lock": "«lock-table»LOCK TABLE a IN EXCLUSIVE MODE;",
    "advisory lock": "INSERT INTO a SELECT «advisory-lock»pg_try_advisory_lock(1);",
    "copy from a file": "«copy-file»COPY a FROM '/tmp/a.csv';",
    "vacuum": "«vacuum»VACUUM a;",
    "notify": "«notify»NOTIFY jobs;",
    "privilege on public": "GRANT USAGE ON «grant-schema-public»SCHEMA public TO app;",
    "password": "CREATE ROLE app WITH LOGIN «role-option»PASSWORD 'secret';",
    "syntax error": "CREATE TABLE a (\n  id int\n  «syntax-error»name text\n);",
    "quote left open": "INSERT INTO a VALUES («syntax-error»'open);",
    "not SQL at all": "«syntax-error»hello world;",
    "query": "«query-in-migration»SELECT count(*) FROM a;",
    "begin and commit": "«transaction-in-migration»BEGIN;\nINSERT INTO a VALUES (1);\n«transaction-in-migration»COMMIT;",
    "session statement": "«session-in-migration»SET search_path = app;\nINSERT INTO a VALUES (1);",
    "upkeep": "INSERT INTO a VALUES (1);\n«utility-in-migration»ANALYZE a;",
    "waiting by hand": "CREATE INDEX ASYNC a_v ON a (v);\n«call-in-migration»CALL sys.wait_for_job('x');",
    "two tables": "CREATE TABLE a (id int);\n«one-ddl-per-file»CREATE TABLE b (id int);",
    "three DDL statements": "CREATE TABLE a (id int);\n«one-ddl-per-file»DROP TABLE b;  «one-ddl-per-file»DROP TABLE c;",
    "rows after a table": "CREATE TABLE a (id int);\n\n«ddl-beside-dml»INSERT INTO a VALUES (1);",
    "table after rows": "INSERT INTO a VALUES (1);\n«ddl-beside-dml»DROP TABLE b;",
    "index beside its table": "CREATE TABLE a (id int);\n«one-ddl-per-file»CREATE INDEX ASYNC a_id ON a (id);",
    "empty": "«migration-empty»",
    "comment alone": "«migration-empty»-- to be written\n",
    "semicolons alone": "«migration-empty»;\n;\n",
    "misspelt directive": "«directive»-- blocks: bacth\nUPDATE a SET v = 1;",
    "directive above DDL": "-- why\n«directive»-- blocks: batch\nDROP TABLE a;",
    "directive above nothing": "UPDATE a SET v = 1;\n«directive»-- blocks: batch\n",
    "Windows line ends": "CREATE TABLE a (\r\n  id int,\r\n  data «jsonb-column»jsonb\r\n);\r\n",
    "byte order mark": BOM + "CREATE TABLE a (id «serial»serial);",
    "letters of two and four bytes": "/* é 🙂 */ CREATE TABLE \"ß🙂\" (id «serial»serial, \"é\" «jsonb-column»jsonb);",
    "tabs": "CREATE TABLE a (\n\t\tid\t«serial»serial\n);",
    "semicolon in a string and in a body": "INSERT INTO a VALUES ('x;y', $$ a; b $$);\n«truncate»TRUNCATE a;",
    "many faults of one statement": "CREATE TABLE a (\n  id «serial»serial,\n  tags «array-column»text[],\n  data «jsonb-column»jsonb,\n"
    "  b uuid «foreign-key»REFERENCES b (id)\n);",
    "a fault and a crowd": "«temp-table»CREATE TEMP TABLE a (id int);\n«ddl-beside-dml»INSERT INTO a VALUES (1);",
}  # fmt: skip

FOLDERS: dict[str, dict[str, str | bytes]] = {
    "one number twice": {"007_a.sql": TABLE, "7_b.sql": f"«migration-version»{TABLE}"},
    "no number": {"accounts.sql": f"«migration-name»{TABLE}"},
    "a hyphen for the underscore": {"001-accounts.sql": f"«migration-name»{TABLE}"},
    "letters beyond ASCII": {"001_größe.sql": f"«migration-name»{TABLE}"},
    "a faulty file beside sound ones": {
        "001_a.sql": TABLE,
        "002_b.sql": "«truncate»TRUNCATE accounts;",
        "010_c.sql": "DROP TABLE accounts;",
    },
    "everything at once": {
        "1_a.sql": "CREATE TABLE a (id «serial»serial);\n«listen»LISTEN c;",
        "2_b.sql": "«migration-version»«syntax-error»SELEC 1;\nDROP TABLE b;\n«one-ddl-per-file»DROP TABLE c;",
        "02_c.sql": "«migration-empty»",
        "d.sql": f"«migration-name»{TABLE}",
    },
}

BYTES: dict[str, tuple[bytes, int, int]] = {
    "Latin-1": ("INSERT INTO a\nVALUES ('Grö".encode("latin-1"), 2, 12),
    "UTF-16": (TABLE.encode("utf-16"), 1, 1),
    "a byte order mark between two joined files": (f"{TABLE}\n{BOM}{TABLE}".encode(), 2, 1),
    "cut in the middle of a letter": ("-- é\n-- caf".encode() + b"\xc3", 2, 7),
}
"""Files that are no plain UTF-8, with line and column of the first byte that is not."""
