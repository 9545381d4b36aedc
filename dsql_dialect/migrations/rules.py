"""Rules on a folder of migrations, beside those on its SQL."""

from __future__ import annotations

from dsql_dialect.limits import ROWS_PER_TRANSACTION
from dsql_dialect.profiles import DOMAINS, SEQUENCES, allowed_in
from dsql_dialect.rule import Rule, Scope


def _rule(rule_id: str, title: str, remedy: str, why: str, *, refused: str, accepted: str) -> Rule:
    return Rule(
        id=rule_id,
        title=title,
        remedy=remedy,
        sqlstate="",
        text=why,
        source="the migrator's own order",
        refused=refused,
        accepted=accepted,
        scope=Scope.FOLDER,
    )


FOLDER = _rule(
    "migrations-folder",
    "Folder of migrations cannot be read",
    "Create the folder, or correct the path given as `migrations`.",
    "{reason}",
    refused="",
    accepted="",
)
NESTED = _rule(
    "migrations-in-subfolders",
    "No migrations in the folder, but SQL files below it",
    "Move each file into the folder, under a name NNN_name.sql; `blocks lint PATH…` checks files and folders as they "
    "are.",
    "{folders} below it: sub-folders are not read",
    refused="",
    accepted="",
)
DOWN_FILE = _rule(
    "down-file",
    "File that undoes a migration",
    "Remove it from the folder, and do not run its statements under another name; to undo a migration, write another "
    "one with the next number.",
    "`{name}` is run by other tools to undo a migration; here migrations only go forward",
    refused="001_a.down.sql",
    accepted="001_a.up.sql",
)
FILE = _rule(
    "migration-file",
    "Migration cannot be read",
    "Grant yourself permission to read it, or remove it; a link has to lead to a file.",
    "{reason}",
    refused="",
    accepted="",
)
NAME = _rule(
    "migration-name",
    "File name is not NNN_name.sql",
    "Rename it to a number, an underscore and a name of ASCII letters, digits, `_`, `-` and `.`: "
    "001_create_accounts.sql.",
    "the number is what migrations are ordered by, and `{name}` cannot be read as one",
    refused="create_accounts.sql",
    accepted="001_create_accounts.sql",
)
VERSION = _rule(
    "migration-version",
    "Duplicate migration number",
    "Give this one a number that no other file has, above all those already applied.",
    "`{other}` has number {version} too (numbers are compared as numbers), so their order is not fixed",
    refused="1_b.sql",
    accepted="002_b.sql",
)
ENCODING = _rule(
    "migration-encoding",
    "Not UTF-8",
    "Save the file as UTF-8; a byte order mark may stand at its beginning, and only there.",
    "{reason}",
    refused="\xff",
    accepted="\ufeffSELECT 'é'",
)
EMPTY = _rule(
    "migration-empty",
    "Empty migration",
    "Write a statement, or delete the file if it was never applied.",
    "the file has no statement, and a journal entry for nothing hides mistakes",
    refused="-- to do",
    accepted="CREATE TABLE accounts (id uuid PRIMARY KEY)",
)
ONE_DDL = Rule(
    id="one-ddl-per-file",
    title="Second DDL statement in a migration",
    remedy="Move this statement to a file of its own with the next number.",
    sqlstate="0A000",
    text="multiple ddl statements not supported in a transaction",
    source="recorded 2026-09-17, eu-central-1",
    refused="CREATE TABLE a (id int); CREATE TABLE b (id int)",
    accepted="CREATE TABLE a (id int, CHECK (id > 0))",
    scope=Scope.FOLDER,
)
DDL_BESIDE_DML = Rule(
    id="ddl-beside-dml",
    title="DDL and changes of rows in one migration",
    remedy="Move this statement to a file of its own with the next number.",
    sqlstate="0A000",
    text="ddl and dml are not supported in the same transaction",
    source="recorded 2026-09-17, eu-central-1",
    refused="CREATE TABLE a (id int); INSERT INTO a VALUES (1)",
    accepted="INSERT INTO a VALUES (1); UPDATE a SET id = 2",
    scope=Scope.FOLDER,
)
TRANSACTION_CONTROL = _rule(
    "transaction-in-migration",
    "BEGIN, COMMIT or ROLLBACK in a migration",
    "Delete it: a DDL statement runs by itself, and the DML of a file is one transaction with its journal "
    "entry.",
    "the migrator begins and ends the transaction, so that a migration and its journal entry are one",
    refused="BEGIN; INSERT INTO a VALUES (1); COMMIT",
    accepted="INSERT INTO a VALUES (1)",
)
SESSION = _rule(
    "session-in-migration",
    "SET, SHOW or another session statement in a migration",
    "Delete it, and write its values into the statements: schema-qualified names instead of search_path.",
    "each statement may run on another connection, so what a session statement sets is gone before it is "
    "needed",
    refused="SET search_path = app",
    accepted="CREATE TABLE app.accounts (id uuid PRIMARY KEY)",
)
QUERY = _rule(
    "query-in-migration",
    "Query in a migration",
    "Delete the query; to check data, make it the condition of an UPDATE, or test it in the application. Write the "
    "changes that a function makes as statements.",
    "the rows of a query during a deploy are shown nowhere",
    refused="SELECT count(*) FROM a",
    accepted="INSERT INTO b SELECT * FROM a",
)
SETVAL = _rule(
    "setval-in-migration",
    "setval() in a migration",
    "Write ALTER SEQUENCE {sequence} RESTART WITH {value}; of an identity column ALTER TABLE … ALTER COLUMN … RESTART "
    f"WITH {{value}} ({allowed_in(SEQUENCES)}). Without it the sequence gives out values that are taken.",
    "a query is not run; as DDL the change has an entry in the journal",
    refused="SELECT setval('a_id_seq', 42, true)",
    accepted="ALTER SEQUENCE a_id_seq RESTART WITH 43",
)
UTILITY = _rule(
    "utility-in-migration",
    "ANALYZE or other maintenance in a migration",
    "Delete it: DSQL analyzes tables by itself, in background jobs.",
    "maintenance has no effect in the catalog by which an interrupted run could see that it was done",
    refused="ANALYZE a",
    accepted="UPDATE a SET id = 2",
)
CALL = _rule(
    "call-in-migration",
    "CALL in a migration",
    "Delete it: the migrator waits for every index build and validation before the next file.",
    "the job's id is known only once the job runs",
    refused="CALL sys.wait_for_job('abc')",
    accepted="CREATE INDEX ASYNC a_id ON a (id)",
)
DO = _rule(
    "do-in-migration",
    "DO in a migration",
    "Write its statements by themselves; what needs a loop or a condition belongs into the application, or into a "
    "function that an INSERT … SELECT calls.",
    "after an interruption nothing shows what a block has done",
    refused="DO $$ BEGIN UPDATE a SET id = 2; END $$",
    accepted="UPDATE a SET id = 2",
)
CALL_PROCEDURE = _rule(
    "procedure-in-migration",
    "CALL of a procedure in a migration",
    "Write the statements of the procedure in its place, or call it from the application.",
    "a procedure may COMMIT, so that it and its journal entry are not one transaction",
    refused="CALL fill()",
    accepted="INSERT INTO a VALUES (1)",
)
UNNAMED_INDEX = _rule(
    "unnamed-index",
    "CREATE INDEX without a name in a migration",
    "Name it: CREATE {unique}INDEX ASYNC {name} ON {table} ….",
    "after an interruption the migrator looks for the index by its name, and a name that the server chose "
    "is unknown",
    refused="CREATE INDEX ASYNC ON a (id)",
    accepted="CREATE INDEX ASYNC a_id ON a (id)",
)
ROWS_PER_MIGRATION = ROWS_PER_TRANSACTION - 1
"""Rows that the transaction of a migration may change: one more is the journal's."""

