"""Optimistic concurrency, exactly, over PostgreSQL 16, which is pessimistic.

PostgreSQL at REPEATABLE READ lets a statement wait for a row that another transaction has changed, and lets the
first *writer* win. Aurora DSQL lets no statement wait and lets the first *committer* win; the loser learns it at
COMMIT. The engine turns the one into the other. It guesses nothing from the text of a statement: the write-ahead
log tells what a transaction has changed or locked, PostgreSQL's wait graph tells who is in the way, binary images
by place (ctid) in the transaction's own snapshot say what the rows are.

Invariants:

1. **A backend is used only through a `HeldSession`**, which exists only while the session's lock is held. A waiter
   holds its own session and only tries for another's, so sessions never wait for each other here. There is no
   global lock.
2. **Nothing waits for a transaction.** A statement that is blocked suspends every idle transaction in its way: the
   changes are read out of PostgreSQL, and ROLLBACK TO the savepoint after BEGIN gives all locks back and keeps the
   snapshot. A transaction that is in the middle of a statement suspends itself at the end of that; if the statement
   takes long it is cancelled, undone, and run again. One whose client is about to go on gets 10 ms to end. Rings of
   statements that block each other PostgreSQL breaks (`deadlock_timeout`); the one that it stops suspends itself and
   runs again.
3. **A suspended transaction comes back before it does anything else**, row by row as it was, with foreign keys not
   acting: what they have done is among the changes, what they have locked is among the locks.
4. **Savepoints of the engine nest and are never released**: a subtransaction that is rolled back leaves the log's
   account of its transaction by itself, and its locks with it.
5. **An error is real unless newer rows can have caused it.** Then PostgreSQL itself is asked, with the index in
   question switched off for this backend, whether the snapshot alone gives the same error.
6. **A transaction that has lost is doomed, not failed**: it goes on over a fresh snapshot with its own changes on
   top, and never commits.
7. **The order of commits is PostgreSQL's.** COMMIT compares the locks of the transaction with those that the log
   shows as committed since its snapshot, by PostgreSQL's own table of row locks, which is DSQL's matrix of
   conflicts.
8. **The session user of a client's backend is the client's own role**, and nothing changes it. What the engine does
   there beyond the client's rights are a few functions that want a token (`powers`, `catalog/70_engine.sql`).
9. **The engine's own connections touch no table of a client**, so they never wait behind one.

Modules build on each other in one direction: commands and shapes; turns; transaction, session and log; suspend;
unblock; replay, rebase and resume; the judgement of errors; execute, autocommit and commit; engine.
"""
