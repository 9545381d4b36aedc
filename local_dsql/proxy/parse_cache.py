"""Parsed query texts and how the proxy handles them, cached by text and dialect."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache, lru_cache
from typing import TYPE_CHECKING

from dsql_dialect import Kind, Profile, Statement, parse
from dsql_dialect.parser import KEPT_UP_TO
from local_dsql.proxy.parameters import FIXED, RENAMED

if TYPE_CHECKING:
    from collections.abc import Callable

    from dsql_dialect import Script


_SEQUENCES = frozenset({"nextval", "setval"})
"""Functions that change a sequence, which no ROLLBACK restores."""
_CONTROLS = {"BEGIN": "BEGIN", "COMMIT": "COMMIT", "END": "COMMIT"}


@dataclass(frozen=True, slots=True)
class ParsedQuery:
    """One text: its statements, and whether it can be relayed unchecked.

    `plain`: the text has at most one statement, DSQL accepts it, and it neither locks, changes nor controls anything.
    While no conflict is possible, its messages are relayed as they are.

    `writes`: the text is one statement, DSQL accepts it, and it changes as many rows as its command tag says.
    `control`: BEGIN or COMMIT if the text is just that, without options.
    `only`: the statement of a prepared statement, None for an empty text.
    `outside_transaction`: it can only run outside of a transaction block.
    """

    script: Script
    plain: bool
    writes: bool = False
    control: str = ""
    only: Statement | None = field(init=False)
    outside_transaction: bool = field(init=False)

    def __post_init__(self) -> None:
        """Compute what the proxy asks at each execution."""
        statements = self.script.statements
        object.__setattr__(self, "only", statements[0] if statements else None)
        outside = any(statement.outside_transaction for statement in statements)
        object.__setattr__(self, "outside_transaction", outside)

    @property
    def statements(self) -> tuple[Statement, ...]:
        """The statements of the text, in order."""
        return self.script.statements

    def for_backend(self, sql: str) -> str:
        """Return the text of a prepared statement as PostgreSQL is to parse it: just as long as the client's `sql`."""
        only = self.only
        if only is None:
            return sql
        start = only.position.offset
        return sql[:start] + only.backend_sql + sql[start + len(only.text) :]

    @property
    def handled_locally(self) -> bool:
        """True if PostgreSQL must not receive it: the proxy refuses it, or executes it itself."""
        only = self.only
        return only is not None and (
            bool(only.findings) or bool(only.iam or only.async_job) or is_renamed(only)
        )


@cache
def parser(profile: Profile, codec: str) -> Callable[[bytes], ParsedQuery]:
    """Return the function that parses texts in a dialect; bytes not in the encoding `codec` become a syntax error."""

    def parse_text(sql: bytes) -> ParsedQuery:
        return parsed(parse(sql.decode(codec, "surrogateescape"), profile))

    kept = lru_cache(maxsize=8192)(parse_text)
    return lambda sql: kept(sql) if len(sql) <= KEPT_UP_TO else parse_text(sql)


def parsed(script: Script) -> ParsedQuery:
    """Return the text that a script was read from."""
    plain = len(script.statements) <= 1 and all(map(is_plain, script.statements))
    only = script.statements[0] if len(script.statements) == 1 else None
    if plain or only is None or only.findings:
        return ParsedQuery(script, plain)
    writes = only.is_dml and only.tag_counts_rows and not (only.takes_rows or only.sets_parameters)
    return ParsedQuery(script, plain, writes, _CONTROLS.get(only.backend_sql.strip().upper(), ""))


def is_plain(statement: Statement) -> bool:
    """Return whether a statement only reads, and takes no lock that could affect another transaction."""
    if statement.findings or statement.locks or statement.sets_parameters:
        return False
    if statement.node == "VariableShow":
        return not (shows_version(statement) or is_renamed(statement))
    return statement.kind is Kind.QUERY or statement.kind is Kind.CALL


def is_kept_by_portal(statement: Statement) -> bool:
    """Return whether a portal runs all of a statement at its first Execute, whatever the row limit, and keeps the rows.

    PostgreSQL runs queries that change nothing by their text row by row.
    """
    return statement.node != "Select" or statement.writes


def can_read_ahead(statement: Statement) -> bool:
    """Return whether a statement is plain, and the rows of it that a client does not fetch leave no trace."""
    return is_plain(statement) and not (statement.functions & _SEQUENCES)


def is_local(statement: Statement) -> bool:
    """Return whether the proxy executes a statement itself."""
    return bool(statement.iam or statement.async_job or shows_version(statement) or is_renamed(statement))


def is_renamed(statement: Statement) -> bool:
    """Return whether a statement sets or shows a parameter that PostgreSQL has under another name (`RENAMED`)."""
    return statement.parameter in RENAMED


def shows_version(statement: Statement) -> bool:
    """Return whether a statement shows a parameter whose value in PostgreSQL differs from DSQL's (`FIXED`)."""
    return statement.shown_parameter in FIXED
