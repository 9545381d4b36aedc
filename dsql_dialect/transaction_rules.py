"""Rules of DSQL on one transaction: one DDL statement, and no changes of rows beside it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dsql_dialect.rule import Finding
from dsql_dialect.rules.transactions import DDL_WITH_DML, MULTIPLE_DDL

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dsql_dialect.rule import Rule
    from dsql_dialect.statement import Statement

BOUNDARIES = frozenset({"BEGIN", "COMMIT", "ROLLBACK"})
"""Transaction statements behind which nothing has been done; SAVEPOINT and the others change nothing."""


@dataclass(frozen=True, slots=True)
class TransactionRules:
    """DDL and changes of rows that a transaction has made so far; a new one has made none."""

    ddl: bool = False
    dml: bool = False

    def refusal(self, statement: Statement) -> Finding | None:
        """Return the refusal of the statement as the transaction's next, or None."""
        rule = self._broken_by(statement)
        return None if rule is None else Finding(rule, rule.text, statement.position)

    def _broken_by(self, statement: Statement) -> Rule | None:
        if statement.is_ddl and self.ddl:
            return MULTIPLE_DDL
        if (statement.is_ddl and self.dml) or (statement.is_dml and self.ddl):
            return DDL_WITH_DML
        return None

    def after(self, statement: Statement) -> TransactionRules:
        """Return the state after the statement; the `BOUNDARIES` start a new transaction."""
        if statement.is_dml:
            return self if self.dml else TransactionRules(self.ddl, dml=True)
        if statement.is_ddl:
            return self if self.ddl else TransactionRules(ddl=True, dml=self.dml)
        return TransactionRules() if statement.transaction in BOUNDARIES else self

    def first_refusal(self, statements: Iterable[Statement]) -> Finding | None:
        """Return the first refusal in statements run in turn, as in one simple-protocol string."""
        state = self
        for statement in statements:
            finding = state.refusal(statement)
            if finding is not None:
                return finding
            state = state.after(statement)
        return None