TOO_MANY_ROWS = Rule(
    id="too-many-rows",
    title="More rows than a transaction may change",
    remedy=f"Move rows into further migrations, at most {ROWS_PER_MIGRATION:,} rows each, as one row of each "
    f"transaction is the journal's; elsewhere into several transactions of {ROWS_PER_TRANSACTION:,} rows. A program "
    "calls `db.load`.",
    sqlstate="54000",
    text="transaction row limit exceeded",
    source="AWS user guide, quotas",
    refused="",
    accepted="",
    scope=Scope.FOLDER,
)
COPY = _rule(
    "copy-in-migration",
    "COPY in a migration",
    f"Write an INSERT with the rows, at most {ROWS_PER_MIGRATION:,} a file; in a program call `db.load`.",
    "COPY … FROM STDIN reads its rows from a client, and a migration has none",
    refused="COPY a FROM stdin",
    accepted="INSERT INTO a VALUES (1), (2)",
)
PARAMETER = _rule(
    "parameter-in-migration",
    "Parameter in a migration",
    "Write the value in its place.",
    "a migration has no values for parameters: there is no parameter $1 (SQLSTATE 42P02)",
    refused="INSERT INTO a VALUES ($1)",
    accepted="INSERT INTO a VALUES ('$1')",
)
PSQL_COMMAND = _rule(
    "psql-command",
    "psql command in a migration",
    "Delete the line, here and wherever else one begins with a backslash; pg_dump writes some.",
    "a line that begins with a backslash is for psql: {reason}",
    refused="\\connect app",
    accepted="INSERT INTO a VALUES ('\\connect')",
)
DOWN_SECTION = _rule(
    "down-section",
    "Down section in a migration",
    "Delete the section, and do not move its statements to another file; to undo a migration, write another one with "
    "the next number.",
    "`{word}` begins the part that other tools run to undo a migration; here it would be run as well",
    refused="INSERT INTO a VALUES (1);\n-- migrate:down\nDELETE FROM a",
    accepted="-- migrate:up\nINSERT INTO a VALUES (1);\n-- migrate:down\n",
)
EXTENSION_TYPE = Rule(
    id="extension-type",
    title="Type of an extension",
    remedy="Store citext and ltree as text, hstore as json, coordinates as numbers, or define a domain of the name "
    f"({allowed_in(DOMAINS)}) in an earlier migration.",
    sqlstate="42704",
    text='type "{name}" does not exist',
    source="extensions: AWS user guide, unsupported PostgreSQL features; text as recorded of serial",
    refused="CREATE TABLE a (v citext)",
    accepted="CREATE TABLE a (citext text)",
    scope=Scope.FOLDER,
)
EXTENSION_FUNCTION = Rule(
    id="extension-function",
    title="Function of an extension",
    remedy="Use gen_random_uuid() for uuid_generate_v4(), hash and compare in the application, or define a SQL "
    "function of the name in an earlier migration.",
    sqlstate="42883",
    text="function {name} does not exist",
    source="extensions: AWS user guide, unsupported PostgreSQL features; PostgreSQL's text, without the arguments",
    refused="CREATE TABLE a (v uuid DEFAULT uuid_generate_v4())",
    accepted="CREATE TABLE a (v uuid DEFAULT gen_random_uuid())",
    scope=Scope.FOLDER,
)
LATER_FUNCTION = Rule(
    id="later-function",
    title="Function of a later PostgreSQL",
    remedy="Use gen_random_uuid() for uuidv7() and uuidv4(), compute other values in the application, or define a SQL "
    "function of the name in an earlier migration.",
    sqlstate="42883",
    text="function {name} does not exist",
    source="PostgreSQL 17 and 18 release notes; clusters answer as PostgreSQL 16 (recorded 2026-09-16, eu-central-1)",
    refused="CREATE TABLE a (id uuid PRIMARY KEY DEFAULT uuidv7())",
    accepted="CREATE TABLE a (id uuid PRIMARY KEY DEFAULT gen_random_uuid())",
    scope=Scope.FOLDER,
)
UNKNOWN_ROLE = Rule(
    id="unknown-role",
    title="Role that does not exist",
    remedy="Delete the statement; what `admin` creates is owned by `admin`. For another role, CREATE ROLE … WITH LOGIN "
    "in an earlier migration.",
    sqlstate="42704",
    text='role "{name}" does not exist',
    source="AWS user guide, database roles: a new cluster has `admin`; PostgreSQL's text",
    refused="ALTER TABLE a OWNER TO postgres",
    accepted="ALTER TABLE a OWNER TO admin",
    scope=Scope.FOLDER,
)
DROP_PRIMARY_KEY = Rule(
    id="drop-primary-key",
    title="DROP CONSTRAINT of a primary key is not supported",
    remedy="Keep the key; for another one create a table with it, copy the rows in batches, and use the new table.",
    sqlstate="0A000",
    text="unsupported ALTER TABLE DROP CONSTRAINT statement",
    source="measured by the author of a schema tool, 2026-07-23; AWS dsql-lint 0.2.22 refuses it",
    refused="ALTER TABLE a DROP CONSTRAINT a_pkey",
    accepted="ALTER TABLE a DROP CONSTRAINT a_v_check",
    scope=Scope.FOLDER,
)
MISSING_OBJECT = _rule(
    "missing-object",
    "COMMENT on an object that DSQL does not have",
    "Delete the statement, and the one that creates the object.",
    'no {kind} can be created, so {kind} "{name}" does not exist',
    refused="COMMENT ON EXTENSION pgcrypto IS 'x'",
    accepted="COMMENT ON TABLE a IS 'x'",
)
ENDLESS_BATCH = _rule(
    "endless-batch",
    "Batch that never ends",
    "Leave out the rows that are done: UPDATE … WHERE id IN (SELECT id FROM … WHERE … LIMIT 1000); "
    "INSERT … ON CONFLICT DO NOTHING.",
    "{reason}",
    refused="-- blocks: batch\nUPDATE a SET id = 1",
    accepted="-- blocks: batch\nUPDATE a SET id = 1 WHERE id IN (SELECT id FROM a WHERE id <> 1 LIMIT 1000)",
)
MIGRATOR_TABLE = _rule(
    "migrator-table",
    "Change of a table of the migrator, or view on it",
    "Delete the statement; give a table of the app another name, and correct the journal with `blocks repair`.",
    "`{name}` is a table of the migrator: after a change it would repeat or refuse migrations, and a view would show "
    "it to every grantee",
    refused="DELETE FROM _migrations",
    accepted="INSERT INTO a SELECT version FROM _migrations",
)
DIRECTIVE = _rule(
    "directive",
    "Directive `-- blocks:` that cannot be followed",
    "Write a directive on a line of its own, directly above its statement (`-- blocks: batch`), or delete it.",
    "{reason}",
    refused="-- blocks: batch\nCREATE TABLE a (id int)",
    accepted="-- blocks: batch\nUPDATE a SET id = 1 WHERE id IN (SELECT id FROM a WHERE id <> 1 LIMIT 1000)",
)

RULES = (
    *(
        FOLDER,
        NESTED,
        NAME,
        VERSION,
        DOWN_FILE,
        FILE,
        ENCODING,
        EMPTY,
        ONE_DDL,
        DDL_BESIDE_DML,
        TRANSACTION_CONTROL,
    ),
    *(
        SESSION,
        QUERY,
        SETVAL,
        UTILITY,
        CALL,
        DO,
        CALL_PROCEDURE,
        UNNAMED_INDEX,
        TOO_MANY_ROWS,
        COPY,
        PARAMETER,
        PSQL_COMMAND,
        DOWN_SECTION,
    ),
    *(
        EXTENSION_TYPE,
        EXTENSION_FUNCTION,
        LATER_FUNCTION,
        UNKNOWN_ROLE,
        DROP_PRIMARY_KEY,
        MISSING_OBJECT,
        MIGRATOR_TABLE,
        ENDLESS_BATCH,
        DIRECTIVE,
    ),
)
