"""A client session twice: at the local DSQL and at the oracle, each statement asked of both."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.local_dsql.differential.judging import CONFLICT, Outcome, Standing, judge
from tests.local_dsql.differential.oracle import Verdict
from tests.local_dsql.differential.wire_session import Answer, Protocol, Request, WireSession

if TYPE_CHECKING:
    from tests.local_dsql.differential.oracle import Oracle, PrivateCopy
    from tests.local_dsql.differential.shapes import Statement
    from tests.local_dsql.differential.transcript import Transcript

REPORTED = ("TimeZone", "DateStyle", "IntervalStyle", "client_encoding")
_LIMIT = 20.0
"""Seconds after which a statement counts as one that never ends."""


class Client:
    """One session; every method asks both sides and records a mismatch in the transcript by raising it."""

    def __init__(
        self, name: str, conninfo: str, oracle: Oracle, copy: PrivateCopy, transcript: Transcript
    ) -> None:
        self.name = name
        self._conninfo = conninfo
        self._oracle = oracle
        self.copy = copy
        self._transcript = transcript
        self.wire = WireSession(conninfo)
        self._standing = Standing.CLEAN
        self._ended = self._lost = False

    @property
    def is_open(self) -> bool:
        """Return whether a transaction is open."""
        return self.copy.open is not None

    @property
    def is_usable(self) -> bool:
        """Return whether a transaction is open in which statements still run on both sides."""
        return self.is_open and not self._ended and not self._lost

    @property
    def _loose(self) -> bool:
        return (
            self.copy.open is None or self.copy.open.catalog != self._oracle.catalog or self._oracle.unsettled
        )

    def begin(self, first: Statement) -> None:
        """Open a transaction with its first statement: whichever of the two takes the snapshot."""
        self._ended = self._lost = False
        self._standing = Standing.CLEAN
        self._expect("BEGIN", "BEGIN")
        self.copy.begin()
        self.run(first)

    def ask(self, request: Request) -> Answer:
        """Ask the local DSQL and wait."""
        try:
            answer = self.wire.ask(request, _LIMIT)
        except TimeoutError as error:
            raise self._transcript.mismatch(f"{self.name}: {error}") from None
        return self._transcript.timed(self.name, request, answer)

    def send(self, request: Request) -> None:
        """Send a request to the local DSQL and do not wait."""
        try:
            self.wire.start(request)
        except TimeoutError as error:
            raise self._transcript.mismatch(f"{self.name}: {error}") from None

    def run(self, statement: Statement) -> None:
        """Run a statement in the open transaction on both sides."""
        self.compare(statement, self.ask(statement.request))

    def compare(self, statement: Statement, got: Answer) -> None:
        """Compare the local DSQL's answer to a statement of the open transaction with the oracle's."""
        if not self.is_usable:
            return
        # Others may have committed since the last statement.
        before = self._standing = self._stands()
        expected = self.copy.execute(statement.request, statement.locks)
        self._standing = self._stands()
        outcome = judge(
            got,
            expected,
            before=before,
            after=self._standing,
            loose=self._loose,
            ordered=statement.shape.ordered,
            several=statement.shape.several,
        )
        if outcome is Outcome.WRONG:
            raise self._transcript.mismatch(
                f"{self.name}: {statement.request}\n  answers  {got}\n  expected {expected}\n"
                f"  {before.name} before, {self._standing.name} after"
            )
        self._ended |= outcome is Outcome.ENDED
        self._lost |= outcome is Outcome.LOST

    def _stands(self) -> Standing:
        assert self.copy.open is not None
        if self.copy.open.snapshot == len(self._oracle.facts):
            return Standing.CLEAN
        if self._standing is Standing.CONFLICTED:
            return Standing.CONFLICTED
        return Standing.STALE if self.copy.verdict() is Verdict.COMMIT else Standing.CONFLICTED

    def commit(self) -> None:
        """Commit on both sides."""
        self.compare_commit(self.ask(Request("COMMIT", protocol=Protocol.SIMPLE)))

    def compare_commit(self, got: Answer) -> None:
        """Compare the local DSQL's answer to COMMIT with the oracle's."""
        if self._ended or self._lost:
            # A lost one may break a deferred constraint too: which of the two COMMIT reports does not count.
            lost = self._lost and (got.sqlstate == CONFLICT or got.sqlstate.startswith("23"))
            if got.tag != "ROLLBACK" and not lost:
                raise self._transcript.mismatch(
                    f"{self.name}: a transaction that must not commit answers {got}"
                )
            self.copy.rollback()
        else:
            self._compare_verdict(got)
        self._same_settings()

    def _compare_verdict(self, got: Answer) -> None:
        assert self.copy.open is not None
        stale = self.copy.open.snapshot != len(self._oracle.facts)
        loose = self._loose and "(OC001)" in got.message
        seen: list[Verdict] = []

        def choose(verdict: Verdict) -> bool:
            seen.append(verdict)
            return not got.failed and verdict is not Verdict.CONFLICT

        expected = self.copy.commit(choose)
        if not seen:  # a deferred constraint, or nothing left to commit
            fine = got.sqlstate == expected.sqlstate or (got.sqlstate == CONFLICT and (stale or loose))
        elif got.sqlstate == CONFLICT:
            fine = loose or (seen[0] is not Verdict.COMMIT and "(OC000)" in got.message)
        else:
            fine = not got.failed and got.tag == "COMMIT" and seen[0] is not Verdict.CONFLICT
        if not fine:
            verdict = seen[0].name if seen else str(expected)
            raise self._transcript.mismatch(f"{self.name}: COMMIT answers {got}, expected {verdict}")

    def rollback(self) -> None:
        """Roll back on both sides."""
        self._expect("ROLLBACK", "ROLLBACK")
        self.copy.rollback()
        self._same_settings()

    def autocommit(self, statement: Statement) -> None:
        """Run a statement of its own on both sides."""
        got = self.ask(statement.request)
        self.copy.begin()
        if got.sqlstate == CONFLICT and "(OC001)" in got.message and self._oracle.unsettled:
            self.copy.rollback()
            return
        expected = self.copy.execute(statement.request, statement.locks)
        ended = self.copy.commit()
        if not expected.failed and ended.failed:
            expected = ended
        outcome = judge(
            got,
            expected,
            before=Standing.CLEAN,
            after=Standing.CLEAN,
            loose=False,
            ordered=statement.shape.ordered,
            several=statement.shape.several,
        )
        if outcome not in (Outcome.SAME, Outcome.ENDED):
            raise self._transcript.mismatch(
                f"{self.name}: {statement.request} in autocommit mode\n  answers  {got}\n  expected {expected}"
            )
        self._same_settings()

    def cut(self, request: Request | None) -> None:
        """Tear the connection, in the middle of a statement if there is one; connect again."""
        if request is not None:
            self.send(request)
        self._transcript.note(self.name, f"{request or ''} (connection cut)", Answer())
        self.wire.cut()
        self.copy.rollback()
        self.reconnect()

    def reconnect(self) -> None:
        """Connect again, with the settings of a new session on both sides."""
        self.wire = WireSession(self._conninfo)
        self.copy.forget_settings()

    def reset(self) -> None:
        """Set every parameter to its default on both sides."""
        while self.ask(Request("RESET ALL", protocol=Protocol.SIMPLE)).failed:
            if not self._oracle.unsettled:
                raise self._transcript.mismatch(f"{self.name}: RESET ALL fails")
        self.copy.forget_settings()

    def _expect(self, sql: str, tag: str) -> None:
        answer = self.ask(Request(sql, protocol=Protocol.SIMPLE))
        if answer.tag != tag:
            raise self._transcript.mismatch(f"{self.name}: {sql} answers {answer}")

    def _same_settings(self) -> None:
        for name in REPORTED:
            got, expected = self.wire.parameter(name), self.copy.session.parameter(name)
            if got != expected:
                raise self._transcript.mismatch(f"{self.name}: {name} is {got}, expected {expected}")

    def close(self) -> None:
        """Hang up."""
        self.wire.close()
