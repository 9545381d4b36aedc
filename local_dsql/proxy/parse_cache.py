"""Parsed query texts and how the proxy handles them, cached by text and dialect."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from dsql_dialect import Kind, Profile, Statement, parse
from dsql_dialect.parser import KEPT_UP_TO
from local_dsql.proxy.parameters import FIXED

if TYPE_CHECKING:
    from dsql_dialect import Script


@dataclass(frozen=True, slots=True)
class ParsedQuery:
    """One text: its statements, and whether it can be relayed unchecked.

    `plain`: the text has at most one statement, DSQL accepts it, and it neither locks, changes nor controls anything.
    While no conflict is possible, its messages are relayed as they are.
    """

    script: Script
    plain: bool

    @property
    def statements(self) -> tuple[Statement, ...]:
        """The statements of the text, in order."""
        return self.script.statements

    @property
    def outside_transaction(self) -> bool:
        """True if it can only run outside of a transaction block."""
        return any(statement.outside_transaction for statement in self.script.statements)

    @property
    def handled_locally(self) -> bool:
        """True if PostgreSQL must not receive it: the proxy refuses it, or executes it itself."""
        only = self.only
        return only is not None and (bool(only.findings) or bool(only.iam or only.async_job))

    @property
    def only(self) -> Statement | None:
        """The statement of a prepared statement, None for an empty text."""
        return self.script.statements[0] if self.script.statements else None


def parse_query(sql: bytes, profile: Profile, codec: str) -> ParsedQuery:
    """Parse a text; bytes that are not in the encoding `codec` become a syntax error."""
    if len(sql) > KEPT_UP_TO:
        return _parse(sql, profile, codec)
    return _parse_cached(sql, profile, codec)


def _parse(sql: bytes, profile: Profile, codec: str) -> ParsedQuery:
    script = parse(sql.decode(codec, "surrogateescape"), profile)
    plain = len(script.statements) <= 1 and all(map(is_plain, script.statements))
    return ParsedQuery(script, plain)


_parse_cached = lru_cache(maxsize=8192)(_parse)


def is_plain(statement: Statement) -> bool:
    """Return whether a statement only reads, and takes no lock that could affect another transaction."""
    if statement.findings or statement.locks or statement.sets_parameters:
        return False
    if statement.node == "VariableShow":
        return not shows_version(statement)
    return statement.kind is Kind.QUERY or statement.kind is Kind.CALL


def is_local(statement: Statement) -> bool:
    """Return whether the proxy executes a statement itself."""
    return bool(statement.iam or statement.async_job or shows_version(statement))


def shows_version(statement: Statement) -> bool:
    """Return whether a statement shows a parameter whose value in PostgreSQL differs from DSQL's (`FIXED`)."""
    return statement.shown_parameter in FIXED
