"""Optimistic concurrency control on top of PostgreSQL 16, whose own concurrency control is pessimistic.

PostgreSQL at REPEATABLE READ lets a statement wait for a row that another transaction has changed, and the first
*writer* wins. Aurora DSQL lets no statement wait for another transaction, and the first *committer* wins; the loser
gets 40001 at COMMIT. The engine gives PostgreSQL DSQL's behaviour. It does not derive changes and locks from the text
of a statement. The write-ahead log shows the rows that a transaction has changed or locked, PostgreSQL's wait graph
shows which session blocks a statement, and rows are read as binary images, by place (ctid), in the transaction's own
snapshot.

Terms, each with one meaning in this package:

- *execute*: run one statement of a client by DSQL's rules, in its transaction (`execute`) or alone (`autocommit`).
- *unblock*: suspend or preempt every transaction that a statement waits for, while the statement runs.
- *suspend*: read a transaction's changes out of PostgreSQL and release its locks; its snapshot stays.
- *resume*: restore the changes of a suspended transaction on that snapshot.
- *preempt*: cancel a running statement, undo it, suspend and resume its transaction, and run it again.
- *replay*: run again the statements whose effect no row shows: settings and DDL. A part of resume and rebase.
- *doomed*: a transaction that has a conflict. It continues, and gets 40001 at COMMIT.
- *rebase*: put a doomed transaction on a fresh snapshot, with its own changes on top; at READ COMMITTED if others have
  overtaken it once more.
- *guard*: the savepoint before a statement. *Base*: the savepoint after BEGIN.

Invariants:

1. **Statements reach a backend only through a `HeldSession`**, which exists only while the session's lock is held. A
   blocked statement holds its own session and only tries to lock another, so sessions never wait for each other here.
   There is no global lock.
2. **No statement waits for an idle transaction.** The engine suspends every idle transaction that blocks a statement. A
   transaction that runs a statement suspends itself when the statement ends; a long statement is preempted, at most
   three times, and then runs to its end. A transaction whose client is about to send its next statement gets 10 ms to
   end, or 50 ms if the statement is one of a doomed transaction. A statement whose rows go to the client as they arrive
   is never preempted. A blocked statement waits for the end of these two, which the age limit of a transaction bounds.
3. **PostgreSQL breaks deadlocks of running statements** (`deadlock_timeout`). The one that it stops is undone, its
   transaction suspended and resumed, and it runs again.
4. **A suspended transaction is resumed before it does anything else**, row by row. Foreign key triggers do not act
   again: the rows that they changed are among its changes, and the rows that they locked among its locks. CHECKs of
   tables do not run again: they have accepted the rows, with the parameters, the role and the time of the statement.
5. **The engine's savepoints nest and are never released.** So the log shows what belongs to a savepoint that is rolled
   back, and the rollback releases its locks.
6. **An error is reported only if the snapshot alone causes it.** If newer rows may have caused it, PostgreSQL runs the
   statement again with the violated index switched off for this backend, and the result decides.
7. **PostgreSQL orders the commits.** COMMIT compares the locks of the transaction with those that the log shows as
   committed since its snapshot. PostgreSQL's own table of row locks says which two conflict; DSQL's rule is the same.
8. **The session user of a client's backend is the client's own role**, and nothing changes it. Where the engine needs
   more rights, it calls one of a few functions that demand a token (`powers`, `catalog/70_engine.sql`).
9. **The engine's own connections touch no table of a client**, so they never wait for one.

Modules, from bottom to top. A module imports only modules above it in this list:

    limits             limits of transactions and connections
    errors             errors of conflicts and limits, with DSQL's texts
    answers            answers that a client may get; the reasons why an error is real
    process_state      state of PostgreSQL's processes, from the kernel
    wait_log           log of lock waits, for tests
    conflict_log       log of conflicts, for `local-dsql conflicts`
    commits            counter of commits
    portals            interface to the portals of a session
    control            the engine's own connections
    commands           the engine's own statements: encoding, results
    table_shapes       columns, keys and indexes of a table; statements on its rows by place
    row_changes        changes of a suspended transaction
    requests           statements of clients as messages that can be sent again
    transaction        state of one transaction
    savepoints         messages of BEGIN, COMMIT, ROLLBACK and savepoints
    log_distance       check of the limits of autocommit by the growth of the log
    prepared           the engine's prepared statements in a client's session
    powers             calls of the functions that demand the token
    owner_functions    the same for tables whose CHECKs or indexes call functions of clients
    mentions           names in the text of a statement
    table_catalog      cache of table shapes, and the sessions that changed the catalog
    committed_rows     index of rows and locks that others have committed
    log_follower       the write-ahead log: own changes, committed changes
    turns              order of the next transactions of sessions that have lost a conflict
    session            one client session; exclusive access to it
    unneeded_log       skip the log behind statements in autocommit
    opening            begin and end a transaction
    hidden_settings    settings that set_config() has changed
    suspend            suspend a transaction
    deadlocks         let the other statements of a deadlock end first
    unblock            suspend or preempt the transactions that block a statement
    replay             run settings and DDL again
    rebase             put a doomed transaction on a fresh snapshot
    key_rights         keys that PostgreSQL shows a client in an error
    deferred_checks    deferred constraints of restored rows
    parent_locks       drop locks of parent rows that are not needed
    resume             resume a suspended transaction
    schema_changes     detect catalog changes by others (OC001)
    conflict_rows      tables and keys for the conflict log
    row_count          count the changed rows
    size               check the size limit
    duplicates         find duplicate keys by the snapshot
    error_causes       detect errors that newer rows cause
    newer_rows         find newer rows in the tables of a statement
    upsert_texts       parts of the text of an INSERT ... ON CONFLICT
    upsert_conditions  the WHERE clause of DO UPDATE, by the snapshot
    upserts            INSERT ... ON CONFLICT on rows that others have changed
    doomed             statements of a doomed transaction
    procedures         a CALL of a procedure that may COMMIT
    execute            a statement in an open transaction
    autocommit         a statement in autocommit
    commit_preview     the changes of a COMMIT for fault injection
    commit             conflict check and COMMIT
    exchanges          usual writes, BEGIN and COMMIT in one request without a task
    engine             start and stop; background work on the log
"""
