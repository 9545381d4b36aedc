"""Registry of the known differences between the local database and Aurora DSQL.

Tests that show a difference cite its id, and `docs/divergences.md` prints the list.
"""

from __future__ import annotations

from dataclasses import dataclass

from dsql_dialect.limits import BYTES_PER_KEY, BYTES_PER_ROW, BYTES_PER_VALUE, MEBIBYTE, ROWS_PER_TRANSACTION
from dsql_dialect.profiles import allowed_in
from dsql_dialect.rules.making import MINISTACK_DAY


@dataclass(frozen=True, slots=True)
class Divergence:
    """One known difference: the behaviour, the reason, and the consequence for an application."""

    id: str
    sentence: str
    reason: str
    consequence: str


DIVERGENCES: tuple[Divergence, ...] = (
    Divergence(
        "lateral-left-join",
        "LEFT JOIN LATERAL whose target list uses a column of the outer table works here; DSQL failed it with 42804 "
        "“attribute 1 of type … has wrong type” (recorded 2026-09-18, eu-central-1).",
        "It looks like a bug of DSQL's planner: INNER and CROSS JOIN LATERAL of the same subquery work. Three "
        "recordings are too few for an exact rule.",
        "Such a query may work here and fail on a cluster: select the outer column outside the subquery, or use INNER "
        "JOIN LATERAL.",
    ),
    Divergence(
        "doomed-sees-newer-rows",
        "A transaction that has lost a conflict reads newer values of rows that it has not written.",
        "PostgreSQL cannot update newer rows on an old snapshot, so a doomed transaction continues on a new snapshot.",
        "Visible only between the conflicting statement and the failing COMMIT: now() moves forward, "
        "transaction_isolation may be READ COMMITTED, two reads may differ, and if newer rows violate a CHECK, a "
        "foreign key or a unique index that is partial or of expressions, or make an expression fail, or if an upsert "
        "no longer finds a row of which others have changed another key, that statement reports the conflict, and not "
        "COMMIT.",
    ),
    Divergence(
        "upsert-locks-key",
        "INSERT … ON CONFLICT DO UPDATE that assigns a key column conflicts with new rows that refer to the row, also "
        "if the column keeps its value.",
        "PostgreSQL locks the row of an upsert before it knows the new values. A plain UPDATE compares them.",
        "One of the two transactions gets OC000, which Aurora DSQL may not do: assign only the columns that change.",
    ),
    Divergence(
        "unused-upsert-shares-row",
        "A transaction whose INSERT … ON CONFLICT DO UPDATE leaves a row as it is, because its WHERE is false, and "
        "which makes other rows, conflicts with a later DELETE or change of key of that row.",
        "PostgreSQL locks the row all the same, and its log does not show then whether a new row refers to it.",
        "The other transaction gets OC000, and commits when it is run again.",
    ),
    Divergence(
        "nested-upsert-conflicts",
        "A transaction gets OC000 if an INSERT … ON CONFLICT in a CTE, a DO or a function meets a row that others have "
        "updated or deleted since its snapshot, also if it only skips the row. If the key of the row is free now, that "
        "statement reports it, and not COMMIT; it does so in place of every error that the row may have caused.",
        "PostgreSQL goes by the newest rows. The engine repeats an INSERT without its ON CONFLICT clause, and finds "
        "the rows to skip by the snapshot. It cannot do so inside of another statement.",
        "Such a transaction commits on Aurora DSQL if it skips the row. Here, run it again, or write the INSERT as a "
        "statement of its own.",
    ),
    Divergence(
        "unread-upsert-conflicts",
        "A transaction gets OC000 if an INSERT … ON CONFLICT meets a row that others have updated or deleted since its "
        "snapshot, and skips it, where its source writes; where a source of several rows, or the WHERE clause of DO "
        "UPDATE, may call a VOLATILE function of a client that reads tables; and where it is a DO UPDATE with a WHERE "
        "clause through a view, or by an index on expressions or some rows of a table that has a domain or calls a "
        "function of a client in a CHECK, a default or an index.",
        "The engine runs the rows proposed without the ON CONFLICT clause first, and evaluates the WHERE clause in a "
        "query of its own. It cannot take back other writes; such a function would see rows that are skipped; and a "
        "query of such keys would run code of clients as another role.",
        "Such a transaction commits on Aurora DSQL. Here, run it again.",
    ),
    Divergence(
        "child-updated-twice",
        "A transaction that changes a row twice gets OC000 if another one has meanwhile changed a unique column of the "
        "row's parent to which the row does not refer. One that deletes the parent, changes its key or locks it FOR "
        "UPDATE gets OC000 if another one has meanwhile changed the row twice.",
        "PostgreSQL checks a foreign key again for a row that the transaction has made itself, and locks the parent, "
        "though the reference is the same as before.",
        "Such a transaction commits on Aurora DSQL. Here, change the row in one statement, or run the transaction "
        "again.",
    ),
    Divergence(
        "one-loser",
        "If two transactions conflict in several rows, exactly one of them fails.",
        "On Aurora DSQL sometimes both fail (recorded 2026-09-17), which is not predictable.",
        "Code with retries sees fewer conflicts locally; use fault injection for more.",
    ),
    Divergence(
        "losers-take-turns",
        "A session that has lost three conflicts in a row, and a session that has won all three, begin their next "
        "transactions one after the other: a BEGIN waits up to 1 s for the transactions of others. One loss is enough "
        "once six sessions have lost within a second. A doomed transaction whose statement others have overtaken again "
        "waits as a BEGIN does. A session that has not committed for 300 ms begins at once.",
        "Of sessions that change one row at the same time all but one lose, and on one machine their work slows the "
        "winner down.",
        "Transactions that are run again fail less often here; use fault injection for more conflicts.",
    ),
    Divergence(
        "conflict-at-statement",
        "A statement can itself fail with 40001 (OC000) if other sessions commit rows with new keys into its table a "
        "thousand times while it runs.",
        "It runs again after each of them, to find its answer, and ends at last.",
        "Aurora DSQL reports a conflict of rows at COMMIT only. Run the transaction again after either error, as "
        "`db.transaction(…, retry_on_conflict=True)` does.",
    ),
    Divergence(
        "oc001-by-relation",
        "A catalog change by another session fails the open transactions that have touched a table or view which it "
        "locks more strongly than a statement on rows does: at their next statement, or at COMMIT if they wrote. A "
        "change that locks none (of a role, a function, a privilege) fails all of them.",
        "Aurora DSQL continues if it can prove that the change is irrelevant; its rules are not documented.",
        "OC001 may be more or less frequent on Aurora DSQL while DDL runs. A transaction that begins after the change "
        "never gets it.",
    ),
    Divergence(
        "key-came-and-went",
        "Inserting a key that other transactions have inserted and deleted since the snapshot is no conflict.",
        "PostgreSQL keeps nothing of such a row: no snapshot shows it.",
        "Such a transaction commits here and may fail with OC000 on Aurora DSQL.",
    ),
    Divergence(
        "places-change",
        "The values of ctid that a transaction sees, and the order of rows without ORDER BY, may change between its "
        "statements while others run.",
        "A transaction that blocks another one is suspended. Resuming it makes its rows again, in other places.",
        "None for statements that use keys and ORDER BY; Aurora DSQL promises neither order nor places.",
    ),
    Divergence(
        "portal-kept-in-part",
        "If a client reads a portal with a row limit, and another transaction needs its locks, a part of the remaining "
        "rows is kept: those that are read in 50 ms, at most 16 MiB. Of a query with FOR UPDATE, set_config(), "
        "nextval() or setval() none is kept. Nor is any of a query that may call a function of a client while the "
        "database has one that is VOLATILE, or of any query while it has a view with a locking clause. A client that "
        "reads further gets OC000; so does one that reads on in a portal whose next row others have changed, if that "
        "row is to be locked or changed.",
        "Suspending a transaction releases its locks and closes its portals in PostgreSQL. To read a row that the "
        "client has not asked for may change and lock rows, and takes the time of the other transaction.",
        "Fetch all rows of such a query at once, or run the transaction again, as after any OC000.",
    ),
    Divergence(
        "calls-made-meanwhile",
        "If another session commits DDL that makes a view or a default call a function of a client, a statement sent "
        "just before that DDL, which PostgreSQL runs after it, may change more rows than a transaction may.",
        "A statement that names nothing that calls a function is passed to PostgreSQL without a guard, and its rows "
        "are counted by its command tag. It may find the object changed when it takes its lock.",
        "None for DDL that runs before the application, as migrations do. Conflicts are found nevertheless.",
    ),
    Divergence(
        "index-filled-by-statement",
        "CREATE INDEX ASYNC builds the index in the statement; the job checks for duplicates and marks it valid.",
        "PostgreSQL's CREATE INDEX CONCURRENTLY waits for all open transactions, and no statement may wait here.",
        "The statement takes as long as the build; a job ends sooner than on Aurora DSQL, where it is queued.",
    ),
    Divergence(
        "synchronous-index",
        "CREATE INDEX without ASYNC is refused whatever the parameter disable_sync_create_index says. The parameter "
        "takes any text.",
        "A port of an application reports that a cluster accepts it for an empty table while the parameter is off; "
        "there is no recording.",
        "Write CREATE INDEX ASYNC.",
    ),
    Divergence(
        "no-maintenance-jobs",
        "sys.jobs shows index builds and validations, but no ANALYZE and no DROP jobs.",
        "PostgreSQL does both without jobs.",
        "Code that lists jobs sees fewer jobs.",
    ),
    Divergence(
        "size-of-rows-only",
        "The size limit of a transaction counts the stored size of rows, and of the primary keys of rows locked by FOR "
        "UPDATE in a transaction block, without overhead and without index entries.",
        "How Aurora DSQL counts overhead is not documented. Of 500 rows of wide text it took 9.93 MiB without a "
        "secondary index, and 9.11 MiB with four (AWS agent plugins, observed 2026-10-01).",
        "A transaction just under the limit may fail on Aurora DSQL; the DETAIL of the error has the size that counts.",
    ),
    Divergence(
        "running-statement-outlives-age",
        "A statement that runs when its transaction reaches the age limit runs to its end.",
        "The limit is checked between statements.",
        "The next statement or COMMIT gets the error.",
    ),
    Divergence(
        "busy-reader-is-waited-for",
        "A statement that needs a lock of another transaction waits while that transaction runs a read whose rows are "
        "being sent. A statement that writes is stopped after 0.1 s, and run again later.",
        "The changes of a transaction can be read from PostgreSQL only between two of its statements, and rows that "
        "have been sent cannot be taken back.",
        "The statement waits for one statement of the other transaction, never for the transaction.",
    ),
    Divergence(
        "for-update-in-read-only",
        "FOR UPDATE in a READ ONLY transaction is refused with 25006, as PostgreSQL does.",
        "Aurora DSQL says “SELECT FOR UPDATE in a read-only transaction is a no-op”; whether that is an error or a "
        "warning is not documented.",
        "Do not use FOR UPDATE in READ ONLY transactions.",
    ),
    Divergence(
        "disable-trigger-all",
        "ALTER TABLE … DISABLE TRIGGER ALL of a table with foreign keys is refused with 42501.",
        "In PostgreSQL foreign keys are triggers, which only a superuser may disable; on Aurora DSQL it has no effect.",
        "Omit it, or write DISABLE TRIGGER USER.",
    ),
    Divergence(
        "catalog-shows-proxy",
        "The system catalog shows internal objects of the local database: the schemas local_dsql and "
        "local_dsql_engine, the databases pristine, spare_of_…, snapshot_…, template0 and template1, the roles "
        "postgres and local_dsql_…, the extension local_dsql, event triggers, the functions local_dsql_… and "
        "postgres_… of pg_catalog. pg_dump leaves them out.",
        "PostgreSQL's catalog rows are visible to all roles.",
        "A list of schemas has two more; no client can read or change their content. A statement that names one of "
        "these roles fails with 42704, as on Aurora DSQL; a role of such a name cannot be created.",
    ),
    Divergence(
        "sys-functions-few",
        "The schema sys has the functions uuid_to_base32_str, base32_str_to_uuid, cluster_size, cluster_size_limit, "
        "iam_session_user and current_session_id; their types are guesses.",
        "AWS does not document the functions; only their names are known, and only these names are self-explanatory.",
        "A call of another function of sys fails with 42883.",
    ),
    Divergence(
        "sizes-of-what-is-sent",
        f"The limits of {BYTES_PER_VALUE // MEBIBYTE} MiB per value and {BYTES_PER_ROW // MEBIBYTE} MiB per row are "
        "checked for values that a client sends, not for values that a query computes; "
        f"a key may have 2,704 bytes, not about {BYTES_PER_KEY:,}, in which an index entry has the primary key, too "
        "(54000 “key size too large”); a view may have any size, a query any temporary space (54000 “query requires "
        "more than allowed temp space of 131072 KB to execute”).",
        "To measure every row would cost more than the statement. Values are compressed as in PostgreSQL. The sizes "
        "are those of one source (AWS agent plugins, observed 2026-10-01), and contradict Aurora DSQL's documentation.",
        "INSERT … SELECT repeat('x', …) may succeed here and fail on Aurora DSQL with 54000; so may a key of more than "
        f"{BYTES_PER_KEY:,} bytes, and a view of more than 120 KiB.",
    ),
    Divergence(
        "one-identifier",
        "The clusters of a database in two Regions have the same identifier, and are created and deleted at once.",
        "They are two endpoints of one server, with one folder and one certificate.",
        "Distinguish Regions by ARN or endpoint; on Aurora DSQL each cluster has its own identifier, and the "
        "states CREATING and DELETING last for seconds to minutes.",
    ),
    Divergence(
        "errors-of-portals",
        "In a failed transaction, messages for portals and the unnamed statement of earlier batches may get another "
        "error than in PostgreSQL. A Bind of a named portal that exists may get 42P03 where PostgreSQL finds another "
        "fault first, or take the name if the portal is that of a BEGIN, COMMIT or ROLLBACK.",
        "Statements of the proxy, and suspensions, close portals that PostgreSQL would keep.",
        "None for drivers, which end a failed transaction with ROLLBACK, and bind a named portal once.",
    ),
    Divergence(
        "copy-runs-at-its-end",
        "COPY FROM STDIN reports an invalid row after all rows have been sent, and an unexpected message between rows "
        "without the line number. COPY data of more than 40 MiB is refused with 54000, however well it compresses.",
        "The proxy sends the rows to PostgreSQL once all have arrived, so that no session waits for a slow client.",
        "A client that expects an error while it sends rows gets it only after CopyDone.",
    ),
    Divergence(
        "primary-key-in-catalog",
        "pg_index shows the key columns of a primary key alone. Its definition has INCLUDE (all other columns), and an "
        "index the access method btree_index, as on Aurora DSQL (recorded 2026-09-16, eu-central-1): in pg_indexes, "
        "pg_am, pg_get_indexdef() and pg_get_constraintdef().",
        "PostgreSQL reads pg_index itself: it would look for the other columns in the index.",
        "A tool that reads the columns of a key from pg_index.indkey may count more of them on Aurora DSQL: "
        "pg_index.indnkeyatts has the number of keys.",
    ),
    Divergence(
        "repeated-iam-grant",
        "AWS IAM GRANT of a mapping that exists succeeds, AWS IAM REVOKE of one that does not exist, too.",
        "An installer for clusters says that granting again is an error; its SQLSTATE and text are unknown.",
        "Read sys.iam_pg_role_mappings before a grant, as the migrator does.",
    ),
    Divergence(
        "reset-of-all-parameters",
        f"In {allowed_in(MINISTACK_DAY)} RESET and TO DEFAULT are accepted for every parameter of PostgreSQL, those of "
        "SET ROLE, SET SESSION AUTHORIZATION and SET TRANSACTION apart.",
        "One third party saw it for work_mem, statement_timeout and default_statistics_target (MiniStack 1.5.33, "
        "measured 2026-10-04, eu-central-1).",
        "RESET of another parameter may fail on Aurora DSQL with 0A000: leave it out, or use RESET ALL.",
    ),
    Divergence(
        "set-config-jit",
        "set_config('jit', 'off', false), which asyncpg sends before it reads types, is refused with 0A000.",
        "Aurora DSQL's list of parameters does not have jit; the answer of a cluster is not recorded.",
        "A query of a type that asyncpg does not know, such as a domain, may fail here only; cast it to its base type.",
    ),
    Divergence(
        "cost-is-an-estimate",
        "`LocalCluster.cost()` and `blocks cost` count the bytes of a row as PostgreSQL stores it, and an UPDATE that "
        "PostgreSQL cannot make in place as one of all index entries; ComputeDPU is left out, and so is what was read "
        "of a table that is dropped in the block.",
        "DSQL's storage format is not documented, and ComputeDPU is the time of its query processors.",
        "Compare variants of a workload and set budgets; the bill is in CloudWatch.",
    ),
    Divergence(
        "plpgsql-unknown",
        "PL/pgSQL is taken as AWS's page describes it in general. Accepted without a recording: EXCEPTION, "
        "cursors, EXECUTE, "
        "and DROP, GRANT and COMMENT of procedures. Refused: DDL, SET, LOCK, COPY, MERGE, EXPLAIN and DO within a "
        "body, "
        "COMMIT in a function or in DO, procedures in SQL, ALTER PROCEDURE, and trigger functions.",
        "No cluster with PL/pgSQL is recorded; AWS's page names functions, procedures, CALL and DO, and says that "
        "COMMIT "
        "and ROLLBACK work in procedures.",
        "Try bodies that use more on a cluster, and expect other messages.",
    ),
    Divergence(
        "limit-at-statement-end",
        "A statement whose functions exceed the row limit fails when it ends, so no handler in a body sees the error.",
        "The rows are counted in PostgreSQL's log.",
        "Whether a cluster raises the error within the loop, where a handler catches it, is unknown; do not rely "
        "on it.",
    ),
    Divergence(
        "undone-change-conflicts",
        "A transaction that has changed a row in an EXCEPTION block, and undone that by an error in the block, gets "
        "OC000 if another one had committed a change of the row before.",
        "The handler would have to run on a snapshot on which PostgreSQL refuses the change of the row.",
        "Whether Aurora DSQL counts changes that a block has undone is unknown: such a transaction may commit there.",
    ),
    Divergence(
        "procedure-runs-alone",
        "If a procedure has COMMIT or ROLLBACK, a CALL outside of a transaction block is not limited in rows, size and "
        "age, gets no injected conflict, and reports a conflict at a statement, not at its COMMIT. A statement of "
        "another session that needs a row of it waits until its next COMMIT. A handler in it does not run for a row "
        "that its own block has made.",
        "PostgreSQL runs such a CALL outside of a transaction block only, where the engine cannot hold it back.",
        f"Count the rows of a batch yourself: {ROWS_PER_TRANSACTION:,} for each COMMIT. After 40001 earlier "
        "transactions of the CALL stay, here as on a cluster.",
    ),
    Divergence(
        "sequence-ends-transaction",
        "DDL on a sequence, or on the table of an identity column, that an open transaction has used makes that "
        "transaction lose at once, also if the DDL is rolled back later.",
        "PostgreSQL keeps the lock of a sequence until the end of the transaction, also after ROLLBACK TO SAVEPOINT.",
        "Run the transaction again; on a cluster, it loses when the DDL is committed.",
    ),
    Divergence(
        "call-in-pipeline",
        "A CALL of a procedure with COMMIT or ROLLBACK fails with 2D000 in a pipeline of the extended protocol with "
        "other statements.",
        "PostgreSQL 16 runs it there, and its COMMIT commits the statements before it in the pipeline, too. Here they "
        "are in one transaction with what follows.",
        "Send a Sync before and after the CALL; in psycopg, leave the pipeline.",
    ),
    Divergence(
        "guards-in-prosrc",
        "pg_proc.prosrc of a function in PL/pgSQL with EXECUTE or EXCEPTION has more text, between /*local_dsql<*/ and "
        "/*local_dsql>*/. pg_get_functiondef() has not; a dump with it can be restored here.",
        "EXECUTE asks the proxy whether the dialect accepts its value, and a handler lets conflicts through that DSQL "
        "reports at COMMIT.",
        "Read bodies with pg_get_functiondef().",
    ),
    Divergence(
        "handled-violations-beside-others",
        "A transaction gets OC000 if others have committed rows since its snapshot, and a handler of unique_violation "
        "or foreign_key_violation runs for a row that its own block has made. The same holds for a key of several "
        "columns with a comma and a space, or NULL, whose text is not that of the equal key in the table, such as 1.0 "
        "and 1.00.",
        "When a handler runs, the rows of its block are gone, and the message of PostgreSQL has the key as text. That "
        "the row in the way was one of others can be excluded only while they commit none.",
        "Run the transaction again. INSERT … ON CONFLICT has no such limit.",
    ),
    Divergence(
        "cancellations-pass-handlers",
        "A handler of query_canceled does not run for an error with the text “canceling statement due to …”, even if a "
        "body has raised it.",
        "The engine cancels a statement that is in the way of others, and runs it again. Within PostgreSQL such an "
        "error can look like one of RAISE.",
        "Raise query_canceled with another text. Clients cannot cancel a statement, here as on a cluster.",
    ),
    Divergence(
        "cursor-lost-at-suspension",
        "A cursor that a function has left open is gone if another session needs a row of the transaction meanwhile.",
        "The transaction is suspended by ROLLBACK TO SAVEPOINT, which closes cursors opened since.",
        "Fetch from a cursor in the body that opens it.",
    ),
    Divergence(
        "checks-run-again",
        "If another session needs a row of a transaction, the conditions of domains and the expressions of indexes and "
        "generated columns run again for the rows that it has changed. CHECKs of tables do not. Where a condition is "
        "false by then, with the parameters of the BEGIN and with those set last, the transaction gets OC000. One in "
        "which a function of them writes rows gets OC000, too; until COMMIT it sees them several times. A function "
        "that calls nextval() skips values.",
        "The rows are made again when the transaction is resumed. PostgreSQL checks a value whenever it is converted "
        "to a domain. To leave that out, the definition of the domain would have to change, and other sessions wait "
        "for that.",
        "Let the condition of a domain depend on its value only, not on time, parameters or other rows, and let no "
        "function of it write: PostgreSQL assumes that it is immutable. Otherwise use a CHECK of the table.",
    ),
    Divergence(
        "texts-unknown",
        "Some errors have a message of our own: plain-text connections, protocol sequences that were not recorded.",
        "There is no recording of them.",
        "Match the SQLSTATE, not the text.",
    ),
    Divergence(
        "hints-added",
        "Errors have a HINT that says what to do.",
        "It helps developers.",
        "None, unless a program reads hints.",
    ),
    Divergence(
        "short-password",
        "Besides tokens, the local database accepts passwords of 35 characters, which `local-dsql … --short-password` "
        "makes for one role, cluster and Region, valid for a week at most. A client that sends one needs no SNI.",
        "Some tools cut a token of 400 characters, Java sends no SNI for the name localhost, and the local database "
        "listens on loopback only.",
        "A client of Aurora DSQL must be able to send a token, and a new one after 15 minutes.",
    ),
    Divergence(
        "role-of-snapshot",
        "A role that exists in a snapshot (`save_snapshot`, and the fixture `dsql` for roles of migrations) cannot be "
        "dropped: DROP ROLE fails with 2BP01 even after its privileges are revoked.",
        "PostgreSQL's roles belong to all databases, and the snapshot is another database in which it has privileges.",
        "Test the removal of a role on an empty database, with the fixture `dsql_empty`.",
    ),
)
"""All entries; ids are unique and do not change."""

BY_ID = {divergence.id: divergence for divergence in DIVERGENCES}
