"""Checks of the database that are more than statements: COPY, logins, the recordings, the dialect."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blocks_cli.acceptance.check import Check, Finding, Unavailable, Verdict, compared
from dsql_dialect.limits import ROWS_PER_TRANSACTION
from dsql_dialect.profiles import NEWEST
from local_dsql.conformance.attempts import attempt_login, conflict_between, copy_rows

if TYPE_CHECKING:
    from blocks_cli.acceptance.check import Subject
    from local_dsql.conformance.session import ClusterUnderTest

_SHOWN = 5
"""Number of differences that a finding shows."""


def copies(subject: Subject) -> Finding:
    """Copy a few rows, the most of a transaction, and one more."""
    numbers = (3, ROWS_PER_TRANSACTION, ROWS_PER_TRANSACTION + 1)
    answers = [
        "; ".join(copy_rows(cluster, number) for number in numbers)
        for cluster in (subject.cluster, subject.local)
    ]
    return compared(*answers)


def logins(subject: Subject) -> Finding:
    """Log in without TLS, as an unknown role, with a wrong token, and with a parameter at the start."""
    tried = (
        {"sslmode": "disable"},
        {"user": "blocks_acceptance_nobody"},
        {"password": "not-a-token"},
        {"options": "-c statement_timeout=1000"},
    )
    answers = [
        "; ".join(attempt_login(cluster, **changed) for changed in tried)
        for cluster in (subject.cluster, subject.local)
    ]
    return compared(*answers)


def conformance(subject: Subject) -> Finding:
    """Ask all recorded cases again. An answer that this release expects to have changed since is no difference."""
    from local_dsql.conformance.facts_reader import cases

    asked = cases()
    expected = set(_unlike_recorded(subject.local))
    found = [each for each in _unlike_recorded(subject.cluster) if each not in expected]
    return _counted(found, f"{len(asked)} recorded cases")


def _unlike_recorded(cluster: ClusterUnderTest) -> list[str]:
    from local_dsql.conformance.facts_reader import cases
    from local_dsql.conformance.runner import Runner

    runner = Runner(cluster, cases())
    try:
        return [f"{case.id}: {each}" for case in cases() for each in runner.run(case, case.protocol)]
    finally:
        runner.close()


def dialect(subject: Subject) -> Finding:
    """Ask the examples of all rules of the newest dialect."""
    from local_dsql.conformance.rule_examples import examples, observe

    asked = examples(NEWEST)
    found = [
        f"{each.example.rule.id}: {each.example.sql} -> {each.answer}; the rule: {each.example.expected or 'accepted'}"
        for each in observe(subject.cluster, asked)
        if each.differs
    ]
    return _counted(found, f"{len(asked)} examples of dialect {NEWEST.name}")


def _counted(found: list[str], asked: str) -> Finding:
    if not found:
        return Finding(Verdict.HOLDS, f"{asked}, no difference")
    shown = "\n".join(found[:_SHOWN])
    more = f"\n… and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return Finding(Verdict.DIFFERS, f"{len(found)} of {asked} are answered otherwise\n{shown}{more}", "none")


def regions(subject: Subject) -> Finding:
    """Commit in one Region and read in the other; then let the second of two writers lose across Regions."""
    if subject.peer is None:
        raise Unavailable("this run has one Region; pass --peer and --witness")
    answer = conflict_between(subject.cluster, subject.peer, "events")
    return compared(answer, "1 row in the other Region; second commit: 40001")


CHECKS = (
    Check("copy", "COPY FROM STDIN and TO STDOUT work, up to the row limit of a transaction", copies),
    Check("refused-logins", "the texts of refused logins, also without TLS", logins, ("texts-unknown",)),
    Check(
        "two-regions",
        "a commit is visible in the other Region at once, and conflicts are found there",
        regions,
    ),
    Check("conformance", "the recorded answers are still those of a cluster", conformance),
    Check("dialect-probe", f"the rules of dialect {NEWEST.name} are those of a cluster", dialect),
)
