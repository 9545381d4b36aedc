"""Where the local database is known to differ from Aurora DSQL: every case, its reason, and what it means.

Tests that show a difference cite its id, and the documentation prints this list.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Divergence:
    """One known difference: what differs, for what reason, and what an application may notice of it."""

    id: str
    sentence: str
    reason: str
    consequence: str


DIVERGENCES: tuple[Divergence, ...] = (
    Divergence(
        "lateral-left-join",
        "LEFT JOIN LATERAL whose target list uses a column of the outer table works here; DSQL failed it with 42804 "
        "“attribute 1 of type … has wrong type” (recorded 2026-09-18, eu-central-1).",
        "It looks like a fault of DSQL's planner: INNER and CROSS JOIN LATERAL of the same subquery work. A refusal "
        "made after three recordings would refuse too much or too little.",
        "A query of this shape may pass here and fail on a cluster: select the outer column outside of the subquery, "
        "or use INNER JOIN LATERAL.",
    ),
    Divergence(
        "doomed-sees-newer-rows",
        "A transaction that has lost reads newer values of rows that it has not written itself.",
        "PostgreSQL cannot write over newer rows on an old snapshot, so a doomed transaction goes on over a fresh one.",
        "Visible only between the statement that loses and the COMMIT that fails; now() moves forward with it, "
        "foreign keys that only newer rows break are not reported, and where newer values break a CHECK or make an "
        "expression fail, the conflict is reported by that statement, not by COMMIT.",
    ),
    Divergence(
        "one-loser",
        "Of two transactions that overlap in several rows exactly one loses.",
        "Aurora DSQL was seen to fail both at times (recorded 2026-09-17), which cannot be foreseen.",
        "Code that retries sees fewer conflicts locally; inject them to see more.",
    ),
    Divergence(
        "any-catalog-change-is-oc001",
        "Every catalog change by others fails an open transaction: at its next statement, or at COMMIT if it wrote.",
        "Aurora DSQL goes on where it can prove that the change does not matter; when it can is not documented.",
        "OC001 is more frequent locally while DDL runs, and never hits a transaction that begins after the change.",
    ),
    Divergence(
        "reference-gone-again",
        "A FOR UPDATE of a parent does not meet a child that was made and removed again by others meanwhile.",
        "PostgreSQL keeps no trace of a committed lock; what a foreign key has locked is told by the rows that refer.",
        "Such a transaction commits here, and gets OC000 on Aurora DSQL.",
    ),
    Divergence(
        "index-filled-by-statement",
        "CREATE INDEX ASYNC reads the table in the statement; the job checks for duplicates and declares it valid.",
        "PostgreSQL's own concurrent build waits for every open transaction, and nothing here may wait.",
        "The statement takes as long as the build; a job is done sooner than on Aurora DSQL, where it is queued.",
    ),
    Divergence(
        "no-maintenance-jobs",
        "sys.jobs shows index builds and validations, no ANALYZE and no DROP.",
        "PostgreSQL does both on its own.",
        "Code that lists jobs sees fewer.",
    ),
    Divergence(
        "size-of-rows-only",
        "The limit of 10 MiB counts rows as they are stored, without overhead and without index entries.",
        "How Aurora DSQL counts overhead is not documented.",
        "A transaction just under the limit may fail on Aurora DSQL.",
    ),
    Divergence(
        "running-statement-outlives-age",
        "A statement that is running when its transaction grows too old runs to its end.",
        "The limit is enforced between statements.",
        "The error comes with the next statement or COMMIT.",
    ),
    Divergence(
        "busy-reader-is-waited-for",
        "A statement that needs a row of a transaction waits while that transaction is in the midst of a plain read.",
        "Changes can be read out of PostgreSQL only between two statements.",
        "It waits for one statement of the other transaction, never for the transaction.",
    ),
    Divergence(
        "parking-reads-tables",
        "A conflict costs a read of the whole tables that the transaction in the way has written to.",
        "Which rows a transaction has changed is told by PostgreSQL's row versions alone.",
        "About 10 ms for 100,000 rows.",
    ),
    Divergence(
        "for-update-in-read-only",
        "FOR UPDATE in a READ ONLY transaction is refused with 25006, as PostgreSQL does.",
        "Aurora DSQL says “SELECT FOR UPDATE in a read-only transaction is a no-op”; whether that is an error or a "
        "warning is not documented.",
        "Leave FOR UPDATE out of READ ONLY transactions.",
    ),
    Divergence(
        "disable-trigger-all",
        "ALTER TABLE … DISABLE TRIGGER ALL of a table with foreign keys is refused with 42501.",
        "In PostgreSQL foreign keys are triggers, which only a superuser may disable; on Aurora DSQL it does nothing.",
        "Leave it out, or write DISABLE TRIGGER USER.",
    ),
    Divergence(
        "catalog-shows-proxy",
        "The system catalog shows what the local database is made of: the schema local_dsql, the databases pristine, "
        "spare, template0 and template1, the role postgres, event triggers.",
        "PostgreSQL's catalog has no rows that one may see and another may not.",
        "A list of schemas has one more; no client can read or change what is in it.",
    ),
    Divergence(
        "sys-functions-few",
        "Of the functions in sys there are uuid_to_base32_str, base32_str_to_uuid, cluster_size, cluster_size_limit "
        "and iam_session_user; their types are a guess.",
        "Only the names of these and of the others are known, and only these explain themselves.",
        "A call of another one is refused with 42883.",
    ),
    Divergence(
        "sizes-of-what-is-sent",
        "The limits of 1 MiB a value and 2 MiB a row are held against what a client sends, not against what a query "
        "makes of it; those on the size of a key and of a view are not held.",
        "To measure every row would cost more than the statement, and the sizes of keys differ between Aurora DSQL's "
        "documentation and what was seen. Values are compressed as PostgreSQL does it.",
        "INSERT … SELECT repeat('x', …) may store here what Aurora DSQL refuses with 54000.",
    ),
    Divergence(
        "one-identifier",
        "The clusters of a database in two Regions have one identifier, and are set up and deleted in no time.",
        "They are two endpoints of one server, which has one folder, one certificate and nothing to set up.",
        "Tell Regions apart by ARN or endpoint; on Aurora DSQL each cluster has an identifier of its own, and the "
        "states CREATING and DELETING last for seconds to minutes.",
    ),
    Divergence(
        "portals-that-are-over",
        "A portal that has run to its end may be gone: refused with 34000, its name free. In a transaction that has "
        "failed, what is said of the portals and of the unnamed statement of earlier batches may be another error "
        "than PostgreSQL's.",
        "PostgreSQL keeps what is left of a portal until the end of the transaction; what the proxy does in between "
        "takes it away.",
        "None for drivers, which leave a portal alone after its end and a failed transaction to ROLLBACK.",
    ),
    Divergence(
        "copy-runs-at-its-end",
        "COPY FROM STDIN reports a faulty row when all rows have been sent, and a message that has no place between "
        "them without the line. COPY data of more than 40 MiB is refused with 54000, however well it compresses.",
        "PostgreSQL gets the rows when all are there, so that no statement waits for a client between two rows.",
        "A client that waits for an error in the midst of its rows gets none until CopyDone.",
    ),
    Divergence(
        "texts-unknown",
        "Some refusals have a text of our own: plain-text connections, sequences of messages DSQL was not asked about.",
        "No recording of them exists.",
        "Match SQLSTATE, not text.",
    ),
    Divergence(
        "hints-added",
        "Errors carry a HINT with the way out.",
        "It is for people.",
        "None, unless a program reads hints.",
    ),
)

"""Every entry; the ids are unique and stay."""

BY_ID = {divergence.id: divergence for divergence in DIVERGENCES}


def markdown() -> str:
    """Return the list as `docs/local-dsql.md` prints it; `python -m local_dsql.divergences` shows it."""
    return "\n".join(
        f"- **`{each.id}`**: {each.sentence} *Why:* {each.reason} *What it means:* {each.consequence}"
        for each in DIVERGENCES
    )


if __name__ == "__main__":
    print(markdown())
