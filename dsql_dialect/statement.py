"""What the parser says of a text: its statements, what each does, and what DSQL would refuse."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from dsql_dialect.position import Position
    from dsql_dialect.rule import Finding

_UNREADABLE = frozenset({"42601", "22021"})

AsyncJob: TypeAlias = Literal["index", "validate"]


class Kind(enum.Enum):
    """What a statement is to a transaction."""

    DDL = "ddl"
    """Changes the catalog: CREATE, ALTER, DROP, COMMENT, GRANT, REVOKE, AWS IAM."""
    DML = "dml"
    """Changes rows: INSERT, UPDATE, DELETE, COPY FROM, a query with a writing CTE, EXPLAIN ANALYZE of one."""
    QUERY = "query"
    """Only reads: SELECT, VALUES, TABLE, COPY TO, EXPLAIN."""
    TRANSACTION = "transaction"
    """BEGIN, COMMIT, ROLLBACK and their family."""
    SESSION = "session"
    """SET, SHOW, RESET, SET CONSTRAINTS, DEALLOCATE, cursors, LISTEN."""
    CALL = "call"
    """CALL, of which DSQL has sys.wait_for_job."""
    UTILITY = "utility"
    """ANALYZE and other upkeep."""
    INVALID = "invalid"
    """Not SQL."""


@dataclass(frozen=True, slots=True)
class IamStatement:
    """`AWS IAM GRANT role TO 'arn'`, or REVOKE … FROM: which IAM identity may log in as which role."""

    role: str
    arn: str
    revoke: bool


@dataclass(frozen=True, slots=True)
class Traits:
    """What a statement does, as seen in its text alone: a called function's doings are not."""

    inserts: bool = False
    updates: bool = False
    deletes: bool = False
    for_update: bool = False
    for_key_share: bool = False
    returns_rows: bool = False
    takes_rows: bool = False
    transaction: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """One statement of a script.

    `text` is without its semicolon. `node` is PostgreSQL's name for the statement without `Stmt`
    (`Truncate`), `Iam` for AWS IAM, and empty where the text is no SQL. The first of `findings` is
    what DSQL would answer. `backend_sql` is what PostgreSQL can run: as long as `text`, with the word
    ASYNC blanked; empty for AWS IAM.
    """

    text: str
    position: Position
    kind: Kind
    node: str
    backend_sql: str
    findings: tuple[Finding, ...] = ()
    traits: Traits = Traits()
    async_job: AsyncJob | None = None
    iam: IamStatement | None = None

    @property
    def finding(self) -> Finding | None:
        """The refusal that DSQL would answer with, or None."""
        return self.findings[0] if self.findings else None

    @property
    def is_unreadable(self) -> bool:
        """Whether PostgreSQL refuses it before it looks at anything else."""
        return self.finding is not None and self.finding.sqlstate in _UNREADABLE

    @property
    def is_ddl(self) -> bool:
        """Whether it counts for `one DDL statement a transaction`."""
        return self.kind is Kind.DDL

    @property
    def is_dml(self) -> bool:
        """Whether it may not share a transaction with DDL."""
        return self.kind is Kind.DML

    @property
    def writes(self) -> bool:
        """Whether it changes rows."""
        return self.inserts or self.updates or self.deletes

    @property
    def inserts(self) -> bool:
        """Whether it can insert rows."""
        return self.traits.inserts

    @property
    def updates(self) -> bool:
        """Whether it can update rows (ON CONFLICT DO UPDATE included)."""
        return self.traits.updates

    @property
    def deletes(self) -> bool:
        """Whether it can delete rows."""
        return self.traits.deletes

    @property
    def for_update(self) -> bool:
        """Whether it has a FOR UPDATE clause anywhere."""
        return self.traits.for_update

    @property
    def for_key_share(self) -> bool:
        """Whether it has a FOR KEY SHARE clause anywhere."""
        return self.traits.for_key_share

    @property
    def returns_rows(self) -> bool:
        """Whether its answer has columns."""
        return self.traits.returns_rows

    @property
    def takes_rows(self) -> bool:
        """Whether the client has to send rows for it: COPY … FROM."""
        return self.traits.takes_rows

    @property
    def transaction(self) -> str | None:
        """BEGIN, COMMIT, ROLLBACK, SAVEPOINT, RELEASE, ROLLBACK TO, … for transaction control, or None."""
        return self.traits.transaction

    @property
    def outside_transaction(self) -> bool:
        """Whether DSQL runs it outside a transaction block only (CALL sys.wait_for_job, ANALYZE)."""
        return self.kind is Kind.CALL or self.node == "Vacuum"


@dataclass(frozen=True, slots=True)
class Script:
    """The statements of one text, in order; empty statements are left out."""

    statements: tuple[Statement, ...]

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Every refusal of every statement, in order; transaction rules are TransactionRules' affair."""
        return tuple(finding for statement in self.statements for finding in statement.findings)

    @property
    def syntax_error(self) -> Finding | None:
        """The first finding that makes PostgreSQL refuse the whole text before running any of it, or None."""
        return next((finding for finding in self.findings if finding.sqlstate in _UNREADABLE), None)
