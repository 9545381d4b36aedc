"""Where the local cluster is known to differ from Aurora DSQL; tests cite entries, the docs print them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Divergence:
    """One known difference.

    `sentence` says what is different, `reason` why it is left so, `consequence` what it means for an
    application that is developed against the local cluster.
    """

    id: str
    sentence: str
    reason: str
    consequence: str


DIVERGENCES: tuple[Divergence, ...] = (
    Divergence(
        "lateral-left-join",
        "LEFT JOIN LATERAL whose target list uses a column of the outer table works here; DSQL failed it "
        "with 42804 “attribute 1 of type … has wrong type” (recorded 2026-09-18, eu-central-1).",
        "It looks like a fault of DSQL's planner: INNER and CROSS JOIN LATERAL of the same subquery work. "
        "A refusal made after three recordings would refuse too much or too little.",
        "A query of this shape may pass here and fail on a cluster: select the outer column outside of "
        "the subquery, or use INNER JOIN LATERAL.",
    ),
    Divergence(
        "doomed-sees-newer-rows",
        "A transaction that has lost a conflict, and will be told so at COMMIT, may read rows that were "
        "committed after its snapshot; its own changes it reads as always.",
        "The winner's rows have replaced the ones that PostgreSQL kept for the loser's snapshot, and the "
        "loser works on without a lock on them.",
        "None for what is committed: such a transaction never commits. Code that must not see two states "
        "of the database between BEGIN and a failing COMMIT can see them here.",
    ),
    Divergence(
        "implicit-key-share-forgotten",
        "A conflict between FOR UPDATE of a parent row and the INSERT of a child is found only where the "
        "two locks meet, not where one of the transactions has committed before the other takes its lock.",
        "The key share is taken by PostgreSQL's own check of the foreign key, which says neither which "
        "rows it locked nor, after COMMIT, that it did.",
        "A conflict between FOR UPDATE of a parent and the insert of a child can be missed where DSQL "
        "reports it; the data is right either way, for FOR UPDATE changes nothing.",
    ),
)
"""Every entry; the ids are unique and stay."""
