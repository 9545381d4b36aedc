"""Statements as the parser returns them: kind, traits, names, and the refusals that DSQL would answer with."""

from __future__ import annotations

import enum
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Literal, TypeAlias

from dsql_dialect import rewrite

if TYPE_CHECKING:
    from dsql_dialect.position import Position
    from dsql_dialect.rule import Finding

_UNREADABLE = frozenset({"42601", "22021"})

AsyncJob: TypeAlias = Literal["index", "validate"]


class Kind(enum.Enum):
    """The part that a statement plays in a transaction."""

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
    """ANALYZE and other maintenance."""
    INVALID = "invalid"
    """Not SQL."""


@dataclass(frozen=True, slots=True)
class IamStatement:
    """`AWS IAM GRANT role TO 'arn'`, or REVOKE … FROM: an IAM identity may log in as a role, or may no more."""

    role: str
    arn: str
    revoke: bool


@dataclass(frozen=True, slots=True)
class OnConflict:
    """The ON CONFLICT clause of an INSERT.

    `updates` distinguishes DO UPDATE from DO NOTHING. The conflict target is `constraint`, or an index on `columns`:
    empty where the clause names no target, None where it names expressions too. `offset` is in bytes from the start
    of `Statement.backend_sql`.
    """

    updates: bool
    columns: tuple[str, ...] | None
    constraint: str | None
    offset: int


@dataclass(frozen=True, slots=True)
class ValidatedConstraint:
    """The constraint of an ALTER TABLE … VALIDATE CONSTRAINT; `schema` is None where the statement names none."""

    schema: str | None
    table: str
    name: str


@dataclass(frozen=True, slots=True)
class Traits:
    """Actions of a statement, as seen in its text alone: a function that it calls may do more.

    `tables_written` are names of tables in lower case and without schema; `columns_assigned` those of columns set by
    UPDATE or ON CONFLICT DO UPDATE; `write_nodes` counts INSERT, UPDATE, DELETE and their like, nested ones too.
    `skip_locked` and `nowait` are true where any locking clause says so.
    """

    inserts: bool = False
    updates: bool = False
    deletes: bool = False
    for_update: bool = False
    for_key_share: bool = False
    skip_locked: bool = False
    nowait: bool = False
    calls_set_config: bool = False
    returns_rows: bool = False
    takes_rows: bool = False
    transaction: str | None = None
    tables_written: frozenset[str] = frozenset()
    columns_assigned: frozenset[str] = frozenset()
    write_nodes: int = 0

    @property
    def writes(self) -> bool:
        """Return whether rows are changed."""
        return self.inserts or self.updates or self.deletes

    @property
    def locks(self) -> bool:
        """Return whether rows are locked, FOR UPDATE or FOR KEY SHARE."""
        return self.for_update or self.for_key_share

    def joined(self, *others: Traits) -> Traits:
        """Return the traits together with those of called functions and mentioned views."""
        combined = {each.name: getattr(self, each.name) for each in fields(self)}
        for other in others:
            for name in _INHERITED:
                combined[name] = combined[name] | getattr(other, name)
        return Traits(**combined)


NO_TRAITS = Traits()
"""The traits of a statement that neither reads nor writes rows."""

UNKNOWN_WRITES = Traits(inserts=True, updates=True, deletes=True, for_update=True, for_key_share=True)
"""The traits of a statement that may do anything to rows."""

_INHERITED = (
    *(
        "inserts",
        "updates",
        "deletes",
        "for_update",
        "for_key_share",
        "skip_locked",
        "nowait",
        "calls_set_config",
    ),
    *("tables_written", "columns_assigned"),
)
"""The traits that a statement also has when a function that it calls has them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """One statement of a script.

    `text` is without its semicolon. `node` is PostgreSQL's name for the statement without `Stmt` (`Truncate`), `Iam`
    for AWS IAM, and empty where the text is no SQL. The first of `findings` is DSQL's answer. `backend_sql` is the text
    that PostgreSQL can run: as long as `text`, with ASYNC, NOWAIT and SKIP LOCKED blanked; empty for AWS IAM. A body in
    PL/pgSQL has the guards of the local database in it (`plpgsql.guards`), so that text is longer.

    Names are in lower case and without schema. `relations` and `functions` are all that the text mentions, those in
    the body of a function included; `types` those outside of it. `roles` are those that a statement on roles, owners or
    privileges refers to, as written; `new_role` is the name that it gives to one by CREATE or RENAME.
    `has_parameters` is true where it has a $1.
    `routines` are the functions and views that it creates, `routine_traits` the actions of these when they are used.
    `altered_tables` are those whose columns or constraints a DDL statement makes or changes; None: unknown ones.
    `rows_inserted` is the number of rows that an INSERT of VALUES always changes, 0 where the text does not tell.
    `parameter` is that of SET, RESET or SHOW, in lower case. `sets_for_transaction` is true where the parameters that
    it sets last until COMMIT, `read_only` for BEGIN … READ ONLY, `has_plpgsql` where it has a body in PL/pgSQL.
    """

    text: str
    position: Position
    kind: Kind
    node: str
    backend_sql: str
    findings: tuple[Finding, ...] = ()
    traits: Traits = NO_TRAITS
    async_job: AsyncJob | None = None
    iam: IamStatement | None = None
    relations: frozenset[str] = frozenset()
    functions: frozenset[str] = frozenset()
    types: frozenset[str] = frozenset()
    has_parameters: bool = False
    roles: frozenset[str] = frozenset()
    new_role: str | None = None
    routines: frozenset[str] = frozenset()
    routine_traits: Traits = NO_TRAITS
    altered_tables: frozenset[str] | None = frozenset()
    on_conflict: OnConflict | None = None
    rows_inserted: int = 0
    validates: ValidatedConstraint | None = None
    parameter: str | None = None
    sets_for_transaction: bool = False
    read_only: bool = False
    has_plpgsql: bool = False

    @property
    def finding(self) -> Finding | None:
        """The refusal that DSQL would answer with, or None."""
        return self.findings[0] if self.findings else None

    @property
    def parsed_sql(self) -> str:
        """The SQL that PostgreSQL's parser has read, as long as `text`: without ASYNC, and without guards in bodies."""
        return self.text if self.has_plpgsql else self.backend_sql

    @property
    def is_unreadable(self) -> bool:
        """Return whether PostgreSQL refuses it before it looks at anything else."""
        return self.finding is not None and self.finding.sqlstate in _UNREADABLE

    @property
    def is_ddl(self) -> bool:
        """Return whether it counts for `one DDL statement a transaction`."""
        return self.kind is Kind.DDL

    @property
    def is_dml(self) -> bool:
        """Return whether it may not share a transaction with DDL."""
        return self.kind is Kind.DML

    @property
    def writes(self) -> bool:
        """Return whether it changes rows."""
        return self.traits.writes

    @property
    def inserts(self) -> bool:
        """Return whether it can insert rows."""
        return self.traits.inserts

    @property
    def updates(self) -> bool:
        """Return whether it can update rows (ON CONFLICT DO UPDATE included)."""
        return self.traits.updates

    @property
    def deletes(self) -> bool:
        """Return whether it can delete rows."""
        return self.traits.deletes

    @property
    def locks(self) -> bool:
        """Return whether it locks rows by a FOR UPDATE or FOR KEY SHARE clause."""
        return self.traits.locks

    @property
    def for_update(self) -> bool:
        """Return whether it has a FOR UPDATE clause anywhere."""
        return self.traits.for_update

    @property
    def for_key_share(self) -> bool:
        """Return whether it has a FOR KEY SHARE clause anywhere."""
        return self.traits.for_key_share

    @property
    def returns_rows(self) -> bool:
        """Return whether its answer has columns."""
        return self.traits.returns_rows

    @property
    def takes_rows(self) -> bool:
        """Return whether the client has to send rows for it: COPY … FROM."""
        return self.traits.takes_rows

    @property
    def tag_counts_rows(self) -> bool:
        """Return whether its command tag counts every row that its own text changes: it nests no write in a CTE."""
        return self.takes_rows or (
            self.node in ("Insert", "Update", "Delete") and self.traits.write_nodes == 1
        )

    @property
    def tables_written(self) -> frozenset[str]:
        """The tables that it writes to, in lower case and without schema."""
        return self.traits.tables_written

    @property
    def columns_assigned(self) -> frozenset[str]:
        """The columns that UPDATE or ON CONFLICT DO UPDATE assign to."""
        return self.traits.columns_assigned

    @property
    def is_set(self) -> bool:
        """Return whether it is SET or RESET."""
        return self.node == "VariableSet"

    @property
    def sets_parameters(self) -> bool:
        """Return whether it may set session parameters, by SET, RESET or set_config()."""
        return self.is_set or self.traits.calls_set_config

    @property
    def transaction(self) -> str | None:
        """BEGIN, COMMIT, ROLLBACK, SAVEPOINT, RELEASE, ROLLBACK TO, … for transaction control, or None."""
        return self.traits.transaction

    @property
    def shown_parameter(self) -> str | None:
        """The parameter of SHOW, or None."""
        return self.parameter if self.node == "VariableShow" else None

    @property
    def outside_transaction(self) -> bool:
        """Return whether DSQL runs it outside a transaction block only (CALL sys.wait_for_job, ANALYZE)."""
        return self.kind is Kind.CALL or self.node == "Vacuum"

    @property
    def calls_procedure(self) -> bool:
        """Return whether it calls a procedure of a client."""
        return self.node == "Call" and self.kind is not Kind.CALL

    def without_unique(self) -> str:
        """Return `backend_sql` without the word UNIQUE of CREATE UNIQUE INDEX, unchanged where there is none."""
        return rewrite.without_unique(self.backend_sql) if self.node == "Index" else self.backend_sql

    def with_parameter(self, name: str) -> str:
        """Return `backend_sql` of SET, RESET or SHOW with another name in place of the parameter's."""
        return rewrite.with_name(self.backend_sql, str(self.parameter), name)


@dataclass(frozen=True, slots=True)
class Script:
    """The statements of one text, in order; empty statements are left out."""

    statements: tuple[Statement, ...]

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Every refusal of every statement, in order; those of transaction rules come from TransactionRules."""
        return tuple(finding for statement in self.statements for finding in statement.findings)

    @property
    def syntax_error(self) -> Finding | None:
        """The first finding that makes PostgreSQL refuse the whole text before running any of it, or None."""
        return next((finding for finding in self.findings if finding.sqlstate in _UNREADABLE), None)
